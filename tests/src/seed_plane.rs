//! A control plane that knows only the seed's contract, in either of its dialects. Nothing here comes from `wire`: it
//! is written from the contract alone. It answers three of ten log posts with 503, and records all that it gets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The names that a plane or a client of the seed's contract uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedDialect {
    /// `X-Worker-*` and `/api/workers/*`; an idle claim is a 204, times are RFC 3339.
    Workers,
    /// `X-Runner-*` and `/api/runners/*`; an idle claim is `{"job":null}`, times are as Postgres prints them.
    Runners,
}

impl SeedDialect {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Workers, Self::Runners];

    /// The word in the routes.
    #[must_use]
    pub fn family(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Runners => "runners",
        }
    }

    /// The headers of id and token.
    #[must_use]
    pub fn headers(self) -> [&'static str; 2] {
        match self {
            Self::Workers => ["x-worker-id", "x-worker-token"],
            Self::Runners => ["x-runner-id", "x-runner-token"],
        }
    }

    fn time(self) -> &'static str {
        match self {
            Self::Workers => "2026-06-19T17:06:37.1Z",
            Self::Runners => "2026-06-19 17:06:37.1+00",
        }
    }
}

/// The only runner that the plane knows.
pub const RUNNER_ID: &str = "5b0c52a1-seed-runner";
/// Its token.
pub const RUNNER_TOKEN: &str = "seed-token-canary-91f2";

/// What one job got.
#[derive(Clone, Debug, Default)]
pub struct SeedJob {
    /// The bodies of all status reports, in order.
    pub reports: Vec<Value>,
    /// Stream and text of all log posts that were stored, in order.
    pub chunks: Vec<(String, String)>,
    /// The plan artifact.
    pub plan: Option<Bytes>,
}

impl SeedJob {
    /// The text of one stream.
    #[must_use]
    pub fn log_of(&self, stream: &str) -> String {
        self.chunks.iter().filter(|(from, _)| from == stream).map(|(_, text)| text.as_str()).collect()
    }

    /// The status of the last report.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.reports.last()?["status"].as_str()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.status(), Some("SUCCESS" | "FAILED" | "CANCELLED"))
    }

    /// All metadata of all reports, merged as the seed does.
    #[must_use]
    pub fn metadata(&self) -> serde_json::Map<String, Value> {
        let maps = self.reports.iter().filter_map(|report| report["execution_metadata"].as_object());
        maps.flat_map(Clone::clone).collect()
    }
}

/// All that the plane got.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The bodies of all heartbeats.
    pub heartbeats: Vec<Value>,
    /// What jobs got.
    pub jobs: BTreeMap<String, SeedJob>,
    /// Log posts that came, and how many of them were answered with 503.
    pub log_posts: (usize, usize),
    /// Requests that the seed's plane refuses: method, path and status. The log's 503 are not among them.
    pub refused: Vec<(Method, String, StatusCode)>,
    queue: VecDeque<Value>,
    claimed: BTreeMap<String, Value>,
}

/// The plane; it ends with this value.
pub struct SeedPlane {
    /// Scheme, host and port.
    pub origin: String,
    shared: Shared,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    dialect: SeedDialect,
    recorded: Arc<watch::Sender<Recorded>>,
}

impl SeedPlane {
    /// Listens on a free port.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start(dialect: SeedDialect) -> Self {
        let shared = Shared { dialect, recorded: Arc::new(watch::Sender::default()) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("its address"));
        let router = router(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { origin, shared, server }
    }

    /// Queues a job.
    pub fn submit(&self, id: &str, job_type: &str, payload: &Value) {
        let time = self.shared.dialect.time();
        let mut job = json!({
            "id": id, "user_id": "u", "org_id": "o", "zone_id": null, "spec_id": null, "cloud_identity_id": null,
            "job_type": job_type, "config_snapshot": payload, "configuration_hash": null, "status": "QUEUED",
            "assigned_runner_id": null, "plan_job_id": null, "claimed_at": null, "started_at": null,
            "completed_at": null, "error_message": null, "execution_metadata": null,
            "created_at": time, "updated_at": time,
        });
        let owner = if self.shared.dialect == SeedDialect::Workers { "worker_id" } else { "runner_id" };
        job[owner] = Value::Null;
        self.shared.recorded.send_modify(|recorded| recorded.queue.push_back(job));
    }

    /// What it has got so far.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        self.shared.recorded.borrow().clone()
    }

    /// Waits until what it has got is such.
    ///
    /// # Panics
    /// After two minutes.
    pub async fn until(&self, what: &str, reached: impl Fn(&Recorded) -> bool) -> Recorded {
        let mut recorded = self.shared.recorded.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(120), recorded.wait_for(|now| reached(now))).await;
        match waited {
            Ok(now) => now.expect("the plane lives").clone(),
            Err(_) => panic!("{what} did not happen; the plane got {:#?}", self.recorded()),
        }
    }

    /// Waits for a job's end.
    pub async fn ended(&self, job: &str) -> SeedJob {
        let ended = |recorded: &Recorded| recorded.jobs.get(job).is_some_and(SeedJob::has_ended);
        self.until("the end of the job", ended).await.jobs.remove(job).expect("it is there")
    }
}

impl Drop for SeedPlane {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn router(shared: Shared) -> Router {
    let family = shared.dialect.family();
    Router::new()
        .route("/api/jobs/claim", post(claim))
        .route(&format!("/api/{family}/heartbeat"), post(heartbeat))
        .route("/api/jobs/{id}", get(job))
        .route("/api/jobs/{id}/status", put(status))
        .route("/api/jobs/{id}/logs", post(log))
        .route("/api/jobs/{id}/plan-artifact", post(put_plan).get(get_plan))
        .route("/api/jobs/{id}/git-token", post(|| async { Json(json!({ "token": null })) }))
        .layer(from_fn_with_state(shared.clone(), check))
        .with_state(shared)
}

fn answer(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

fn success(status: StatusCode) -> Response {
    (status, Json(json!({ "success": true }))).into_response()
}

/// Refuses strangers, and writes down every refusal.
async fn check(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let [id, token] = shared.dialect.headers();
    let is = |headers: &HeaderMap, name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    let known = is(request.headers(), id, RUNNER_ID) && is(request.headers(), token, RUNNER_TOKEN);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = if known { next.run(request).await } else { answer(StatusCode::UNAUTHORIZED, "who are you?") };
    let status = response.status();
    if !status.is_success() && status != StatusCode::SERVICE_UNAVAILABLE {
        shared.recorded.send_modify(|recorded| recorded.refused.push((method, path, status)));
    }
    response
}

/// The seed's clients send no body, so whatever is sent says nothing.
async fn claim(State(shared): State<Shared>) -> Response {
    let mut claimed = None;
    shared.recorded.send_if_modified(|recorded| {
        claimed = recorded.queue.pop_front();
        let Some(job) = &mut claimed else { return false };
        job["status"] = json!("CLAIMED");
        job["claimed_at"] = json!(shared.dialect.time());
        let id = job["id"].as_str().expect("ids are texts").to_owned();
        recorded.jobs.insert(id.clone(), SeedJob::default());
        recorded.claimed.insert(id, job.clone());
        true
    });
    match claimed {
        Some(job) => Json(json!({ "job": job, "cloud_identity": null })).into_response(),
        None if shared.dialect == SeedDialect::Workers => StatusCode::NO_CONTENT.into_response(),
        None => Json(json!({ "job": null })).into_response(),
    }
}

async fn heartbeat(State(shared): State<Shared>, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    shared.recorded.send_modify(|recorded| recorded.heartbeats.push(body));
    success(StatusCode::OK)
}

async fn job(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    match shared.recorded.borrow().claimed.get(&id) {
        Some(job) => Json(job.clone()).into_response(),
        None => answer(StatusCode::NOT_FOUND, "no such job"),
    }
}

/// Changes a job that was claimed. The seed raises an SQL exception for any other.
fn with_job(shared: &Shared, id: &str, change: impl FnOnce(&mut SeedJob) -> Response) -> Response {
    let mut response = answer(StatusCode::INTERNAL_SERVER_ERROR, "the job is not yours");
    shared.recorded.send_modify(|recorded| {
        if let Some(job) = recorded.jobs.get_mut(id) {
            response = change(job);
        }
    });
    response
}

async fn status(State(shared): State<Shared>, Path(id): Path<String>, body: Bytes) -> Response {
    let report: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !matches!(report["status"].as_str(), Some("PROCESSING" | "SUCCESS" | "FAILED" | "CANCELLED")) {
        return answer(StatusCode::BAD_REQUEST, "missing or invalid status");
    }
    with_job(&shared, &id, |job| {
        job.reports.push(report);
        success(StatusCode::OK)
    })
}

async fn log(State(shared): State<Shared>, Path(id): Path<String>, body: Bytes) -> Response {
    let mut is_refused = false;
    shared.recorded.send_modify(|recorded| {
        let (posts, refused) = &mut recorded.log_posts;
        // The first one is refused, so that no job is too short for it.
        is_refused = matches!(*posts % 10, 0 | 3 | 7);
        *posts += 1;
        *refused += usize::from(is_refused);
    });
    if is_refused {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "not now");
    }
    let post: Value = serde_json::from_slice(&body).unwrap_or_default();
    let chunk = post["log_chunk"].as_str().unwrap_or_default().to_owned();
    let stream = post["stream_type"].as_str().unwrap_or("STDOUT").to_owned();
    if chunk.is_empty() {
        return answer(StatusCode::BAD_REQUEST, "log_chunk is required");
    }
    if chunk.contains('\0') || !matches!(stream.as_str(), "STDOUT" | "STDERR" | "SYSTEM") {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, "the database refuses it");
    }
    with_job(&shared, &id, |job| {
        job.chunks.push((stream, chunk));
        success(StatusCode::CREATED)
    })
}

async fn put_plan(State(shared): State<Shared>, Path(id): Path<String>, body: Bytes) -> Response {
    if body.is_empty() {
        return answer(StatusCode::BAD_REQUEST, "empty");
    }
    let key = format!("{id}/terraform.plan.out");
    with_job(&shared, &id, |job| {
        job.plan = Some(body);
        (StatusCode::CREATED, Json(json!({ "key": key }))).into_response()
    })
}

async fn get_plan(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    match shared.recorded.borrow().jobs.get(&id).and_then(|job| job.plan.clone()) {
        Some(plan) => ([("content-type", "application/octet-stream")], plan).into_response(),
        None => answer(StatusCode::NOT_FOUND, "no plan"),
    }
}
