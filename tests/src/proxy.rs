//! Stands between a runner and its plane, and makes moments: holds a call before the plane gets it, or its answer before
//! the runner does, and lets it pass or cuts the connection. Also makes bad weather.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::process::TOO_LONG;

/// One call of a runner.
#[derive(Clone, Debug)]
pub struct Call {
    /// Method and path, for example `POST /api/jobs/claim`.
    pub name: String,
    /// The body, if it is JSON.
    pub body: Value,
}

impl Call {
    /// A claim.
    #[must_use]
    pub fn is_claim(&self) -> bool {
        self.name == "POST /api/jobs/claim"
    }

    /// A report with this status.
    #[must_use]
    pub fn reports(&self, status: &str) -> bool {
        self.name.starts_with("PUT /api/jobs/") && self.name.ends_with("/status") && self.body["status"] == status
    }

    /// The commit point.
    #[must_use]
    pub fn commits(&self) -> bool {
        self.reports("PROCESSING") && self.body["phase"] == "committed"
    }

    /// A piece of log.
    #[must_use]
    pub fn is_log(&self) -> bool {
        self.name.starts_with("POST /api/jobs/") && self.name.ends_with("/log")
    }

    /// A heartbeat that says this.
    #[must_use]
    pub fn says(&self, status: &str) -> bool {
        self.name == "POST /api/workers/heartbeat" && self.body["status"] == status
    }
}

/// Where a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The plane has not seen it.
    Call,
    /// The plane has answered; the runner has not heard it.
    Answer,
}

/// What happens to all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// They pass.
    Fair,
    /// Every connection is cut.
    Away,
    /// They get this answer, and the plane does not see them.
    Answers(u16, &'static str),
}

struct Trap {
    at: At,
    fits: Box<dyn Fn(&Call) -> bool + Send>,
    /// So many that fit pass.
    skip: usize,
    caught: oneshot::Sender<Call>,
    verdict: oneshot::Receiver<()>,
}

/// A call that will be held.
pub struct Held {
    caught: Option<oneshot::Receiver<Call>>,
    pass: oneshot::Sender<()>,
}

impl Held {
    /// Waits until it is.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn caught(&mut self) -> Call {
        let caught = self.caught.take().expect("it is waited for once");
        tokio::time::timeout(TOO_LONG, caught).await.expect("the call comes").expect("the proxy lives")
    }

    /// Lets it go on. Dropped instead, its connection is cut.
    pub fn pass(self) {
        let _ = self.pass.send(());
    }
}

#[derive(Clone)]
struct Shared {
    plane: String,
    http: reqwest::Client,
    traps: Arc<Mutex<Vec<Trap>>>,
    weather: watch::Sender<Weather>,
    calls: watch::Sender<Vec<Call>>,
}

/// The proxy; it ends with this value.
pub struct Proxy {
    /// What a runner uses in place of the plane's.
    pub origin: String,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Before the plane of this origin.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(plane: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("its address"));
        // A connection that a plane left behind when it was killed must not be used again.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        let shared = Shared {
            plane: plane.to_owned(),
            http,
            traps: Arc::default(),
            weather: watch::Sender::new(Weather::Fair),
            calls: watch::Sender::default(),
        };
        let router = Router::new().fallback(forward).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { origin, shared, task }
    }

    /// Holds the next call that fits.
    pub fn hold(&self, at: At, fits: impl Fn(&Call) -> bool + Send + 'static) -> Held {
        self.hold_nth(at, 1, fits)
    }

    /// Holds the n-th call from now on that fits; the first is 1.
    pub fn hold_nth(&self, at: At, nth: usize, fits: impl Fn(&Call) -> bool + Send + 'static) -> Held {
        let ((tell, caught), (pass, verdict)) = (oneshot::channel(), oneshot::channel());
        let trap = Trap { at, fits: Box::new(fits), skip: nth - 1, caught: tell, verdict };
        self.shared.traps.lock().unwrap_or_else(PoisonError::into_inner).push(trap);
        Held { caught: Some(caught), pass }
    }

    /// Changes what happens to all calls, also to those under way.
    pub fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    /// Waits until so many calls that fit have come.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn until(&self, count: usize, fits: impl Fn(&Call) -> bool) {
        let mut calls = self.shared.calls.subscribe();
        let enough = |calls: &Vec<Call>| calls.iter().filter(|call| fits(call)).count() >= count;
        let waited = tokio::time::timeout(TOO_LONG, calls.wait_for(enough)).await;
        assert!(waited.is_ok(), "{count} such calls never came; there were {:#?}", self.calls());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return cut() };
    let call = Call {
        name: format!("{} {}", head.method, head.uri.path()),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    shared.calls.send_modify(|calls| calls.push(call.clone()));
    let mut weather = shared.weather.subscribe();
    match *weather.borrow_and_update() {
        Weather::Fair => {}
        Weather::Away => return cut(),
        Weather::Answers(status, text) => {
            return (StatusCode::from_u16(status).expect("a status"), text).into_response();
        }
    }
    let trap = shared.trap(&call);
    let held_before = trap.as_ref().is_some_and(|trap| trap.at == At::Call);
    let mut trap = trap;
    if held_before && !trap.take().expect("it is there").spring(&call).await {
        return cut();
    }
    let target = format!("{}{}", shared.plane, head.uri.path_and_query().map_or("/", |path| path.as_str()));
    let mut forwarded = shared.http.request(head.method, target).body(body);
    for (name, value) in head.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length")) {
        forwarded = forwarded.header(name, value);
    }
    let answer = tokio::select! {
        answer = forwarded.send() => answer,
        _ = weather.changed() => return cut(),
    };
    let Ok(answer) = answer else { return cut() };
    if let Some(trap) = trap {
        return pass_on_later(trap, &call, answer).await;
    }
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes_stream().take_until(async move { weather.changed().await });
    (status, without_framing(headers), Body::from_stream(body)).into_response()
}

/// The answer is read before it is held: then the plane may go away.
async fn pass_on_later(trap: Trap, call: &Call, answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), without_framing(answer.headers().clone()));
    let Ok(body): Result<Bytes, _> = answer.bytes().await else { return cut() };
    if trap.spring(call).await { (status, headers, body).into_response() } else { cut() }
}

fn without_framing(mut headers: axum::http::HeaderMap) -> axum::http::HeaderMap {
    headers.remove("transfer-encoding");
    headers
}

/// Ends the connection without an answer.
fn cut() -> Response {
    std::panic::resume_unwind(Box::new("the connection is cut"))
}

impl Trap {
    /// False if the connection is to be cut.
    async fn spring(self, call: &Call) -> bool {
        let _ = self.caught.send(call.clone());
        self.verdict.await.is_ok()
    }
}

impl Shared {
    fn trap(&self, call: &Call) -> Option<Trap> {
        let mut traps = self.traps.lock().unwrap_or_else(PoisonError::into_inner);
        for at in 0..traps.len() {
            if !(traps[at].fits)(call) {
                continue;
            }
            if traps[at].skip == 0 {
                return Some(traps.remove(at));
            }
            traps[at].skip -= 1;
        }
        None
    }
}
