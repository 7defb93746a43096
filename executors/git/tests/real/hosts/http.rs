//! The real `git http-backend` behind a server that asks for a token: a CGI bridge in the place of Apache.

use std::fs::File;
use std::io::{Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_git::{GitUrl, Remote, Token};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::BareRepository;

/// The token that every host here takes.
pub(crate) const TOKEN: &str = "s3cr3t-token-of-the-test";

type Hook = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// A request, as the host saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
}

impl Asked {
    /// Whether this is the request that changes something.
    pub(crate) fn is_push(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/git-receive-pack")
    }
}

/// What a host does with a request.
pub(crate) enum Answer {
    /// What git says.
    Git,
    /// Git does it, and the answer is lost on the way.
    Lost,
    /// This status.
    Status(StatusCode),
    /// It is elsewhere.
    Elsewhere(String),
    /// Nothing, until the caller goes away.
    Silence,
}

/// A host of repositories on this machine.
pub(crate) struct HttpHost {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    folder: TempDir,
}

struct Shared {
    root: PathBuf,
    backend: PathBuf,
    needs_token: bool,
    hook: Hook,
    asked: Mutex<Vec<Asked>>,
}

impl HttpHost {
    /// Anybody may read and write.
    pub(crate) async fn open() -> Self {
        Self::start(false, Box::new(|_| Answer::Git)).await
    }

    /// Whoever has [`TOKEN`] may read and write.
    pub(crate) async fn guarded() -> Self {
        Self::start(true, Box::new(|_| Answer::Git)).await
    }

    /// As [`Self::guarded`], and `hook` says what happens to whoever is let in.
    pub(crate) async fn with_hook(hook: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(true, Box::new(hook)).await
    }

    async fn start(needs_token: bool, hook: Hook) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let exec_path =
            super::repository::run(&mut super::repository::git_command(Path::new("/"), ["--exec-path"]), b"");
        let shared = Arc::new(Shared {
            root: folder.path().to_owned(),
            backend: Path::new(&exec_path).join("git-http-backend"),
            needs_token,
            hook,
            asked: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, address, serving, folder }
    }

    /// Where a repository of this name is, in the file system.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A repository with these files on `main`.
    pub(crate) fn repository(&self, name: &str, files: &[(&str, &str)]) -> BareRepository {
        BareRepository::new(self.dir(name), files)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, name: &str) -> GitUrl {
        GitUrl::parse_trusted(&format!("http://127.0.0.1:{}/{name}", self.port())).unwrap()
    }

    /// With the token.
    pub(crate) fn remote(&self, name: &str) -> Remote {
        Remote::new(self.url(name)).with_token(Token::new(TOKEN).unwrap())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub(crate) fn pushes(&self) -> usize {
        self.asked().iter().filter(|asked| asked.is_push()).count()
    }
}

impl Drop for HttpHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn authorization() -> String {
    format!("Basic {}", STANDARD.encode(format!("x-access-token:{TOKEN}")))
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION);
    let asked = Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        authorization: authorization.map(|value| value.to_str().unwrap().to_owned()),
    };
    shared.asked.lock().unwrap().push(asked.clone());
    let is_known = asked.authorization.as_ref() == Some(&self::authorization());
    if shared.needs_token && !is_known {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"test\"")]).into_response();
    }
    let answer = {
        let (shared, asked) = (Arc::clone(&shared), asked.clone());
        tokio::task::spawn_blocking(move || (shared.hook)(&asked)).await.unwrap()
    };
    match answer {
        Answer::Git => git(shared, asked, request).await,
        Answer::Lost => {
            git(shared, asked, request).await;
            StatusCode::BAD_GATEWAY.into_response()
        }
        Answer::Status(status) => status.into_response(),
        Answer::Elsewhere(url) => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, url)]).into_response(),
        Answer::Silence => std::future::pending().await,
    }
}

async fn git(shared: Arc<Shared>, asked: Asked, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    tokio::task::spawn_blocking(move || run_backend(&shared, &asked, &parts.headers, &body)).await.unwrap()
}

/// RFC 3875.
#[expect(clippy::disallowed_methods, reason = "the host of a test is no job")]
fn run_backend(shared: &Shared, asked: &Asked, headers: &HeaderMap, body: &[u8]) -> Response {
    let mut stdin: File = tempfile::tempfile().unwrap();
    stdin.write_all(body).unwrap();
    stdin.rewind().unwrap();
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let output = Command::new(&shared.backend)
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", &asked.method)
        .env("PATH_INFO", &asked.path)
        .env("QUERY_STRING", &asked.query)
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("GIT_PROTOCOL", text("git-protocol"))
        // Who is somebody may push.
        .env("REMOTE_USER", "somebody")
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
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
    }
    response
}
