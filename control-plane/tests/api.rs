//! The API over real HTTP.

use std::time::Duration;

use control_plane::{Config, ControlPlane, Limits, Timings, start};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wire::{Claim, FrameHeader, KindInfo, LogStream, LossPolicy, RegisterAnswer, Timestamp};

struct Plane {
    origin: String,
    admin: String,
    folder: TempDir,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

struct Runner {
    id: String,
    token: String,
    origin: String,
}

fn kinds() -> Vec<KindInfo> {
    let kind = |name: &str, loss| KindInfo {
        kind: name.to_owned(),
        summary: "a test".to_owned(),
        schema: json!({ "type": "object", "properties": { "count": { "type": "integer" } }, "additionalProperties": false }),
        loss,
        timeout_s: 60,
        grace_s: 1,
        tools: Vec::new(),
    };
    vec![kind("read", LossPolicy::Requeue), kind("change", LossPolicy::RequeueBeforeCommit)]
}

impl Plane {
    async fn start() -> Self {
        Self::start_with(Timings::default()).await
    }

    async fn start_with(timings: Timings) -> Self {
        Self::open(tempfile::tempdir().unwrap(), timings).await
    }

    async fn open(folder: TempDir, timings: Timings) -> Self {
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: folder.path().join("data"),
            kinds: kinds(),
            timings,
            limits: Limits::default(),
        };
        let plane: ControlPlane = start(config).await.unwrap();
        let admin = std::fs::read_to_string(plane.admin_token_file()).unwrap().trim().to_owned();
        let origin = format!("http://{}", plane.address());
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let served = tokio::spawn(async move { plane.run(stop).await.unwrap() });
        Self { origin, admin, folder, shutdown, served }
    }

    async fn restart(self) -> Self {
        self.shutdown.cancel();
        self.served.await.unwrap();
        // The writer ends when the last request is answered; the folder's lock says when.
        loop {
            let file = std::fs::File::open(self.folder.path().join("data/lock")).unwrap();
            if file.try_lock().is_ok() {
                break;
            }
            tokio::task::yield_now().await;
        }
        Self::open(self.folder, Timings::default()).await
    }

    fn user(&self, method: Method, path: &str) -> RequestBuilder {
        Client::new().request(method, format!("{}{path}", self.origin)).bearer_auth(&self.admin)
    }

    async fn register(&self, name: &str) -> Runner {
        let answer =
            self.user(Method::POST, "/api/runners/register").json(&json!({ "name": name })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let answer: RegisterAnswer = answer.json().await.unwrap();
        Runner { id: answer.runner.id.to_string(), token: answer.runner_token, origin: self.origin.clone() }
    }

    async fn submit(&self, kind: &str) -> String {
        let body = json!({ "job_type": kind, "config_snapshot": { "count": 1 } });
        let answer = self.user(Method::POST, "/api/jobs").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json::<Value>().await.unwrap()["job"]["id"].as_str().unwrap().to_owned()
    }

    async fn job(&self, id: &str) -> Value {
        self.user(Method::GET, &format!("/api/jobs/{id}")).send().await.unwrap().json().await.unwrap()
    }
}

impl Runner {
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = Client::new().request(method, format!("{}{path}", self.origin));
        request.header("X-Worker-ID", &self.id).header("X-Worker-Token", &self.token)
    }

    async fn claim(&self, body: Value) -> Claim {
        self.call(Method::POST, "/api/jobs/claim").json(&body).send().await.unwrap().json().await.unwrap()
    }

    async fn claim_id(&self) -> String {
        self.claim(json!({})).await.job.unwrap().id.to_string()
    }

    async fn status(&self, job: &str, attempt: u32, body: Value) -> StatusCode {
        let call = self.call(Method::PUT, &format!("/api/jobs/{job}/status"));
        call.header("X-Job-Attempt", attempt).json(&body).send().await.unwrap().status()
    }

    async fn append(&self, job: &str, attempt: u32, offset: u64, text: &str) -> StatusCode {
        let header = FrameHeader::describe(LogStream::Stdout, offset, Timestamp::now(), text.as_bytes());
        let body = [&header.encode()[..], text.as_bytes()].concat();
        let call = self.call(Method::POST, &format!("/api/jobs/{job}/log?offset={offset}"));
        let call = call.header("X-Job-Attempt", attempt).header("Content-Type", wire::paths::LOG_FRAMES);
        call.body(body).send().await.unwrap().status()
    }

    async fn heartbeat(&self, body: Value) -> Value {
        self.call(Method::POST, "/api/workers/heartbeat").json(&body).send().await.unwrap().json().await.unwrap()
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(text))
}

#[tokio::test]
async fn a_job_goes_from_submit_to_success() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    assert_eq!(runner.claim_id().await, job);
    assert_eq!(plane.job(&job).await["status"], "CLAIMED");
    assert_eq!(runner.append(&job, 1, 0, "hello\n").await, StatusCode::OK);
    assert_eq!(plane.job(&job).await["status"], "PROCESSING");
    let report = json!({ "status": "SUCCESS", "execution_metadata": { "answer": 42 },
                         "log": { "length": 6, "sha256": sha256("hello\n"), "dropped_bytes": 0 } });
    assert_eq!(runner.status(&job, 1, report.clone()).await, StatusCode::OK);
    assert_eq!(runner.status(&job, 1, report).await, StatusCode::OK, "the same again: its answer got lost");
    assert_eq!(runner.status(&job, 1, json!({ "status": "FAILED" })).await, StatusCode::CONFLICT);
    let shown = plane.job(&job).await;
    assert_eq!(
        (&shown["status"], &shown["log_complete"], &shown["log_length"]),
        (&json!("SUCCESS"), &json!(true), &json!(6))
    );
    assert_eq!(shown["execution_metadata"]["answer"], 42);
}

#[tokio::test]
async fn a_report_before_the_end_of_the_log_is_told_what_is_missing() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    runner.append(&job, 1, 0, "hello\n").await;
    let log = json!({ "length": 12, "sha256": sha256("hello\nworld\n") });
    let report = json!({ "status": "SUCCESS", "log": log });
    assert_eq!(runner.status(&job, 1, report.clone()).await, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(runner.append(&job, 1, 6, "world\n").await, StatusCode::OK);
    assert_eq!(runner.status(&job, 1, report).await, StatusCode::OK);
    assert_eq!(plane.job(&job).await["log_complete"], true);
}

#[tokio::test]
async fn a_damaged_log_is_not_called_complete() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    for log in [
        json!({ "length": 6, "sha256": sha256("hallo\n") }),
        json!({ "length": 6, "sha256": sha256("hello\n"), "dropped_bytes": 3 }),
    ] {
        let job = plane.submit("read").await;
        runner.claim_id().await;
        runner.append(&job, 1, 0, "hello\n").await;
        assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS", "log": log })).await, StatusCode::OK);
        assert_eq!(plane.job(&job).await["log_complete"], false);
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_claim_is_given_again() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    plane.submit("read").await;
    plane.submit("read").await;
    let request = json!({ "request_id": "r-1" });
    let (first, again) = (runner.claim(request.clone()).await, runner.claim(request).await);
    assert_eq!(
        first.job.as_ref().map(|job| (&job.id, job.attempt)),
        again.job.as_ref().map(|job| (&job.id, job.attempt))
    );
    assert_eq!(first.access, again.access);
    let other = runner.claim(json!({ "request_id": "r-2" })).await;
    assert_ne!(other.job.unwrap().id, first.job.unwrap().id);
}

#[tokio::test]
async fn a_parked_claim_is_answered_by_the_submission() {
    let plane = Plane::start().await;
    let mut parked = tokio::task::JoinSet::new();
    for number in 0..20 {
        let runner = plane.register(&format!("runner {number}")).await;
        parked.spawn(async move { runner.claim(json!({ "wait_s": 60, "kinds": ["read"] })).await });
    }
    // One claim is answered by each of two jobs; a kind that none of them runs answers nobody.
    plane.submit("change").await;
    let mut jobs = vec![plane.submit("read").await, plane.submit("read").await];
    let mut claimed = vec![];
    for _ in 0..2 {
        claimed.push(parked.join_next().await.unwrap().unwrap().job.unwrap().id.to_string());
    }
    jobs.sort();
    claimed.sort();
    assert_eq!(claimed, jobs);
    assert!(parked.try_join_next().is_none());
}

#[tokio::test]
async fn an_idle_claim_is_answered_without_a_job() {
    let plane = Plane::start_with(Timings { claim_wait: Duration::from_millis(50), ..Timings::default() }).await;
    let runner = plane.register("one").await;
    for (body, dialect) in
        [(None, ["X-Worker-ID", "X-Worker-Token"]), (Some("{\"wait_s\":60}"), ["X-Runner-ID", "X-Runner-Token"])]
    {
        let call = Client::new().post(format!("{}/api/jobs/claim", plane.origin));
        let call = call.header(dialect[0], &runner.id).header(dialect[1], &runner.token).body(body.unwrap_or_default());
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.unwrap()["job"], Value::Null);
    }
}

#[tokio::test]
async fn an_old_attempt_changes_nothing() {
    let timings =
        Timings { lease: Duration::from_secs(1), reap_every: Duration::from_millis(10), ..Timings::default() };
    let plane = Plane::start_with(timings).await;
    let (old, new) = (plane.register("old").await, plane.register("new").await);
    let job = plane.submit("read").await;
    assert_eq!(old.claim_id().await, job);
    assert_eq!(old.append(&job, 1, 0, "first\n").await, StatusCode::OK);
    let claim = new.claim(json!({ "wait_s": 60 })).await.job.unwrap();
    assert_eq!((claim.id.to_string(), claim.attempt), (job.clone(), 2));
    for status in ["PROCESSING", "SUCCESS", "FAILED", "CANCELLED"] {
        assert_eq!(old.status(&job, 1, json!({ "status": status })).await, StatusCode::CONFLICT);
    }
    assert_eq!(old.append(&job, 1, 6, "late\n").await, StatusCode::CONFLICT);
    let seed = old.call(Method::POST, &format!("/api/jobs/{job}/logs")).json(&json!({ "log_chunk": "late" }));
    assert_eq!(seed.send().await.unwrap().status(), StatusCode::CONFLICT);
    let artifact = old.call(Method::PUT, &format!("/api/jobs/{job}/artifacts/a")).body("x");
    assert_eq!(artifact.send().await.unwrap().status(), StatusCode::CONFLICT);
    let plan = old.call(Method::POST, &format!("/api/jobs/{job}/plan-artifact")).body("x");
    assert_eq!(plan.send().await.unwrap().status(), StatusCode::CONFLICT);
    let named = json!({ "protocol": 2, "jobs": [{ "id": job, "attempt": 1 }] });
    assert_eq!(old.heartbeat(named).await["lost"][0]["id"], json!(job));
    let log = plane.user(Method::GET, &format!("/api/jobs/{job}/log")).send().await.unwrap().text().await.unwrap();
    assert!(log.starts_with("first\n") && !log.contains("late"), "{log}");
}

#[tokio::test]
async fn the_loss_of_a_runner_is_judged_by_kind_and_phase() {
    let timings = Timings {
        lease: Duration::ZERO,
        silence: Duration::ZERO,
        reap_every: Duration::from_millis(10),
        ..Timings::default()
    };
    let plane = Plane::start_with(timings).await;
    let runner = plane.register("one").await;
    let job = plane.submit("change").await;
    runner.claim_id().await;
    // Whether the reaper comes before the commit point or after it, the job ends; it never runs after it.
    let committed = runner.status(&job, 1, json!({ "status": "PROCESSING", "phase": "committed" })).await;
    let ended = loop {
        let shown = plane.job(&job).await;
        if committed != StatusCode::OK || shown["status"] == "FAILED" {
            break shown;
        }
    };
    if committed == StatusCode::OK {
        assert_eq!(ended["reason"], "outcome_unknown");
        assert_eq!(ended["attempt"], 1);
        let late = json!({ "status": "SUCCESS", "execution_metadata": { "applied": true } });
        assert_eq!(runner.status(&job, 1, late).await, StatusCode::CONFLICT);
        let shown = plane.job(&job).await;
        assert_eq!(shown["status"], "FAILED", "a terminal state never changes");
        assert_eq!(shown["execution_metadata"]["late_report"]["status"], "SUCCESS");
    }
}

#[tokio::test]
async fn a_cancel_reaches_the_runner_and_stops_the_commit_point() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("change").await;
    runner.claim_id().await;
    let mut events = runner.call(Method::GET, &format!("/api/runners/{}/events", runner.id)).send().await.unwrap();
    assert_eq!(
        plane.user(Method::POST, &format!("/api/jobs/{job}/cancel")).send().await.unwrap().status(),
        StatusCode::OK
    );
    let mut seen = String::new();
    while !seen.contains("event: cancel") || !seen.contains(&job) {
        seen.push_str(&String::from_utf8_lossy(&events.chunk().await.unwrap().unwrap()));
    }
    let held = json!({ "protocol": 2, "jobs": [{ "id": job, "attempt": 1 }] });
    assert_eq!(runner.heartbeat(held).await["cancel"][0]["job_id"], json!(job));
    let commit = json!({ "status": "PROCESSING", "phase": "committed" });
    assert_eq!(runner.status(&job, 1, commit).await, StatusCode::CONFLICT);
    assert_eq!(runner.status(&job, 1, json!({ "status": "CANCELLED" })).await, StatusCode::OK);
    let again = plane.user(Method::POST, &format!("/api/jobs/{job}/cancel")).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_plan_is_used_once() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let planned = plane.submit("read").await;
    runner.claim_id().await;
    runner.status(&planned, 1, json!({ "status": "SUCCESS" })).await;
    let mut codes = vec![];
    for _ in 0..2 {
        let body = json!({ "job_type": "change", "config_snapshot": {}, "plan_job_id": planned });
        plane.user(Method::POST, "/api/jobs").json(&body).send().await.unwrap().error_for_status().unwrap();
        let job = runner.claim_id().await;
        let commit = json!({ "status": "PROCESSING", "phase": "committed" });
        codes.push(runner.status(&job, 1, commit.clone()).await);
        if codes.len() == 1 {
            codes.push(runner.status(&job, 1, commit).await);
        }
        runner.status(&job, 1, json!({ "status": "FAILED" })).await;
    }
    assert_eq!(codes, [StatusCode::OK, StatusCode::OK, StatusCode::CONFLICT]);
}

#[tokio::test]
async fn a_restart_keeps_everything_and_no_token_is_stored() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let (held, waiting) = (plane.submit("read").await, plane.submit("read").await);
    assert_eq!(runner.claim_id().await, held);
    runner.append(&held, 1, 0, "before\n").await;
    let (admin, token, id) = (plane.admin.clone(), runner.token.clone(), runner.id.clone());
    let plane = plane.restart().await;
    assert_eq!(plane.admin, admin);
    let runner = Runner { id, token: token.clone(), origin: plane.origin.clone() };
    assert_eq!(runner.append(&held, 1, 7, "after\n").await, StatusCode::OK);
    assert_eq!(runner.status(&held, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    assert_eq!(runner.claim_id().await, waiting);
    for file in ["plane.db", "plane.db-wal"] {
        let bytes = std::fs::read(plane.folder.path().join("data").join(file)).unwrap_or_default();
        for secret in [&admin, &token] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a token is in {file}");
        }
    }
}

#[tokio::test]
async fn a_second_state_directory_is_refused_while_the_first_lives() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    runner.heartbeat(json!({ "protocol": 2, "instance_id": "a" })).await;
    let beat = |instance: &str, status: &str| {
        let body = json!({ "protocol": 2, "instance_id": instance, "status": status });
        runner.call(Method::POST, "/api/workers/heartbeat").json(&body).send()
    };
    assert_eq!(beat("b", "ONLINE").await.unwrap().status(), StatusCode::CONFLICT);
    assert_eq!(beat("a", "ONLINE").await.unwrap().status(), StatusCode::OK);
    assert_eq!(beat("a", "OFFLINE").await.unwrap().status(), StatusCode::OK);
    assert_eq!(beat("b", "ONLINE").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn another_runner_learns_and_changes_nothing() {
    let plane = Plane::start().await;
    let (one, two) = (plane.register("one").await, plane.register("two").await);
    let job = plane.submit("read").await;
    one.claim_id().await;
    assert_eq!(two.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::FORBIDDEN);
    assert_eq!(two.append(&job, 1, 0, "x\n").await, StatusCode::FORBIDDEN);
    for path in ["", "/logs", "/log", "/artifacts/terraform.plan.out", "/plan-artifact"] {
        let answer = two.call(Method::GET, &format!("/api/jobs/{job}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let token = two.call(Method::POST, &format!("/api/jobs/{job}/git-token")).send().await.unwrap();
    assert_eq!(token.status(), StatusCode::FORBIDDEN);
    let other =
        two.call(Method::PATCH, &format!("/api/workers/{}/metadata", one.id)).json(&json!({})).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    let stolen = Runner { id: one.id.clone(), token: two.token.clone(), origin: plane.origin.clone() };
    assert_eq!(stolen.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::UNAUTHORIZED);
    assert_eq!(plane.job(&job).await["status"], "CLAIMED");
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_place() {
    let plane = Plane::start().await;
    let submit = |body: Value| plane.user(Method::POST, "/api/jobs").json(&body).send();
    for (body, pointer, text) in [
        (json!({ "job_type": "nope" }), "/job_type", "known are: change, read"),
        (json!({ "job_type": "read", "config_snapshot": { "count": "x" } }), "/config_snapshot/count", "integer"),
        (json!({ "job_type": "read", "config_snapshot": { "cuont": 1 } }), "/config_snapshot", "cuont"),
        (json!({ "job_type": "read", "config_snapshot": {}, "plan_job_id": "none" }), "/plan_job_id", "no job none"),
        (
            json!({ "job_type": "read", "config_snapshot": {}, "assigned_runner_id": "none" }),
            "/assigned_runner_id",
            "no runner",
        ),
        (json!({ "job_type": "read", "config_snapshot": {}, "timeout_s": 0 }), "/timeout_s", "at least"),
    ] {
        let answer = submit(body.clone()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["pointer"], pointer, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(text), "{answer}");
    }
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    for status in [json!("success"), json!("SUCCESS "), json!("DONE"), Value::Null] {
        let answer = runner.status(&job, 1, json!({ "status": status })).await;
        assert_eq!(answer, StatusCode::UNPROCESSABLE_ENTITY, "{status}");
    }
    for attempt in ["0", "-1", "9223372036854775808", "x"] {
        let call = runner.call(Method::PUT, &format!("/api/jobs/{job}/status")).header("X-Job-Attempt", attempt);
        let answer = call.json(&json!({ "status": "SUCCESS" })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{attempt}");
    }
    let raw = |body: String| plane.user(Method::POST, "/api/jobs").body(body).send();
    assert_eq!(raw("{".to_owned()).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        raw(format!("{{\"config_snapshot\":{}", "[".repeat(100_000))).await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(raw(" ".repeat((2 << 20) + 1)).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    for token in ["", "x", &plane.admin.to_uppercase()] {
        let answer = Client::new().get(format!("{}/api/jobs", plane.origin)).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{token:?}");
    }
    for name in ["", &"n".repeat(65), "a\u{7}b", "a\u{202e}b"] {
        let answer =
            plane.user(Method::POST, "/api/runners/register").json(&json!({ "name": name })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
    }
    let twice = plane.user(Method::POST, "/api/runners/register").json(&json!({ "name": "one" })).send().await.unwrap();
    assert_eq!(twice.status(), StatusCode::CONFLICT);
}
