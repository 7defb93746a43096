//! A runner against a plane that has bad days, answers nonsense, or wants it gone. Jobs that start a process are the
//! system tests' business; here none gets that far.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use executor_api::{Executor, ExecutorError, ExecutorPlugin, ExecutorRegistry, Input, Job, JobContext, Outcome, Tool};
use runner_host::{Config, RunError, ShutdownSignals, ShutdownTrigger, run};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One request that the plane got.
#[derive(Clone, Debug)]
struct Call {
    /// Method and path, for example `POST /api/jobs/claim`.
    name: String,
    body: Value,
    attempt: Option<String>,
}

/// What the plane does with a call.
enum Answer {
    Json(Value),
    Status(u16, &'static str),
    /// What something on the way says in the plane's place.
    Stranger(u16, &'static str),
    /// A stream of events that stays open.
    Events(&'static str),
    /// A stream of events that ends.
    LastEvents(&'static str),
    /// Nothing, for as long as the caller waits.
    Silence,
    /// The connection is cut.
    Cut,
}

/// Decides by the name of a call and how many of that name came before it. None is what a calm, empty plane does.
type Script = fn(&str, usize) -> Option<Answer>;

const HEARTBEAT: &str = "POST /api/workers/heartbeat";
const CLAIM: &str = "POST /api/jobs/claim";
const EVENTS: &str = "GET /api/runners/r-1/events";
const STATUS: &str = "PUT /api/jobs/j-1/status";

#[derive(Clone)]
struct Plane {
    calls: Arc<watch::Sender<Vec<Call>>>,
    script: Script,
}

impl Plane {
    async fn start(script: Script) -> (Self, String) {
        let plane = Self { calls: Arc::default(), script };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(plane.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (plane, origin)
    }

    fn calls_of(&self, name: &str) -> Vec<Call> {
        self.calls.borrow().iter().filter(|call| call.name == name).cloned().collect()
    }

    /// Waits until there are so many calls of this name.
    async fn until(&self, name: &str, count: usize) -> Vec<Call> {
        let mut calls = self.calls.subscribe();
        let enough = |calls: &Vec<Call>| calls.iter().filter(|call| call.name == name).count() >= count;
        let waited = tokio::time::timeout(Duration::from_secs(30), calls.wait_for(enough)).await;
        if waited.is_err() {
            panic!("no {count} calls of {name}: {:?}", self.calls.borrow());
        }
        self.calls_of(name)
    }
}

async fn answer(State(plane): State<Plane>, request: Request) -> Response {
    let name = format!("{} {}", request.method(), request.uri().path());
    let attempt = request.headers().get("x-job-attempt").map(|value| value.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let mut before = 0;
    plane.calls.send_modify(|calls| {
        before = calls.iter().filter(|call| call.name == name).count();
        calls.push(Call { name: name.clone(), body, attempt });
    });
    match (plane.script)(&name, before).unwrap_or_else(|| calm(&name)) {
        Answer::Json(body) => Json(body).into_response(),
        Answer::Status(status, text) => {
            (StatusCode::from_u16(status).unwrap(), Json(json!({ "error": text }))).into_response()
        }
        Answer::Stranger(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Answer::Events(text) => {
            let open = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
            let first = futures_util::stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
            let stream = futures_util::StreamExt::chain(first, open);
            ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response()
        }
        Answer::LastEvents(text) => ([("content-type", "text/event-stream")], text).into_response(),
        Answer::Silence => std::future::pending().await,
        Answer::Cut => std::panic::resume_unwind(Box::new("the connection is cut")),
    }
}

fn calm(name: &str) -> Answer {
    match name {
        HEARTBEAT => Answer::Json(json!({ "success": true, "protocol": 2, "lease_s": 90 })),
        EVENTS => Answer::Events(": connected\n\n"),
        CLAIM => Answer::Silence,
        _ => Answer::Json(json!({ "success": true, "offset": 0 })),
    }
}

/// A kind that needs tokens, and a source.
struct Quiet;

#[async_trait]
impl Executor for Quiet {
    fn inputs(&self, _: &Job) -> Result<Vec<Input>, ExecutorError> {
        let audience = "sts.amazonaws.com".to_owned();
        let host = "git.example".to_owned();
        Ok(vec![Input::GitToken { host }, Input::OidcToken { audience }, Input::Source("0".repeat(64))])
    }

    async fn execute(&self, _: &JobContext) -> Result<Outcome, ExecutorError> {
        Ok(Outcome::success())
    }
}

static QUIET: ExecutorPlugin = ExecutorPlugin::new::<Value>("quiet", &Quiet);
static TOOLLESS: ExecutorPlugin = ExecutorPlugin::new::<Value>("toolless", &Quiet).needs(&[Tool {
    name: "no-such-tool-anywhere",
    versions: ">=1",
    version_args: &[],
}]);

/// A runner in a task of this process.
struct Runner {
    leave: ShutdownTrigger,
    task: JoinHandle<Result<(), RunError>>,
}

impl Runner {
    fn start(origin: &str, state_dir: &Path) -> Self {
        Self::start_with(config(origin, state_dir))
    }

    fn start_with(config: Config) -> Self {
        let (leave, signals) = ShutdownSignals::channel();
        let registry = ExecutorRegistry::new([&QUIET]).unwrap();
        Self { leave, task: tokio::spawn(run(config, registry, signals)) }
    }

    async fn ended(self) -> Result<(), RunError> {
        tokio::time::timeout(Duration::from_secs(30), self.task).await.expect("it leaves").unwrap()
    }

    async fn leave(self) {
        self.leave.leave();
        self.ended().await.unwrap();
    }
}

fn config(origin: &str, state_dir: &Path) -> Config {
    let token = SecretString::from("token".to_owned());
    Config::new(origin, "r-1".parse().unwrap(), token, state_dir.to_owned())
}

fn statuses(heartbeats: &[Call]) -> Vec<&str> {
    heartbeats.iter().map(|call| call.body["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_runner_that_the_plane_does_not_know_says_what_to_check() {
    let (_, origin) = Plane::start(|_, _| Some(Answer::Status(401, "unknown runner or wrong token"))).await;
    let folder = tempfile::tempdir().unwrap();
    let error = Runner::start(&origin, folder.path()).ended().await.unwrap_err();
    assert_eq!(error.exit_code(), 78);
    let text = error.to_string();
    for part in ["unknown runner or wrong token", "ALETHIA_WORKER_ID", "ALETHIA_WORKER_TOKEN"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_second_runner_of_one_identity_leaves() {
    let (plane, origin) = Plane::start(|_, _| Some(Answer::Status(409, "runs already with another folder"))).await;
    let folder = tempfile::tempdir().unwrap();
    let error = Runner::start(&origin, folder.path()).ended().await.unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().as_str()), (78, "runs already with another folder"));
    assert!(plane.calls_of(CLAIM).is_empty());
}

#[tokio::test]
async fn a_state_directory_has_one_runner() {
    let (plane, origin) = Plane::start(|_, _| None).await;
    let folder = tempfile::tempdir().unwrap();
    let first = Runner::start(&origin, folder.path());
    plane.until(CLAIM, 1).await;
    let error = Runner::start(&origin, folder.path()).ended().await.unwrap_err();
    assert_eq!(error.exit_code(), 78);
    assert!(error.to_string().contains("ALETHIA_STATE_DIR"), "{error}");
    first.leave().await;
    let ids = plane.calls_of(HEARTBEAT);
    let third = Runner::start(&origin, folder.path());
    let again = plane.until(HEARTBEAT, ids.len() + 1).await;
    assert_eq!(ids[0].body["instance_id"], again[ids.len()].body["instance_id"], "a folder keeps its name");
    third.leave().await;
}

#[tokio::test]
async fn a_runner_without_a_kind_that_can_run_does_not_start() {
    let (plane, origin) = Plane::start(|_, _| None).await;
    let folder = tempfile::tempdir().unwrap();
    let (_leave, signals) = ShutdownSignals::channel();
    let registry = ExecutorRegistry::new([&TOOLLESS]).unwrap();
    let error = run(config(&origin, folder.path()), registry, signals).await.unwrap_err();
    assert_eq!(error.exit_code(), 78);
    let text = error.to_string();
    assert!(text.contains("toolless") && text.contains("no-such-tool-anywhere is not on the PATH"), "{text}");
    assert!(plane.calls.borrow().is_empty());
}

#[tokio::test]
async fn a_plane_that_is_not_well_at_the_start_is_waited_for() {
    let (plane, origin) = Plane::start(|name, before| match (name, before) {
        (HEARTBEAT, 0) => Some(Answer::Status(500, "not well")),
        (HEARTBEAT, 1) => Some(Answer::Json(json!("nonsense"))),
        (HEARTBEAT, 2) => Some(Answer::Cut),
        (HEARTBEAT, 3) => Some(Answer::Stranger(401, "please log in")),
        (HEARTBEAT, 4) => Some(Answer::Stranger(409, "conflict")),
        (HEARTBEAT, 5) => Some(Answer::Stranger(200, r#"{"status":"ok"}"#)),
        (HEARTBEAT, 6) => Some(Answer::Status(404, "no such route yet")),
        // What a runner links follows its first words.
        (HEARTBEAT, 7) => Some(Answer::Status(500, "not well")),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::start(&origin, folder.path());
    plane.until(CLAIM, 1).await;
    let heartbeats = plane.until(HEARTBEAT, 9).await;
    assert_eq!(heartbeats[6].body.get("kinds"), None, "a claim does not wait for them");
    assert_eq!(heartbeats[7].body["labels"], json!({}), "what it offers goes with them");
    for published in &heartbeats[7..9] {
        assert_eq!(published.body["kinds"][0]["kind"], "quiet", "until they have arrived");
    }
    runner.leave().await;
    let heartbeats = plane.calls_of(HEARTBEAT);
    assert_eq!(statuses(&heartbeats).last(), Some(&"OFFLINE"));
    assert!(statuses(&heartbeats).contains(&"ONLINE"));
    assert_eq!(heartbeats.last().unwrap().body.get("kinds"), None, "once");
}

#[tokio::test]
async fn a_runner_can_leave_before_the_plane_was_reached() {
    let (plane, origin) = Plane::start(|_, _| Some(Answer::Status(500, "never well"))).await;
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::start(&origin, folder.path());
    plane.until(HEARTBEAT, 1).await;
    runner.leave().await;
}

#[tokio::test]
async fn a_lost_claim_is_asked_for_again_by_the_same_name() {
    let (plane, origin) = Plane::start(|name, before| match (name, before) {
        (CLAIM, 0) => Some(Answer::Cut),
        (CLAIM, 1) => Some(Answer::Status(503, "not now")),
        (CLAIM, 2) => Some(Answer::Stranger(200, r#"{"status":"ok"}"#)),
        (CLAIM, 3) => Some(Answer::Json(json!({ "job": null }))),
        (CLAIM, 4) => Some(Answer::Status(204, "")),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::start(&origin, folder.path());
    let claims = plane.until(CLAIM, 6).await;
    let ids: Vec<_> = claims.iter().map(|call| call.body["request_id"].as_str().unwrap()).collect();
    assert!(ids[..4].iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(ids[3] != ids[4] && ids[4] != ids[5], "an answer that is no job ends the request: {ids:?}");
    assert_eq!((&claims[0].body["kinds"], &claims[0].body["wait_s"]), (&json!(["quiet"]), &json!(60)));
    runner.leave().await;
}

#[tokio::test]
async fn the_plane_can_ask_a_runner_to_leave() {
    let scripts: [Script; 2] = [
        |name, _| (name == EVENTS).then_some(Answer::Events(": hi\n\nevent: drain\ndata: {}\n\n")),
        |name, before| match (name, before) {
            (HEARTBEAT, 0) => Some(Answer::Json(json!({ "success": true, "protocol": 2, "drain": true }))),
            _ => None,
        },
    ];
    for script in scripts {
        let (plane, origin) = Plane::start(script).await;
        let folder = tempfile::tempdir().unwrap();
        Runner::start(&origin, folder.path()).ended().await.unwrap();
        assert_eq!(statuses(&plane.calls_of(HEARTBEAT)).last(), Some(&"OFFLINE"));
    }
}

#[tokio::test]
async fn an_idle_runner_leaves_when_it_was_told_to() {
    let (plane, origin) = Plane::start(|_, _| None).await;
    let folder = tempfile::tempdir().unwrap();
    let idle_exit = Some(Duration::from_millis(50));
    Runner::start_with(Config { idle_exit, ..config(&origin, folder.path()) }).ended().await.unwrap();
    assert_eq!(statuses(&plane.calls_of(HEARTBEAT)).last(), Some(&"OFFLINE"));
}

/// A claim of one job of this kind, then nothing.
fn one_job(kind: &str) -> Answer {
    let job = json!({ "id": "j-1", "job_type": kind, "status": "CLAIMED", "attempt": 4, "config_snapshot": {} });
    Answer::Json(json!({ "job": job, "cloud_identity": null }))
}

/// The report of the one job, from a runner that leaves after it.
async fn report_of(script: Script) -> (Plane, Call) {
    let (plane, origin) = Plane::start(script).await;
    let folder = tempfile::tempdir().unwrap();
    let once = Config { once: true, ..config(&origin, folder.path()) };
    Runner::start_with(once).ended().await.unwrap();
    let reports = plane.calls_of(STATUS);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(fs::read_dir(folder.path().join("jobs")).unwrap().next().is_none(), "its directory is gone");
    (plane, reports[0].clone())
}

#[tokio::test]
async fn a_job_of_an_unknown_kind_fails_with_what_is_known() {
    let (plane, report) = report_of(|name, before| match (name, before) {
        (CLAIM, 0) => Some(one_job("helm")),
        _ => None,
    })
    .await;
    assert_eq!((&report.body["status"], &report.body["reason"]), (&json!("FAILED"), &json!("invalid_input")));
    assert_eq!(report.body["error_message"], "unknown kind \"helm\"; this program knows: quiet");
    assert_eq!(report.attempt.as_deref(), Some("4"));
    assert_eq!(plane.calls_of("POST /api/jobs/j-1/log").len(), 1, "the log says why, too");
}

#[tokio::test]
async fn a_job_whose_input_is_not_there_or_damaged_fails_before_it_starts() {
    let scripts: [(&str, Script); 2] = [
        ("there is no such source", |name, before| match (name, before) {
            (CLAIM, 0) => Some(one_job("quiet")),
            _ if name.starts_with("GET /api/sources/") => Some(Answer::Status(404, "there is no such source")),
            _ => None,
        }),
        ("arrived damaged", |name, before| match (name, before) {
            (CLAIM, 0) => Some(one_job("quiet")),
            // The first answer may be better later.
            _ if name.starts_with("GET /api/sources/") && before == 0 => Some(Answer::Status(502, "not now")),
            _ if name.starts_with("GET /api/sources/") && before == 1 => Some(Answer::Stranger(404, "no route")),
            _ if name.starts_with("GET /api/sources/") && before == 2 => Some(Answer::Status(401, "revoked")),
            ("POST /api/jobs/j-1/oidc-token", 0) => Some(Answer::Stranger(404, "no route")),
            _ if name.starts_with("GET /api/sources/") => Some(Answer::Json(json!("not the bytes of that digest"))),
            _ => None,
        }),
    ];
    for (why, script) in scripts {
        let (_, report) = report_of(script).await;
        assert_eq!((&report.body["status"], &report.body["reason"]), (&json!("FAILED"), &json!("invalid_input")));
        let text = report.body["error_message"].as_str().unwrap();
        assert!(text.contains(why), "{text}");
    }
}

/// It does not know these routes; its framework says so, not in the form in which it says no itself.
#[tokio::test]
async fn a_job_that_needs_what_a_plane_of_the_seeds_contract_has_not_fails() {
    let (plane, origin) = Plane::start(|name, before| match (name, before) {
        (HEARTBEAT, _) => Some(Answer::Json(json!({ "success": true }))),
        (CLAIM, 0) => Some(one_job("quiet")),
        ("POST /api/jobs/j-1/oidc-token", _) => Some(Answer::Stranger(404, "<html>Not Found</html>")),
        _ if name.starts_with("GET /api/sources/") => Some(Answer::Stranger(404, "<html>Not Found</html>")),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    Runner::start_with(Config { once: true, ..config(&origin, folder.path()) }).ended().await.unwrap();
    let reports = plane.calls_of(STATUS);
    let end = &reports.last().unwrap().body;
    let text = end["error_message"].as_str().unwrap();
    assert!(end["status"] == "FAILED" && text.contains("source") && text.contains("404"), "{end}");
}

#[tokio::test]
async fn a_token_is_asked_for_in_the_name_of_the_attempt() {
    let (plane, _) = report_of(|name, before| match (name, before) {
        (CLAIM, 0) => Some(one_job("quiet")),
        _ if name.starts_with("GET /api/sources/") => Some(Answer::Status(404, "there is no such source")),
        _ => None,
    })
    .await;
    for token in ["git-token", "oidc-token"] {
        let asked = plane.calls_of(&format!("POST /api/jobs/j-1/{token}"));
        let attempts: Vec<_> = asked.iter().map(|call| call.attempt.as_deref()).collect();
        assert_eq!(attempts, [Some("4")], "{token}: without it, it would be the first attempt's");
    }
    assert_eq!(plane.calls_of("POST /api/jobs/j-1/oidc-token")[0].body, json!({ "audience": "sts.amazonaws.com" }));
}

#[tokio::test]
async fn a_plane_that_says_it_vouches_for_nobody_is_not_asked() {
    let (plane, _) = report_of(|name, before| match (name, before) {
        (CLAIM, 0) => {
            let Answer::Json(mut claim) = one_job("quiet") else { unreachable!("it is a document") };
            claim["access"] = json!({ "state_token": "t", "issues_tokens": false });
            Some(Answer::Json(claim))
        }
        _ if name.starts_with("GET /api/sources/") => Some(Answer::Status(404, "there is no such source")),
        _ => None,
    })
    .await;
    assert_eq!(plane.calls_of("POST /api/jobs/j-1/git-token").len(), 1);
    assert_eq!(plane.calls_of("POST /api/jobs/j-1/oidc-token").len(), 0);
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_its_inputs_are_fetched_never_starts() {
    let (_, report) = report_of(|name, before| match (name, before) {
        (CLAIM, 0) => Some(one_job("quiet")),
        // Told again and again: the first may come before the job.
        (EVENTS, _) => Some(Answer::LastEvents("event: cancel\ndata: {\"job_id\":\"j-1\",\"attempt\":4}\n\n")),
        _ if name.starts_with("GET /api/sources/") => Some(Answer::Silence),
        _ => None,
    })
    .await;
    assert_eq!((&report.body["status"], &report.body["reason"]), (&json!("CANCELLED"), &json!("cancelled_by_user")));
}

#[tokio::test]
async fn a_job_that_is_given_twice_runs_once() {
    let (plane, origin) = Plane::start(|name, before| match (name, before) {
        (CLAIM, 0 | 1) => Some(one_job("quiet")),
        _ if name.starts_with("GET /api/sources/") => Some(Answer::Silence),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::start_with(Config { slots: 3, ..config(&origin, folder.path()) });
    plane.until(CLAIM, 3).await;
    let source = format!("GET /api/sources/{}", "0".repeat(64));
    plane.until(&source, 1).await;
    // Drain, then stop what is left.
    runner.leave.leave();
    runner.leave.leave();
    runner.ended().await.unwrap();
    assert_eq!((plane.calls_of(&source).len(), plane.calls_of(STATUS).len()), (1, 1));
}

#[tokio::test]
async fn the_answer_to_an_end_brings_the_next_job() {
    fn claim(id: &str) -> Value {
        json!({ "job": { "id": id, "job_type": "quiet", "status": "CLAIMED", "attempt": 1 } })
    }
    let (plane, origin) = Plane::start(|name, before| match (name, before) {
        (CLAIM, 0) => Some(Answer::Json(claim("j-1"))),
        (STATUS, 0) => Some(Answer::Cut),
        (STATUS, 1) => Some(Answer::Json(json!({ "success": true, "claim": claim("j-2") }))),
        // They end without a process.
        (name, _) if name.starts_with("GET /api/sources/") => Some(Answer::Status(404, "no such source")),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::start(&origin, folder.path());
    plane.until("PUT /api/jobs/j-2/status", 1).await;
    let first = plane.calls_of(STATUS);
    assert_eq!(first.len(), 2, "{first:?}");
    let next = &first[0].body["next"];
    assert_eq!((&next["wait_s"], &next["kinds"]), (&json!(0), &json!(["quiet"])));
    assert!(next["request_id"].is_string() && *next == first[1].body["next"], "the same request again: {first:?}");
    plane.until(CLAIM, 2).await;
    let order: Vec<_> = plane.calls.borrow().iter().map(|call| call.name.clone()).collect();
    let place = |name: &str| order.iter().rposition(|called| called == name);
    assert!(place(CLAIM) > place("PUT /api/jobs/j-2/status"), "it asked while a job was in its hand: {order:?}");
    runner.leave().await;
}

/// It was started again with fewer slots, in the middle of more jobs.
#[tokio::test]
async fn a_runner_with_more_jobs_than_slots_asks_for_none_beside_a_report() {
    let (plane, origin) = Plane::start(|_, _| None).await;
    let folder = tempfile::tempdir().unwrap();
    for id in ["j-1", "j-2"] {
        let root = folder.path().join(format!("jobs/{id}.1"));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("log"), "").unwrap();
        let job = json!({ "id": id, "job_type": "quiet", "status": "CLAIMED", "attempt": 1 });
        let claim = json!({ "format": 2, "boot_id": "of before", "job": job, "log_limit_bytes": 4096, "settings": {} });
        fs::write(root.join("claim.json"), claim.to_string()).unwrap();
    }
    let runner = Runner::start(&origin, folder.path());
    let ends = [plane.until(STATUS, 1).await, plane.until("PUT /api/jobs/j-2/status", 1).await].concat();
    let asks = ends.iter().filter(|end| end.body.get("next").is_some()).count();
    assert!(asks <= 1, "one slot, and both ends ask for the next job: {ends:?}");
    plane.until(CLAIM, 1).await;
    runner.leave().await;
}

#[tokio::test]
async fn a_runner_that_takes_one_job_asks_for_no_other() {
    let (plane, origin) = Plane::start(|name, before| match (name, before) {
        (CLAIM, 0) => Some(Answer::Json(
            json!({ "job": { "id": "j-1", "job_type": "quiet", "status": "CLAIMED", "attempt": 1 } }),
        )),
        (name, _) if name.starts_with("GET /api/sources/") => Some(Answer::Status(404, "no such source")),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::start_with(Config { once: true, ..config(&origin, folder.path()) });
    runner.ended().await.unwrap();
    assert_eq!(plane.calls_of(STATUS)[0].body.get("next"), None);
}

/// Of `bytes`.
const BYTES_SHA256: &str = "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9";

/// What the version before had written when it was replaced: all of a job's end, and nothing of it delivered.
#[tokio::test]
async fn a_job_of_the_format_before_is_delivered_whole() {
    let (plane, origin) = Plane::start(|name, _| match name {
        // What it has is at the end of the log.
        "POST /api/jobs/j-1/log" => Some(Answer::Json(json!({ "success": true, "offset": 5 }))),
        "PUT /api/jobs/j-1/artifacts/plan" => Some(Answer::Json(json!({ "sha256": BYTES_SHA256 }))),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("jobs/j-1.3");
    fs::create_dir_all(root.join("outbox")).unwrap();
    let job = json!({ "id": "j-1", "job_type": "quiet", "status": "CLAIMED", "attempt": 3 });
    let log = wire::FrameHeader::describe(wire::LogStream::Stdout, 0, wire::Timestamp::now(), b"line\n");
    let log = [&log.encode()[..], b"line\n"].concat();
    let outcome = json!({ "status": "SUCCESS", "reason": null, "error_message": null, "metadata": { "n": 1 },
                          "phase": "committed", "log": { "length": 5, "sha256": "0", "dropped_bytes": 0 },
                          "finished_at": "2026-01-01T00:00:00Z" });
    let process = json!({ "pid": 1, "start_ticks": 0, "boot_id": "of before" });
    let record = json!({ "name": "plan", "media_type": "text/plain", "sha256": BYTES_SHA256 });
    for (file, bytes) in [
        ("format", &b"1"[..]),
        ("settings.json", b"{}"),
        ("reserve", &[0; 64]),
        ("log", &log),
        ("outbox/000001.progress.json", br#"{ "so": "far" }"#),
        ("outbox/000002.artifact.bytes", b"bytes"),
        ("outbox/000002.artifact.json", record.to_string().as_bytes()),
        ("process.json", process.to_string().as_bytes()),
        ("outcome.json", outcome.to_string().as_bytes()),
        ("claim.json", json!({ "job": job, "log_limit_bytes": 4096 }).to_string().as_bytes()),
    ] {
        fs::write(root.join(file), bytes).unwrap();
    }
    let runner = Runner::start(&origin, folder.path());
    let reports = plane.until(STATUS, 2).await;
    assert_eq!(reports[0].body["execution_metadata"], json!({ "so": "far" }));
    assert_eq!(reports[1].body["status"], "SUCCESS");
    assert_eq!(reports[1].body["execution_metadata"], json!({ "n": 1 }));
    assert_eq!(reports[1].attempt.as_deref(), Some("3"));
    assert_eq!(plane.calls_of("PUT /api/jobs/j-1/artifacts/plan").len(), 1, "{:?}", plane.calls.borrow());
    runner.leave().await;
    assert!(!root.exists(), "all of it is delivered");
}

#[tokio::test]
async fn what_an_earlier_start_left_is_taken_up_put_away_or_left_alone() {
    let (plane, origin) = Plane::start(|_, _| None).await;
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    let claim = |id: &str, format: u32| {
        let job = json!({ "id": id, "job_type": "quiet", "status": "CLAIMED", "attempt": 1 });
        let boot_id = "of before";
        json!({ "format": format, "boot_id": boot_id, "job": job, "log_limit_bytes": 4096, "settings": {} }).to_string()
    };
    let directory = |name: &str, claim: Option<String>| {
        let root = jobs.join(name);
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("log"), "").unwrap();
        if let Some(claim) = claim {
            fs::write(root.join("claim.json"), claim).unwrap();
        }
        root
    };
    let unfinished = directory("a.1", None);
    let unsaved = directory("b.1", Some(String::new()));
    let lost = directory("j-1.1", Some(claim("j-1", 1)));
    fs::write(lost.join("process.json"), r#"{ "pid": 1, "start_ticks": 0, "boot_id": "of before" }"#).unwrap();
    // Of the same power cut: its process may have begun.
    let lost_too = directory("j-2.1", Some(claim("j-2", 1)));
    let of_the_future = directory("c.1", Some(claim("c", 9)));
    let unreadable = directory("d.1", Some("{".to_owned()));
    let kept = directory("e.1.lost", Some(claim("e", 1)));

    let runner = Runner::start(&origin, folder.path());
    for report in [plane.until(STATUS, 1).await, plane.until("PUT /api/jobs/j-2/status", 1).await].concat() {
        assert_eq!((&report.body["status"], &report.body["reason"]), (&json!("FAILED"), &json!("process_lost")));
    }
    runner.leave().await;
    for gone in [unfinished, unsaved] {
        assert!(!gone.exists(), "nothing was started there");
    }
    assert!(!lost.exists() && !lost_too.exists(), "reported, so put away");
    assert!(kept.join("log").exists() && !kept.join("claim.json").exists(), "of a lost job stays what it said");
    for left in [of_the_future, unreadable] {
        assert!(left.join("claim.json").exists(), "{}", left.display());
    }
    let touched = plane.calls.borrow().iter().any(|call| ["/c/", "/d/", "/e/"].iter().any(|id| call.name.contains(id)));
    assert!(!touched, "{:?}", plane.calls.borrow());
}
