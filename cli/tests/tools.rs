//! `alethia tools`: what it lists, and how it gets through proxies, to mirrors and past certificates of one's own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use system_tests::process::variable;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Of kubectl 1.36.4, as everything that these tests serve: it cannot be the real one.
const RUBBISH: &[u8] = b"no kubectl\n";
/// Where the real one is for this machine, and how its SHA-256 begins.
const FILE: &str = if cfg!(target_arch = "aarch64") {
    "dl.k8s.io/release/v1.36.4/bin/linux/arm64/kubectl"
} else {
    "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubectl"
};
const EXPECTED: &str =
    if cfg!(target_arch = "aarch64") { "expected 0ecf44450ee6063b" } else { "expected 8b8f088da2dab964" };

struct Said {
    code: i32,
    out: String,
    err: String,
}

async fn tools(home: &TempDir, args: &[&str], env: &[(&str, &str)]) -> Said {
    alethia(home, &[&["tools"], args].concat(), env).await
}

async fn alethia(home: &TempDir, args: &[&str], env: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alethia"));
    command.env_clear().env("HOME", home.path()).env("PATH", variable("PATH").unwrap_or_default());
    let output = command.args(args).envs(env.iter().copied()).kill_on_drop(true).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// The first line of every request that came; each is answered with [`RUBBISH`].
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Vec<String>>>);

impl Server {
    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let text = String::from_utf8_lossy(&request);
        self.0.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", RUBBISH.len());
        stream.write_all(&[head.as_bytes(), RUBBISH].concat()).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    /// Its port.
    async fn start(&self, tls: Option<TlsAcceptor>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => server.answer(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            server.answer(stream).await;
                        }
                    }
                }
            }
        });
        port
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A certificate authority that nobody knows, in this file, and a server's certificate from it for `localhost`.
fn own_ca(file: &Path) -> TlsAcceptor {
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    std::fs::write(file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

const WRONG: &str = "is not the release that is known here: its SHA-256 is";

#[tokio::test]
async fn a_server_with_a_certificate_of_ones_own_ca_is_trusted_where_the_operator_says_so() {
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.pem");
    let server = Server::default();
    let mirror = format!("https://localhost:{}/", server.start(Some(own_ca(&ca))).await);
    let trusting = [("ALETHIA_TOOLS_MIRROR", mirror.as_str()), ("SSL_CERT_FILE", ca.to_str().unwrap())];
    let said = tools(&home, &["install", "kubectl@1.36.4"], &trusting).await;
    assert_eq!((said.code, said.err.contains(WRONG)), (1, true), "it came, and was refused: {}", said.err);
    assert!(server.asked()[0].contains(FILE), "{:?}", server.asked());

    let other = home.path().join("other.pem");
    own_ca(&other);
    let wary = [("ALETHIA_TOOLS_MIRROR", mirror.as_str()), ("SSL_CERT_FILE", other.to_str().unwrap())];
    let said = tools(&home, &["install", "kubectl@1.36.4"], &wary).await;
    assert_eq!((said.code, said.err.contains("certificate")), (1, true), "{}", said.err);
    assert!(!said.err.contains("trying again"), "{}", said.err);
    assert_eq!(server.asked().len(), 1, "nothing was asked of a stranger");
}

#[tokio::test]
async fn files_come_through_the_proxy() {
    let (home, proxy) = (tempfile::tempdir().unwrap(), Server::default());
    let address = format!("http://127.0.0.1:{}", proxy.start(None).await);
    let args = ["install", "kubectl@1.36.4", "--mirror", "http://tools.invalid/all"];
    let said = tools(&home, &args, &[("HTTP_PROXY", &address)]).await;
    assert_eq!((said.code, said.err.contains(WRONG)), (1, true), "{}", said.err);
    assert_eq!(proxy.asked(), [format!("GET http://tools.invalid/all/{FILE} HTTP/1.1")]);

    let args = ["install", "kubectl@1.36.4"];
    let tunnel = Server::default();
    let address = format!("http://127.0.0.1:{}", tunnel.start(None).await);
    let said = tools(&home, &args, &[("HTTPS_PROXY", &address)]).await;
    assert_eq!(said.code, 1, "this proxy makes no tunnels: {}", said.err);
    assert_eq!(tunnel.asked()[0], "CONNECT dl.k8s.io:443 HTTP/1.1");
}

#[tokio::test]
async fn a_folder_is_a_mirror_and_a_wrong_file_in_it_is_refused_as_one_document() {
    let (home, mirror) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = mirror.path().join(FILE);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, RUBBISH).unwrap();
    let args = ["install", "kubectl@1.36.4", "--json", "--mirror", mirror.path().to_str().unwrap()];
    let said = tools(&home, &args, &[]).await;
    let error: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    let text = error["error"].as_str().unwrap();
    assert!(text.contains(file.to_str().unwrap()) && text.contains(EXPECTED), "{text}");
    let left = std::fs::read_dir(home.path().join(".cache/alethia/tools/kubectl")).unwrap();
    assert_eq!(left.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), [".lock"]);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_what_can() {
    let home = tempfile::tempdir().unwrap();
    for (args, code, expected) in [
        (["install", "rm"], 2, "no tool \"rm\"; known are argocd, helm, infracost, kubectl, terraform, tofu"),
        (["install", "helm@2"], 2, "helm 2 is not among the releases that can be checked for linux-"),
        (["install", "helm@latest"], 2, "\"latest\" is no version"),
        (["install", "--mirror=tools"], 2, "required"),
    ] {
        let said = tools(&home, &args, &[]).await;
        assert_eq!((said.code, said.err.contains(expected)), (code, true), "{args:?}: {}", said.err);
    }
    let said = tools(&home, &["install", "helm", "--mirror", "tools"], &[]).await;
    assert_eq!((said.code, said.err.contains("ALETHIA_TOOLS_MIRROR or --mirror")), (78, true), "{}", said.err);
    assert!(!home.path().join(".cache").exists(), "nothing was begun");
}

/// The home of a user who has installed a terraform, and where that is.
fn home_with_terraform() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".cache/alethia/tools/terraform/1.15.8");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("terraform");
    std::fs::write(&program, "#!/bin/sh\necho '{\"terraform_version\":\"1.15.8\"}'\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (home, program)
}

#[tokio::test]
async fn the_list_says_what_is_pinned_installed_used_and_in_range() {
    let (home, installed) = home_with_terraform();
    let nowhere = [("PATH", "/nonexistent")];
    let said = tools(&home, &["list", "--json"], &nowhere).await;
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let terraform = document["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "terraform").unwrap();
    let newest = &terraform["versions"][0];
    assert_eq!(terraform["needed"], json!([">=1.11, <2", ">=1.5, <2", ">=1.7, <2"]), "our templates need more");
    assert_eq!(terraform["program"], installed.to_str().unwrap());
    assert_eq!(
        (&newest["version"], &newest["pinned"], &newest["used"]),
        (&"1.15.8".into(), &true.into(), &true.into())
    );
    assert_eq!((&newest["in_range"], &newest["installed"]), (&true.into(), &terraform["program"]));
    assert!(newest["url"].as_str().unwrap().starts_with("https://releases.hashicorp.com/terraform/1.15.8/"));
    assert_eq!(newest["sha256"].as_str().unwrap().len(), 64);

    let said = tools(&home, &["list"], &nowhere).await;
    let row = said.out.lines().find(|line| line.contains("1.15.8")).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[..4], ["terraform", "1.15.8", "yes", "yes"]);
    assert_eq!(cells[5], "yes", "{row}");
    assert!(said.err.contains("tofu: tofu is not on the PATH"), "{}", said.err);
}

#[tokio::test]
async fn kinds_and_doctor_know_what_is_here_and_what_to_do_about_the_rest() {
    let (home, installed) = home_with_terraform();
    let id = "0192f0c1-5a5b-7c6d-8e9f-000000000001";
    let env = [
        ("PATH", "/nonexistent"),
        ("ALETHIA_WEB_ORIGIN", "http://127.0.0.1:9"),
        ("ALETHIA_WORKER_ID", id),
        ("ALETHIA_WORKER_TOKEN", "a-token"),
    ];
    let said = alethia(&home, &["runner", "kinds", "--json"], &env).await;
    let kinds: Value = serde_json::from_str(&said.out).unwrap();
    let terraform = kinds.as_array().unwrap().iter().find(|kind| kind["kind"] == "terraform").unwrap();
    assert_eq!((&terraform["offered"], &terraform["why_not"]), (&true.into(), &Value::Null));
    let (found, lacking) = (&terraform["tools"][0], &terraform["tools"][1]);
    assert_eq!((&found["found"], &found["versions"]), (&"1.15.8".into(), &">=1.5, <2".into()));
    assert_eq!((&found["in_range"], &found["installed"]), (&true.into(), &true.into()));
    assert_eq!(found["program"], installed.to_str().unwrap());
    assert_eq!(
        (&lacking["name"], &lacking["found"], &lacking["in_range"]),
        (&"tofu".into(), &Value::Null, &false.into())
    );
    assert!(lacking["remedy"].as_str().unwrap().starts_with("run `alethia tools install tofu@1."), "{lacking}");

    let said = alethia(&home, &["runner", "kinds"], &env).await;
    let row = said.out.lines().find(|line| line.starts_with("terraform ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[..4], ["terraform", "yes", "terraform", "1.15.8"], "{row}");

    let said = alethia(&home, &["runner", "doctor"], &env).await;
    assert!(
        said.out.contains(&format!("ok   kind terraform: terraform 1.15.8 ({})", installed.display())),
        "{}",
        said.out
    );
    let failures: Vec<_> = said.out.lines().filter(|line| line.starts_with("FAIL")).collect();
    let [plane] = failures[..] else { panic!("no tofu is no failure: {}", said.out) };
    assert!(plane.starts_with("FAIL control plane http://127.0.0.1:9: cannot reach"), "{plane}");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_alethia"));
    command.env_clear().envs(env).env("HOME", home.path()).args(["runner", "doctor"]);
    let doctor = command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let said = doctor.wait_with_output().await.unwrap();
    assert_eq!((said.status.code(), &said.stderr[..]), (Some(78), &b""[..]), "its reader has left");

    let said = alethia(&tempfile::tempdir().unwrap(), &["runner", "doctor"], &env).await;
    assert!(said.out.contains("warn kind terraform is not offered: "), "{}", said.out);
    assert!(said.out.contains("run `alethia tools install terraform@1."), "{}", said.out);
}
