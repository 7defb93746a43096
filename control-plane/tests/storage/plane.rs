//! A server with the storage routes, and rules of access that a test sets by hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use control_plane::access::{Access, JobWrite, Progress, Refusal, StateUser, User};
use control_plane::artifacts::{ArtifactRecords, BlobStore, Digest, SecretArtifacts};
use control_plane::logs::{LogLimits, LogStore};
use control_plane::routes::{Storage, StorageLimits, storage_router};
use control_plane::sources::Sources;
use control_plane::state::{Actor, StateStore};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio::sync::watch;
use wire::{AttemptNo, FrameHeader, JobId, JobStatus, LogStream, Phase, Timestamp};

pub(crate) struct Plane {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    pub(crate) rules: Arc<Rules>,
    pub(crate) storage: Storage,
    server: tokio::task::JoinHandle<()>,
}

impl Plane {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), Arc::default()).await
    }

    /// Stops the server and starts another on the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.server.abort();
        Self::start_in(self.dir, self.rules).await
    }

    async fn start_in(dir: tempfile::TempDir, rules: Arc<Rules>) -> Self {
        let storage = open(dir.path(), Arc::clone(&rules)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = storage_router(storage.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { dir, address, client: reqwest::Client::builder().no_proxy().build().unwrap(), rules, storage, server }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request of the runner of all jobs.
    pub(crate) fn runner(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).header(wire::paths::WORKER_ID, "runner-1")
    }

    /// A request of a user of an organisation.
    pub(crate) fn user(&self, org: &str, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(org)
    }

    pub(crate) async fn append(&self, job: &str, offset: u64, frames: Vec<u8>) -> reqwest::Response {
        let path = format!("/api/jobs/{job}/log?offset={offset}");
        let request = self.runner(reqwest::Method::POST, &path);
        request.header("content-type", wire::paths::LOG_FRAMES).body(frames).send().await.unwrap()
    }
}

async fn open(dir: &Path, rules: Arc<Rules>) -> Storage {
    let options = SqliteConnectOptions::new().filename(dir.join("plane.db")).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    sqlx::migrate!("./migrations/sqlite").run(&pool).await.unwrap();
    Storage {
        secrets: SecretArtifacts::open(dir).await.unwrap(),
        logs: LogStore::open(&dir.join("logs"), LogLimits::default()).unwrap(),
        blobs: BlobStore::open(&dir.join("artifacts")).unwrap(),
        artifacts: ArtifactRecords::new(pool.clone()),
        sources: Sources::new(pool.clone()),
        states: StateStore::new(&dir.join("states"), pool),
        access: rules,
        limits: StorageLimits { log_append_bytes: 1 << 20, artifact_bytes: 1 << 20, source_bytes: 1 << 20 },
    }
}

/// The jobs there are. All are of organisation "acme" and held by "runner-1".
#[derive(Default)]
pub(crate) struct Rules {
    jobs: Mutex<HashMap<String, watch::Sender<Progress>>>,
    departures: watch::Sender<()>,
}

impl Rules {
    pub(crate) fn add(&self, job: &str) {
        let progress = Progress { status: JobStatus::Processing, attempt: 1, phase: Phase::Preparing };
        self.jobs.lock().unwrap().insert(job.to_owned(), watch::Sender::new(progress));
    }

    pub(crate) fn end(&self, job: &str, status: JobStatus) {
        self.change(job, |progress| progress.status = status);
    }

    pub(crate) fn change(&self, job: &str, change: impl FnOnce(&mut Progress)) {
        self.jobs.lock().unwrap()[job].send_modify(change);
    }

    fn now(&self, job: &JobId) -> Result<Progress, Refusal> {
        let jobs = self.jobs.lock().unwrap();
        jobs.get(job.as_str()).map(|sender| *sender.borrow()).ok_or_else(|| Refusal::not_found("job"))
    }
}

fn unauthorised() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorised")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

#[async_trait]
impl Access for Rules {
    async fn writing(&self, headers: &HeaderMap, job: &JobId) -> Result<JobWrite, Refusal> {
        if !headers.contains_key(wire::paths::WORKER_ID) {
            return Err(unauthorised());
        }
        let now = self.now(job)?;
        Ok(JobWrite { attempt: AttemptNo(now.attempt), log_base: 0, is_over: now.status.is_terminal() })
    }

    async fn reading(&self, headers: &HeaderMap, job: &JobId) -> Result<(), Refusal> {
        match bearer(headers) {
            Some("acme") => self.now(job).map(|_| ()),
            Some(_) => Err(Refusal::not_found("job")),
            None if headers.contains_key(wire::paths::WORKER_ID) => self.now(job).map(|_| ()),
            None => Err(unauthorised()),
        }
    }

    async fn reading_secrets(&self, headers: &HeaderMap, job: &JobId) -> Result<(), Refusal> {
        self.reading(headers, job).await
    }

    async fn user(&self, headers: &HeaderMap) -> Result<User, Refusal> {
        let org = bearer(headers).ok_or_else(unauthorised)?;
        Ok(User { id: "ann".to_owned(), org: org.to_owned(), is_platform: false })
    }

    async fn source_organisation(&self, headers: &HeaderMap, _digest: &Digest) -> Result<String, Refusal> {
        Ok(self.user(headers).await?.org)
    }

    async fn state_user(&self, headers: &HeaderMap) -> Result<StateUser, Refusal> {
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let pair = basic.and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unauthorised)?;
        let actor = match pair.split_once(':').ok_or_else(unauthorised)? {
            ("token", _) => Actor::User { id: "ann".to_owned() },
            (job, attempt) => {
                let job: JobId = job.parse().map_err(|_| unauthorised())?;
                let attempt: AttemptNo = attempt.parse().map_err(|_| unauthorised())?;
                let now = self.now(&job)?;
                let is_current = now.attempt == attempt.0 && !now.status.is_terminal();
                Actor::Attempt { job, attempt, runner: Some("runner-1".parse().unwrap()), is_current }
            }
        };
        Ok(StateUser { org: "acme".to_owned(), actor })
    }

    async fn is_at_work(&self, job: &JobId, attempt: AttemptNo) -> Result<bool, Refusal> {
        let now = self.now(job)?;
        Ok(now.attempt == attempt.0 && !now.status.is_terminal())
    }

    fn departures(&self) -> watch::Receiver<()> {
        self.departures.subscribe()
    }

    async fn progress(&self, job: &JobId) -> Result<watch::Receiver<Progress>, Refusal> {
        self.now(job)?;
        Ok(self.jobs.lock().unwrap()[job.as_str()].subscribe())
    }
}

pub(crate) fn frame(stream: LogStream, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let header = FrameHeader::describe(stream, offset, Timestamp::now(), bytes);
    [&header.encode()[..], bytes].concat()
}

pub(crate) fn stdout(offset: u64, bytes: &[u8]) -> Vec<u8> {
    frame(LogStream::Stdout, offset, bytes)
}
