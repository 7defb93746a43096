//! Bringing Argo CD into a namespace. The nodes of the test cluster run no containers: who makes the first password is
//! Argo CD's server as a process of this machine.

use std::fs;
use std::process::{Child, Command, Stdio};

use axum::Router;
use executor_api::testing::{TestJob, variable};
use executor_api::{ExecutorError, Input, LogStream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::cluster::{TestCluster, builder, cluster, fail, run, succeed};

const ARTIFACT: &str = "argocd-admin-password";

fn manifest() -> String {
    let file =
        variable("ALETHIA_TEST_ARGOCD_MANIFEST").expect("`cargo xtask cluster` sets ALETHIA_TEST_ARGOCD_MANIFEST");
    fs::read_to_string(file).unwrap()
}

/// Argo CD's server in the test's namespace; ends with the test.
struct ArgoCdServer {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl ArgoCdServer {
    #[expect(clippy::disallowed_methods, reason = "what a pod would run is no job")]
    fn start(cluster: &TestCluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = [free_port(), free_port()];
        let mut command = Command::new("argocd");
        command.env("ARGOCD_BINARY_NAME", "argocd-server").env("ARGOCD_FAKE_IN_CLUSTER", "true");
        command.env("KUBECONFIG", variable("ALETHIA_TEST_KUBECONFIG").unwrap()).env("HOME", folder.path());
        command.args([
            "--address=127.0.0.1",
            "--metrics-address=127.0.0.1",
            "--redis=127.0.0.1:1",
            "--repo-server=127.0.0.1:1",
        ]);
        command.arg(format!("--namespace={}", cluster.namespace));
        command.arg(format!("--port={}", ports[0])).arg(format!("--metrics-port={}", ports[1]));
        let process =
            command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { process: process.unwrap(), port: ports[0], _folder: folder }
    }
}

impl Drop for ArgoCdServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs an install, and lets the server start as soon as there is something to start from.
async fn install(cluster: &TestCluster, job: &TestJob) -> (Value, ArgoCdServer) {
    let (ended, server) = tokio::join!(run(job), async {
        cluster.until("create", &cluster.namespace, "deployment/argocd-server").await;
        cluster.until("create", &cluster.namespace, "secret/argocd-secret").await;
        ArgoCdServer::start(cluster)
    });
    match ended {
        Ok(outcome) => (Value::Object(outcome.metadata), server),
        Err(error) => panic!("{error}\n{}", job.log()),
    }
}

fn assert_installed(cluster: &TestCluster, job: &TestJob, answer: &Value) -> String {
    assert_eq!((&answer["namespace"], &answer["argocd_version"]), (&json!(cluster.namespace), &json!("3.2.5")));
    assert_eq!(answer["argocd_url"], Value::Null, "nobody configured one");
    let workloads = answer["workloads"].as_array().unwrap();
    assert_eq!(workloads.len(), 7);
    assert!(workloads.iter().all(|one| one["ready"] == true), "{workloads:?}");
    assert!(
        workloads.contains(&json!({ "kind": "StatefulSet", "name": "argocd-application-controller", "ready": true }))
    );
    assert_eq!((&answer["admin_password_artifact"], job.commits() > 0), (&json!(ARTIFACT), true));
    let password = String::from_utf8(job.artifact(ARTIFACT).unwrap()).unwrap();
    assert!(password.len() >= 16);
    let seen = format!("{}{answer}{:?}", job.log(), job.progress());
    assert!(!seen.contains(&password), "the password is in the artifact and nowhere else");
    password
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_from_the_web_is_installed_and_its_password_opens_the_server() {
    let Some(cluster) = cluster() else { return };
    let text = manifest();
    let digest = hex::encode(Sha256::digest(&text));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/install.yaml", listener.local_addr().unwrap());
    let router = Router::new().fallback(move || async move { text });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let payload = |sha256: &str| {
        let manifest = json!({ "url": url, "sha256": sha256 });
        cluster.core_payload("install", json!({ "namespace": cluster.namespace, "install": { "manifest": manifest } }))
    };
    let (job, text) = fail(&payload(&"0".repeat(64))).await;
    assert!(text.starts_with("/install/manifest/sha256: ") && job.commits() == 0, "{text}");

    let job = builder(&payload(&digest)).build().unwrap();
    let (answer, server) = install(&cluster, &job).await;
    let password = assert_installed(&cluster, &job, &answer);
    let stdout = String::from_utf8(job.log_of(LogStream::Stdout)).unwrap();
    assert!(stdout.contains("deployment.apps/argocd-server serverside-applied"), "{stdout}");
    assert!(stdout.contains("deployment \"argocd-server\" successfully rolled out"), "{stdout}");

    // Its certificate vouches for itself.
    let secret = cluster.json(&["get", "secret", "argocd-secret", "--namespace", &cluster.namespace]);
    let certificate = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(secret["data"]["tls.crt"].as_str().unwrap()).unwrap()
    };
    let through = |tls: Value, password: &str| {
        json!({ "action": "project", "server": format!("localhost:{}", server.port), "tls": tls,
                "auth": { "username": "admin", "password": password }, "project": { "name": "of-a-test" } })
    };
    let known = json!({ "ca_certificate": String::from_utf8(certificate).unwrap() });
    succeed(&through(known, &password)).await;
    succeed(&through(json!({ "insecure": true }), &password)).await;
    assert!(cluster.has("appproject", "of-a-test"));
    let (_, text) = fail(&through(json!({}), &password)).await;
    assert!(text.contains("`tls.ca_certificate`") && !text.contains(&password), "{text}");
}

/// A chart of Argo's name: the manifest without what the whole cluster shares, and is there already.
fn chart() -> (String, Vec<u8>) {
    let shared = ["kind: CustomResourceDefinition", "kind: ClusterRole", "kind: ClusterRoleBinding"];
    let manifest = manifest();
    let is_own = |document: &&str| !document.lines().any(|line| shared.contains(&line));
    let own: Vec<_> = manifest.split("\n---\n").filter(is_own).collect();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("Chart.yaml", "apiVersion: v2\nname: argo-cd\nversion: 7.1.3\nappVersion: v3.2.5\n");
    write("install.yaml", &own.join("\n---\n"));
    write(
        "templates/all.yaml",
        "{{ .Files.Get \"install.yaml\" }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: value }\ndata: { value: {{ .Values.value | quote }}, secret: {{ .Values.secret | quote }} }\n",
    );
    let archive = job_source::pack(folder.path()).unwrap();
    (hex::encode(Sha256::digest(&archive)), archive)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_of_the_source_is_installed() {
    let Some(cluster) = cluster() else { return };
    let (id, archive) = chart();
    let install_of = json!({ "chart": { "source": { "archive": id } }, "values": { "value": "one" }, "secret_values": { "secret": "geheim-of-a-test" } });
    let payload = cluster.core_payload("install", json!({ "namespace": cluster.namespace, "install": install_of }));
    let input = Input::Source(id);
    let job = builder(&payload).input(input.clone(), archive.clone()).build().unwrap();
    let (answer, _server) = install(&cluster, &job).await;
    assert_installed(&cluster, &job, &answer);
    assert!(!job.log().contains("geheim-of-a-test"));
    let values = cluster.json(&["get", "configmap", "value", "--namespace", &cluster.namespace]);
    assert_eq!(values["data"], json!({ "value": "one", "secret": "geheim-of-a-test" }));

    // As Argo CD's documentation wants it, once somebody has the password.
    cluster.kubectl(&["delete", "secret", "argocd-initial-admin-secret", "--namespace", &cluster.namespace]);
    let again = builder(&payload).input(input, archive).build().unwrap();
    let answer = run(&again).await.unwrap();
    assert_eq!((&answer.metadata["admin_password_artifact"], again.artifact(ARTIFACT)), (&Value::Null, None));
    assert!(again.log().contains("there is no first password"), "{}", again.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_get_ready_is_named() {
    let Some(cluster) = cluster() else { return };
    let hopeless = crate::git_host::HOPELESS;
    let manifest = json!({ "source": { "files": { "argocd/install.yaml": hopeless } }, "path": "argocd/install.yaml" });
    let more = json!({ "namespace": cluster.namespace, "timeout": "3s", "install": { "manifest": manifest } });
    let (job, text) = fail(&cluster.core_payload("install", more)).await;
    assert!(text.starts_with("Argo CD is not ready after 3s: Deployment hopeless: "), "{text}");
    assert_eq!(job.commits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_installed_without_the_commit_point() {
    let Some(cluster) = cluster() else { return };
    let manifest = json!({ "source": { "files": { "install.yaml": crate::git_host::HOPELESS } } });
    let payload =
        cluster.core_payload("install", json!({ "namespace": cluster.namespace, "install": { "manifest": manifest } }));
    let job = builder(&payload).refuse_commit().build().unwrap();
    assert!(matches!(run(&job).await, Err(ExecutorError::CommitRefused(_))));
    let found = cluster.kubectl(&["get", "namespace", &cluster.namespace, "--ignore-not-found", "--output=name"]);
    assert_eq!(found, "");
}
