//! A plane, its users and its runners.

use std::time::Duration;

use control_plane::{Config, Limits, Timings, start};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wire::{Claim, FrameHeader, KindInfo, LogStream, LossPolicy, RegisterAnswer, RunnerImage, Timestamp};

/// The longest that anything is waited for. Shorter than the plane's own second looks, which must not be needed.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Plane {
    pub(crate) origin: String,
    pub(crate) admin: String,
    pub(crate) folder: TempDir,
    client: Client,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) origin: String,
    pub(crate) client: Client,
}

fn kinds() -> Vec<KindInfo> {
    let schema = json!({ "type": "object", "properties": { "count": { "type": "integer" },
        "token": { "type": "string", "writeOnly": true }, "list": {
        "type": "array", "items": { "type": "string" } } }, "additionalProperties": false });
    let kind = |name: &str, loss| KindInfo {
        kind: name.to_owned(),
        summary: "a test".to_owned(),
        schema: schema.clone(),
        loss,
        timeout_s: 60,
        grace_s: 1,
        tools: Vec::new(),
        exclusive: None,
    };
    let reads = ["read", "CONNECTION_TEST"].map(|name| kind(name, LossPolicy::Requeue));
    reads.into_iter().chain([kind("change", LossPolicy::RequeueBeforeCommit)]).collect()
}

impl Plane {
    pub(crate) async fn start() -> Self {
        Self::start_with(Timings::default()).await
    }

    pub(crate) async fn start_with(timings: Timings) -> Self {
        Self::open(tempfile::tempdir().unwrap(), timings).await
    }

    /// One that gives runners an image.
    pub(crate) async fn start_with_image(image: &str) -> Self {
        Self::open_as(tempfile::tempdir().unwrap(), Timings::default(), Some(image.parse().unwrap())).await
    }

    pub(crate) async fn open(folder: TempDir, timings: Timings) -> Self {
        Self::open_as(folder, timings, None).await
    }

    async fn open_as(folder: TempDir, timings: Timings, runner_image: Option<RunnerImage>) -> Self {
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: folder.path().join("data"),
            kinds: kinds(),
            timings,
            limits: Limits::default(),
            secret_readers: Default::default(),
            public_url: Some("https://plane.example".parse().unwrap()),
            runner_image,
        };
        let plane = start(config).await.unwrap();
        let admin = std::fs::read_to_string(plane.admin_token_file()).unwrap().trim().to_owned();
        let origin = format!("http://{}", plane.address());
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let served = tokio::spawn(async move { plane.run(stop).await.unwrap() });
        let client = Client::builder().no_proxy().build().unwrap();
        Self { origin, admin, folder, client, shutdown, served }
    }

    /// Asks the plane to leave, and waits until it has.
    pub(crate) async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        tokio::time::timeout(SOON, self.served).await.expect("the plane leaves").unwrap();
        self.folder
    }

    pub(crate) async fn restart(self) -> Self {
        Self::open(self.stop().await, Timings::default()).await
    }

    /// Starts again with a second organisation, and returns the token of its user.
    pub(crate) async fn restart_with_other_organisation(self) -> (Self, String) {
        let token = "e".repeat(64);
        let folder = self.stop().await;
        let file = folder.path().join("data/plane.db");
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        sqlx::query(
            "INSERT INTO users (id, org_id, name, token_hash, created_at) VALUES ('eve', 'other', 'eve', ?, 0)",
        )
        .bind(sha256(&token))
        .execute(&pool)
        .await
        .unwrap();
        pool.close().await;
        (Self::open(folder, Timings::default()).await, token)
    }

    pub(crate) fn user(&self, method: Method, path: &str) -> RequestBuilder {
        self.user_with(&self.admin, method, path)
    }

    pub(crate) fn user_with(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin)).bearer_auth(token)
    }

    pub(crate) fn runner(&self, id: &str, token: &str) -> Runner {
        let (id, token) = (id.to_owned(), token.to_owned());
        Runner { id, token, origin: self.origin.clone(), client: self.client.clone() }
    }

    pub(crate) async fn register(&self, name: &str) -> Runner {
        let call = self.user(Method::POST, "/api/runners/register").json(&json!({ "name": name }));
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let answer: RegisterAnswer = answer.json().await.unwrap();
        self.runner(answer.runner.id.as_str(), &answer.runner_token)
    }

    pub(crate) async fn submit(&self, kind: &str) -> String {
        self.submit_as(json!({ "job_type": kind, "config_snapshot": { "count": 1 } })).await
    }

    pub(crate) async fn submit_as(&self, body: Value) -> String {
        let answer = self.user(Method::POST, "/api/jobs").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json::<Value>().await.unwrap()["job"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.user(Method::GET, path).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn job(&self, id: &str) -> Value {
        self.get(&format!("/api/jobs/{id}")).await
    }

    pub(crate) async fn post(&self, path: &str) -> StatusCode {
        self.user(Method::POST, path).send().await.unwrap().status()
    }

    /// Follows a job to its end, and returns it.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let stream = self.user(Method::GET, &format!("/api/jobs/{id}/logs/stream")).send().await.unwrap();
        Events::new(stream).until("event: end").await;
        self.job(id).await
    }

    /// Whether the plane has heard of this runner since `before`.
    pub(crate) async fn heard_of(&self, runner: &Runner) {
        let path = format!("/api/runners/{}", runner.id);
        let heard = async { while self.get(&path).await["last_heartbeat"].is_null() {} };
        tokio::time::timeout(SOON, heard).await.expect("the plane hears of the runner");
    }
}

impl Runner {
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.origin));
        request.header("X-Worker-ID", &self.id).header("X-Worker-Token", &self.token)
    }

    pub(crate) async fn claim(&self, body: Value) -> Claim {
        let answer = self.call(Method::POST, "/api/jobs/claim").json(&body).timeout(SOON).send().await;
        answer.expect("the claim is answered").json().await.unwrap()
    }

    /// Claims as a runner that knows the protocol does.
    pub(crate) async fn claim_id(&self) -> String {
        let request_id = wire::JobId::generate();
        self.claim(json!({ "request_id": request_id })).await.job.expect("a job waits").id.to_string()
    }

    pub(crate) async fn status(&self, job: &str, attempt: u32, body: Value) -> StatusCode {
        let call = self.call(Method::PUT, &format!("/api/jobs/{job}/status"));
        call.header("X-Job-Attempt", attempt).json(&body).send().await.unwrap().status()
    }

    /// The answer to a report of the first attempt, which is taken.
    pub(crate) async fn report(&self, job: &str, body: Value) -> Value {
        let call = self.call(Method::PUT, &format!("/api/jobs/{job}/status")).header("X-Job-Attempt", 1);
        call.json(&body).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    pub(crate) async fn commit(&self, job: &str, attempt: u32) -> StatusCode {
        self.status(job, attempt, json!({ "status": "PROCESSING", "phase": "committed" })).await
    }

    pub(crate) async fn append(&self, job: &str, attempt: u32, offset: u64, text: &str) -> StatusCode {
        let header = FrameHeader::describe(LogStream::Stdout, offset, Timestamp::now(), text.as_bytes());
        let body = [&header.encode()[..], text.as_bytes()].concat();
        let call = self.call(Method::POST, &format!("/api/jobs/{job}/log?offset={offset}"));
        let call = call.header("X-Job-Attempt", attempt).header("Content-Type", wire::paths::LOG_FRAMES);
        call.body(body).send().await.unwrap().status()
    }

    pub(crate) async fn heartbeat(&self, body: Value) -> Value {
        self.call(Method::POST, "/api/workers/heartbeat").json(&body).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn events(&self) -> Events {
        let path = format!("/api/runners/{}/events", self.id);
        Events::new(self.call(Method::GET, &path).send().await.unwrap().error_for_status().unwrap())
    }
}

/// A stream of server-sent events.
pub(crate) struct Events {
    response: reqwest::Response,
    seen: String,
}

impl Events {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self { response, seen: String::new() }
    }

    /// Waits for a text, and forgets everything up to it.
    pub(crate) async fn until(&mut self, text: &str) {
        let seen = async {
            while !self.seen.contains(text) {
                let chunk = self.response.chunk().await.unwrap();
                let chunk = chunk.unwrap_or_else(|| panic!("the stream ended before {text:?}: {:?}", self.seen));
                self.seen.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        tokio::time::timeout(SOON, seen).await.unwrap_or_else(|_| panic!("{text:?} comes soon"));
        self.seen = self.seen.split_once(text).unwrap().1.to_owned();
    }

    /// Waits for the end of the stream.
    pub(crate) async fn closed_within(mut self, limit: Duration) {
        let ended = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        tokio::time::timeout(limit, ended).await.expect("the stream ends in time");
    }

    /// All that comes until the stream ends.
    pub(crate) async fn rest(mut self) -> String {
        let ended = async {
            while let Ok(Some(chunk)) = self.response.chunk().await {
                self.seen.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        tokio::time::timeout(SOON, ended).await.expect("the stream ends");
        self.seen
    }
}

pub(crate) fn sha256(text: &str) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(text))
}

/// Shows each file below `folder` with what is in it. A file that goes away meanwhile, as SQLite's journal does when its last
/// connection closes, holds nothing.
pub(crate) fn each_file(folder: &std::path::Path, look: &mut dyn FnMut(&std::path::Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, look);
            continue;
        }
        match std::fs::read(&path) {
            Ok(bytes) => look(&path, &bytes),
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{}: {e}", path.display()),
        }
    }
}
