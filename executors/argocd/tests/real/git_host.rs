//! The real `git http-backend` behind a server that asks for a token: a CGI bridge in the place of Apache.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

/// Whoever has it may read.
pub(crate) const TOKEN: &str = "s3cr3t-git-token-of-the-test";

/// A repository on this machine, over http.
pub(crate) struct GitHost {
    pub(crate) url: String,
    folder: TempDir,
}

struct Backend {
    root: PathBuf,
    program: PathBuf,
}

impl GitHost {
    /// With these files.
    pub(crate) async fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        std::fs::create_dir(root.join("apps")).unwrap();
        let program = Path::new(&git(&root, &["--exec-path"])).join("git-http-backend");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/apps/.git", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::new(Backend { root, program }));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let host = Self { url, folder };
        host.git(&["init", "--quiet", "--initial-branch=main"]);
        host.commit(files);
        host
    }

    /// A commit that makes these files, or takes away those that are empty; its id.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let file = self.dir().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            if text.is_empty() { std::fs::remove_file(file).unwrap() } else { std::fs::write(file, text).unwrap() }
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=of a test"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("apps")
    }

    fn git(&self, args: &[&str]) -> String {
        git(&self.dir(), args)
    }
}

#[expect(clippy::disallowed_methods, reason = "the host of a test is no job")]
fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "somebody").env(format!("GIT_{role}_EMAIL"), "somebody@example.com");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn answer(State(backend): State<Arc<Backend>>, request: Request) -> Response {
    let known = format!("Basic {}", STANDARD.encode(format!("x-access-token:{TOKEN}")));
    if request.headers().get(header::AUTHORIZATION).is_none_or(|value| value.to_str().unwrap() != known) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"test\"")]).into_response();
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    tokio::task::spawn_blocking(move || run_backend(&backend, &parts, &body)).await.unwrap()
}

/// RFC 3875.
#[expect(clippy::disallowed_methods, reason = "the host of a test is no job")]
fn run_backend(backend: &Backend, parts: &axum::http::request::Parts, body: &[u8]) -> Response {
    let mut stdin: File = tempfile::tempfile().unwrap();
    stdin.write_all(body).unwrap();
    stdin.rewind().unwrap();
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let output = Command::new(&backend.program)
        .env("GIT_PROJECT_ROOT", &backend.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("GIT_PROTOCOL", text("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::from(stdin))
        .output()
        .unwrap();
    response(&output.stdout)
}

fn response(output: &[u8]) -> Response {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]);
    let mut response = Response::new(Body::from(output.get(end + 4..).unwrap_or_default().to_vec()));
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = StatusCode::from_bytes(&value.as_bytes()[..3]).unwrap();
        } else {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
    }
    response
}

/// Settings, as an application's manifest.
pub(crate) fn config(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: web }}\ndata: {{ value: \"{value}\" }}\n")
}

/// A deployment whose pods no node takes: after a second it is given up.
pub(crate) const HOPELESS: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: hopeless }\nspec:\n  \
    progressDeadlineSeconds: 1\n  selector: { matchLabels: { app: hopeless } }\n  template:\n    \
    metadata: { labels: { app: hopeless } }\n    spec:\n      nodeSelector: { nowhere: \"true\" }\n      \
    containers: [{ name: a, image: nothing.example/nothing }]\n";

/// Something that must be done first, and never is.
pub(crate) const ENDLESS_HOOK: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: \
    { argocd.argoproj.io/hook: PreSync }\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
    nodeSelector: { nowhere: \"true\" }\n      containers: [{ name: a, image: nothing.example/nothing }]\n";
