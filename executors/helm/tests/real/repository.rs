//! A chart repository over http, with a password, on this machine.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A folder that is served.
pub(crate) struct Repository {
    pub(crate) url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    folder: Option<std::path::PathBuf>,
    /// `user:password`, where one is asked for.
    credentials: Option<String>,
    /// Answered with 503 so many times first.
    busy: Mutex<u32>,
    requests: Mutex<Vec<String>>,
}

impl Repository {
    pub(crate) async fn serve(folder: &Path, credentials: Option<&str>, busy: u32) -> Self {
        let seen = Arc::new(Seen {
            folder: Some(folder.to_owned()),
            credentials: credentials.map(str::to_owned),
            busy: Mutex::new(busy),
            requests: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        Self { url: format!("http://{}", listen(router).await), seen }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

/// Serves for as long as the test runs.
pub(crate) async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

pub(crate) fn is_allowed(headers: &HeaderMap, credentials: Option<&str>) -> bool {
    let wanted = credentials.map(|both| format!("Basic {}", STANDARD.encode(both)));
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    wanted.is_none_or(|wanted| given == Some(&wanted))
}

async fn answer(State(seen): State<Arc<Seen>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    seen.requests.lock().unwrap().push(path.clone());
    if !is_allowed(request.headers(), seen.credentials.as_deref()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut busy = seen.busy.lock().unwrap();
    if *busy > 0 {
        *busy -= 1;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let file = seen.folder.as_ref().unwrap().join(path.trim_start_matches('/'));
    std::fs::read(file).map_or(StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}
