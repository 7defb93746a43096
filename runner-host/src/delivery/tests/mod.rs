//! Delivery against a plane that has bad days. The directory is written by hand; the socket is real.

mod answers;
mod ends;
mod log;
mod outbox;
mod seed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use executor_api::{ExecutorPlugin, ExecutorRegistry, LogWriter};
use process_supervisor::{Command, DetachedProcess, Environment, spawn_detached};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use wire::{Claim, Frame, JobStatus, LogStream, LogSummary, LossPolicy, Phase, Reason, RunnerStatus, Timestamp};

use super::{Delivered, Taken, run, say_late};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::directory_watch::DirectoryWatch;
use crate::job_directory::{
    ArtifactRecord, COMMIT, COMMITTED, Claimed, Committed, JobDirectory, LOG, OUTCOME, OutcomeRecord,
};
use crate::job_log::{FrameWriter, LogTotals};
use crate::life::Life;
use crate::registry::tests::Idle;
use crate::runner::{self, Runner};
use crate::{dispatch, stand_in_outcome};

/// Longer than any of these deliveries takes; an endless one ends here.
const TOO_LONG: Duration = Duration::from_secs(30);

/// What happens to a call instead of what should.
enum Weather {
    Fine,
    /// Nothing is stored, and this is answered.
    Answer(u16),
    /// As [`Self::Answer`] with 413, for a body of more bytes than this.
    TooLargeAbove(usize),
    /// Nothing is stored, and it wants the log from the start.
    WantsTheStart,
    /// Nothing is stored, and it asks to be left alone for so many seconds.
    Busy(u32),
    /// Nothing is stored, and something on the way answers this.
    Stranger(u16, &'static str),
    /// Nothing is stored, and the connection is cut.
    LostBefore,
    /// It is stored, and the connection is cut.
    LostAfter,
    /// It is stored and answered when log has come.
    SlowerThanTheLog,
}

/// Decides by the name of a call and how many of that name came before it.
type Forecast = fn(&str, usize) -> Weather;

/// All that the plane has.
#[derive(Default)]
struct Stored {
    /// The names of all calls, in order.
    calls: Vec<String>,
    log: Vec<u8>,
    posts: Vec<(String, String)>,
    reports: Vec<Value>,
    artifacts: BTreeMap<String, Bytes>,
    forgets_at_the_report: bool,
    /// The job, as it is shown.
    job: Value,
}

/// A plane of protocol 2, as far as delivery needs one.
#[derive(Clone)]
struct Plane {
    stored: Arc<Mutex<Stored>>,
    forecast: Forecast,
    /// Somebody waits for log.
    waits_for_log: Arc<Notify>,
    log_came: Arc<Notify>,
}

impl Plane {
    fn new(forecast: Forecast) -> Self {
        Self { stored: Arc::default(), forecast, waits_for_log: Arc::default(), log_came: Arc::default() }
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        origin
    }

    fn take(&self, name: &str, query: &str, body: Bytes) -> Response {
        let mut stored = self.stored();
        match name {
            "log" => {
                self.log_came.notify_one();
                stored.append(query, &body)
            }
            "logs" => stored.post(&body),
            "status" => stored.report(&body),
            "j" => Json(stored.job.clone()).into_response(),
            "heartbeat" => Json(json!({ "success": true, "protocol": 2 })).into_response(),
            artifact => {
                let sha256 = hex::encode(Sha256::digest(&body));
                stored.artifacts.insert(artifact.to_owned(), body);
                // One answer for both dialects.
                Json(json!({ "sha256": sha256, "key": artifact })).into_response()
            }
        }
    }
}

async fn answer(State(plane): State<Plane>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let before = {
        let mut stored = plane.stored();
        let before = stored.calls.iter().filter(|call| **call == name).count();
        stored.calls.push(name.clone());
        before
    };
    match (plane.forecast)(&name, before) {
        Weather::TooLargeAbove(most) if body.len() > most => say_no(413, &name),
        Weather::Fine | Weather::TooLargeAbove(_) => plane.take(&name, &query, body),
        Weather::Answer(status) => say_no(status, &name),
        Weather::WantsTheStart => (StatusCode::RANGE_NOT_SATISFIABLE, Json(json!({ "offset": 0 }))).into_response(),
        Weather::Stranger(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Weather::Busy(seconds) => ([("retry-after", seconds.to_string())], say_no(503, &name)).into_response(),
        Weather::LostBefore => cut(),
        Weather::LostAfter => {
            drop(plane.take(&name, &query, body));
            cut()
        }
        Weather::SlowerThanTheLog => {
            plane.waits_for_log.notify_one();
            plane.log_came.notified().await;
            plane.take(&name, &query, body)
        }
    }
}

fn say_no(status: u16, name: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "error": format!("no {name}") }))).into_response()
}

/// Ends the task that serves the connection, and the connection with it, without a word.
fn cut() -> ! {
    std::panic::resume_unwind(Box::new("the connection is cut"))
}

impl Stored {
    fn append(&mut self, query: &str, body: &[u8]) -> Response {
        let offset: usize = query.strip_prefix("offset=").unwrap().parse().unwrap();
        let mut status = StatusCode::RANGE_NOT_SATISFIABLE;
        if offset == self.log.len() {
            status = StatusCode::OK;
            let mut rest = body;
            while let Ok((frame, more)) = Frame::split_first(rest) {
                assert_eq!(frame.header.offset, self.log.len() as u64, "frames follow one another");
                self.log.extend_from_slice(frame.bytes);
                rest = more;
            }
            assert!(rest.is_empty(), "only whole frames are sent");
        }
        (status, Json(json!({ "offset": self.log.len() }))).into_response()
    }

    fn post(&mut self, body: &[u8]) -> Response {
        let post: Value = serde_json::from_slice(body).unwrap();
        let text = |name: &str| post[name].as_str().unwrap().to_owned();
        self.posts.push((text("stream_type"), text("log_chunk")));
        (StatusCode::CREATED, Json(json!({ "success": true }))).into_response()
    }

    fn report(&mut self, body: &[u8]) -> Response {
        let report: Value = serde_json::from_slice(body).unwrap();
        if std::mem::take(&mut self.forgets_at_the_report) {
            self.log.clear();
        }
        if report["log"]["length"].as_u64().is_some_and(|length| length > self.log.len() as u64) {
            return (StatusCode::RANGE_NOT_SATISFIABLE, Json(json!({ "offset": self.log.len() }))).into_response();
        }
        self.reports.push(report);
        Json(json!({ "success": true })).into_response()
    }

    fn count(&self, name: &str) -> usize {
        self.calls.iter().filter(|call| **call == name).count()
    }
}

static PLUGIN: ExecutorPlugin = ExecutorPlugin::new::<Value>("test", &Idle);
static ONCE: ExecutorPlugin = ExecutorPlugin::new::<Value>("once", &Idle).loss(LossPolicy::Fail);

/// A run that has ended: its directory, and who delivers it.
struct Run {
    folder: tempfile::TempDir,
    directory: JobDirectory,
    claimed: Claimed,
    writer: FrameWriter,
    totals: LogTotals,
    dialect: Dialect,
}

fn claimed() -> Claimed {
    Claimed::of(json!({ "id": "j", "job_type": "test", "status": "CLAIMED", "attempt": 3 }))
}

impl Run {
    fn new(dialect: Dialect) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let claimed = claimed();
        let directory = JobDirectory::of(folder.path(), &claimed);
        directory.create(&claimed).unwrap();
        let (writer, totals) = FrameWriter::open(&directory.file(LOG), u64::MAX).unwrap();
        Self { folder, directory, claimed, writer, totals, dialect }
    }

    fn log(&mut self, stream: LogStream, bytes: &[u8]) {
        self.writer.append(stream, Timestamp::now(), bytes);
    }

    fn artifact(&self, number: u32, name: &str, bytes: &[u8]) {
        let sha256 = hex::encode(Sha256::digest(bytes));
        let record = ArtifactRecord { name: name.to_owned(), media_type: "x/y".to_owned(), sha256 };
        self.directory.put_artifact(number, &record, bytes).unwrap();
    }

    fn progress(&self, number: u32, key: &str) {
        let metadata = Map::from_iter([(key.to_owned(), json!(number))]);
        self.directory.put_progress(number, &metadata).unwrap();
    }

    /// Writes how it ended; returns what its log is.
    fn end(&self) -> LogSummary {
        self.end_with(Map::from_iter([("result".to_owned(), json!(1))]))
    }

    fn end_with(&self, metadata: Map<String, Value>) -> LogSummary {
        let log = self.totals.finish();
        let outcome = OutcomeRecord {
            status: JobStatus::Success,
            reason: None,
            error_message: None,
            metadata,
            phase: Phase::Preparing,
            log: log.clone(),
            finished_at: Timestamp::now(),
            is_stand_in: false,
        };
        self.directory.write(OUTCOME, &outcome).unwrap();
        log
    }

    async fn runner(&self, origin: &str) -> Runner {
        let state = self.folder.path().join("state");
        std::fs::create_dir_all(&state).unwrap();
        let token = SecretString::from("t".to_owned());
        let config = Config::new(origin, "r".parse().unwrap(), token, state.clone());
        let registry = ExecutorRegistry::new([&PLUGIN, &ONCE]).unwrap();
        let runner = runner::prepare(config, registry, &state).await.unwrap();
        runner.dialect.send_replace(Some(self.dialect));
        runner
    }

    /// Of a process that waits for the answer if it has asked to commit, and then ends.
    async fn deliver_to(&self, plane: &Plane) -> Delivered {
        self.deliver_until(plane, |directory| !directory.has(COMMIT) || directory.has(COMMITTED)).await
    }

    /// Of a process that ends when it has come so far.
    async fn deliver_until(&self, plane: &Plane, has_ended: impl Fn(&JobDirectory) -> bool) -> Delivered {
        let watch = DirectoryWatch::start();
        let mut changes = watch.changes_in(self.directory.root());
        let life = |has_ended| if has_ended { Life::Ended } else { Life::Lives };
        let (process, lives) = watch::channel(life(has_ended(&self.directory)));
        let process = async {
            while !has_ended(&self.directory) {
                changes.next().await;
            }
            process.send_replace(Life::Ended);
            std::future::pending().await
        };
        tokio::select! {
            delivered = self.deliver(plane, lives) => delivered,
            delivered = process => delivered,
        }
    }

    async fn deliver(&self, plane: &Plane, lives: watch::Receiver<Life>) -> Delivered {
        let runner = self.runner(&plane.listen().await).await;
        let delivered = tokio::time::timeout(TOO_LONG, run(&runner, &self.directory, &self.claimed, lives)).await;
        let calls = || plane.stored().calls.iter().take(20).cloned().collect::<Vec<_>>();
        delivered.unwrap_or_else(|_| panic!("not delivered in time: {:?}", calls()))
    }
}

fn is_taken(delivered: &Delivered) -> bool {
    matches!(delivered, Delivered::All(Taken { status: JobStatus::Success, .. }))
}

/// Too large for two of them to travel together.
fn large(fill: u8) -> Vec<u8> {
    vec![fill; 700 * 1024]
}

/// A session that runs `script` beside a pipe `gate`, and what the one that leads it would say of itself.
pub(crate) fn session_in(folder: &std::path::Path, script: &str) -> (DetachedProcess, Value) {
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("gate"), rustix::fs::Mode::RWXU).unwrap();
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let command = Command::new("/bin/sh", env, folder).args(["-c", script]);
    let leader = spawn_detached(&command, &folder.join("output")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", leader.pid())).unwrap();
    let start: u64 = stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(19).unwrap().parse().unwrap();
    let boot_id = process_supervisor::boot_id().unwrap();
    let identity = json!({ "pid": leader.pid(), "start_ticks": start, "boot_id": boot_id });
    (leader, identity)
}
