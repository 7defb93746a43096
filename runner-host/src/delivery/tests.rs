//! Delivery against a plane that has bad days. The directory is written by hand; the socket is real.

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
use wire::{Claim, Frame, JobStatus, LogStream, LogSummary, LossPolicy, Phase, Reason, Timestamp};

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

#[tokio::test]
async fn what_may_pass_is_waited_for_and_everything_arrives_once_and_in_order() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("heartbeat", _) => Weather::Fine,
        (_, 0) => Weather::Answer(503),
        (_, 1) => Weather::LostBefore,
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.log(LogStream::Stderr, b"\0\xff two\n");
    job.progress(1, "first");
    job.artifact(2, "a.txt", b"bytes");
    job.progress(3, "third");
    job.directory.write(COMMIT, &Map::new()).unwrap();
    let log = job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));

    let stored = plane.stored();
    assert_eq!(stored.log, b"one\n\0\xff two\n");
    assert_eq!(stored.artifacts["a.txt"], "bytes");
    // The commit point goes its own way, and only the end waits for it.
    let (commits, others): (Vec<_>, Vec<_>) = stored.reports.iter().partition(|report| report["phase"] == "committed");
    assert!(commits.len() == 1 && commits[0]["status"] == "PROCESSING", "{commits:?}");
    let [first, third, end] = &others[..] else { panic!("{others:?}") };
    assert_eq!(first["execution_metadata"], json!({ "first": 1 }));
    assert_eq!(third["execution_metadata"], json!({ "third": 3 }));
    assert_eq!((&end["status"], &end["log"]), (&json!("SUCCESS"), &serde_json::to_value(&log).unwrap()));
    let committed: Committed = job.directory.read(COMMITTED).unwrap().unwrap();
    assert_eq!(committed.refused, None);
    assert!(job.directory.next_outbox().unwrap().is_none());
}

#[tokio::test]
async fn a_runner_without_room_asks_for_no_job_beside_a_report() {
    for has_room in [true, false] {
        let plane = Plane::new(|_, _| Weather::Fine);
        let job = Run::new(Dialect::Two);
        job.end();
        let runner = job.runner(&plane.listen().await).await;
        if !has_room {
            std::fs::remove_dir(&runner.jobs_dir).unwrap();
        }
        let (_process, lives) = watch::channel(Life::Ended);
        assert!(is_taken(&run(&runner, &job.directory, &job.claimed, lives).await));
        assert_eq!(plane.stored().reports[0]["next"].is_object(), has_room);
    }
}

#[tokio::test]
async fn the_log_does_not_wait_for_a_slow_artifact() {
    let plane = Plane::new(|name, _| if name == "a.txt" { Weather::SlowerThanTheLog } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    job.artifact(1, "a.txt", b"bytes");
    let runner = job.runner(&plane.listen().await).await;
    let (process, lives) = watch::channel(Life::Lives);
    let (directory, claimed) = (job.directory.clone(), claimed());
    let work = async {
        plane.waits_for_log.notified().await;
        job.log(LogStream::Stdout, b"one\n");
        job.end();
        process.send_replace(Life::Ended);
    };
    let delivery = async { tokio::join!(run(&runner, &directory, &claimed, lives), work).0 };
    let delivered =
        tokio::time::timeout(TOO_LONG, delivery).await.expect("the log comes while the artifact is on its way");
    assert!(is_taken(&delivered));
    assert_eq!(plane.stored().log, b"one\n");
    assert_eq!(plane.stored().artifacts["a.txt"], "bytes");
}

#[tokio::test]
async fn neither_a_revoked_token_nor_a_full_disk_loses_a_result() {
    let plane = Plane::new(|_, before| match before {
        0 => Weather::Answer(401),
        1 => Weather::Answer(507),
        2 => Weather::Answer(429),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert_eq!(plane.stored().count("status"), 4);
}

/// The clock stands still.
#[tokio::test(start_paused = true)]
async fn a_plane_that_is_busy_is_left_alone_as_long_as_it_asks() {
    let plane = Plane::new(|_, before| if before == 0 { Weather::Busy(20) } else { Weather::Fine });
    let job = Run::new(Dialect::Two);
    job.end();
    let began = tokio::time::Instant::now();
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert!(began.elapsed() >= Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(plane.stored().count("status"), 2);
}

/// Its sender stood still for too long, or the way has changed its bytes: they are the same the next time.
#[tokio::test]
async fn a_body_that_was_cut_off_or_damaged_on_its_way_is_sent_again() {
    let forecasts: [Forecast; 3] = [
        |_, before| if before == 0 { Weather::Answer(408) } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Answer(400) } else { Weather::Fine },
        |_, before| if before < 2 { Weather::Answer(400) } else { Weather::Fine },
    ];
    for forecast in forecasts {
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "errored.tfstate", b"bytes");
        let log = job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let stored = plane.stored();
        assert_eq!((&stored.log[..], &stored.artifacts["errored.tfstate"][..]), (&b"one\n"[..], &b"bytes"[..]));
        let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
        assert_eq!(end["log"], serde_json::to_value(&log).unwrap());
        assert_eq!(end["execution_metadata"], json!({ "result": 1 }));
    }
}

/// A plane that checks would ask for its bytes without end.
#[tokio::test]
async fn an_artifact_that_is_damaged_here_costs_itself_and_the_job_says_so() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let job = Run::new(Dialect::Two);
    job.artifact(1, "a.txt", b"bytes");
    let entry = job.directory.file("outbox.000001.artifact");
    std::fs::write(&entry, std::fs::read_to_string(&entry).unwrap().replace("bytes", "bites")).unwrap();
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.artifacts.is_empty(), "{:?}", stored.calls);
    let said = &stored.reports[0]["execution_metadata"]["artifact_refused:a.txt"];
    assert!(said.as_str().is_some_and(|why| why.contains("disk has damaged them")), "{said}");
}

#[tokio::test]
async fn the_answer_of_a_stranger_is_no_word_of_the_plane() {
    let forecasts: [Forecast; 7] = [
        |_, before| if before < 3 { Weather::Stranger(400, "Bad request") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(422, "{}") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(404, "404 page not found") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(302, "<a href=/login>Found</a>") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(403, "") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(409, r#"{"message":"conflict"}"#) } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(200, r#"{"status":"ok"}"#) } else { Weather::Fine },
    ];
    let both = |forecast| [Dialect::Seed, Dialect::Two].map(|dialect| (forecast, dialect));
    for (forecast, dialect) in forecasts.into_iter().flat_map(both) {
        let plane = Plane::new(forecast);
        let mut job = Run::new(dialect);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "terraform.plan.out", b"bytes");
        job.directory.write(COMMIT, &Map::new()).unwrap();
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let committed: Committed = job.directory.read(COMMITTED).unwrap().unwrap();
        assert_eq!(committed.refused, None);
        let stored = plane.stored();
        assert_eq!(stored.log.len() + stored.posts.len(), if dialect == Dialect::Two { 4 } else { 1 });
        assert_eq!(stored.artifacts.len(), 1, "{:?}", stored.calls);
    }
}

/// Proxies have limits of their own, which waiting does not change.
#[tokio::test]
async fn what_is_too_large_for_a_stranger_costs_itself() {
    let plane = Plane::new(|name, _| match name {
        "big.bin" => Weather::Stranger(413, "<html>413 Request Entity Too Large</html>"),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.artifact(1, "big.bin", b"too large");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert_eq!(plane.stored().count("big.bin"), 1);
}

/// Somebody on the way speaks as the plane does; or the plane said no by mistake.
#[tokio::test]
async fn an_attempt_that_was_not_given_up_is_delivered_whole_all_the_same() {
    for refused in ["log", "a.txt", "status"] {
        let forecast: Forecast = match refused {
            "log" => |name, before| if (name, before) == ("log", 0) { Weather::Answer(403) } else { Weather::Fine },
            "a.txt" => |name, before| if (name, before) == ("a.txt", 0) { Weather::Answer(403) } else { Weather::Fine },
            _ => |name, before| if (name, before) == ("status", 0) { Weather::Answer(403) } else { Weather::Fine },
        };
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "a.txt", b"bytes");
        job.end();
        let runner = job.runner(&plane.listen().await).await;
        let (_process, lives) = watch::channel(Life::Ended);
        let first = run(&runner, &job.directory, &job.claimed, lives).await;
        assert!(matches!(first, Delivered::Refused { .. }), "{refused}");
        let late = say_late(&runner, &job.directory, &job.claimed).await;
        assert!(is_taken(&late), "{refused}");
        let stored = plane.stored();
        assert_eq!((&stored.log[..], &stored.artifacts["a.txt"][..]), (&b"one\n"[..], &b"bytes"[..]), "{refused}");
    }
}

#[tokio::test]
async fn a_lost_answer_stores_nothing_twice() {
    let plane = Plane::new(|_, before| if before == 0 { Weather::LostAfter } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, &large(b'a'));
    job.log(LogStream::Stdout, &large(b'b'));
    job.artifact(1, "a.txt", b"bytes");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.log == [large(b'a'), large(b'b')].concat(), "{} bytes", stored.log.len());
    assert_eq!(stored.reports[0], stored.reports[1], "the same report again");
}

#[tokio::test]
async fn the_log_goes_on_where_the_plane_wants_it() {
    let plane = Plane::new(|_, _| Weather::Fine);
    // An earlier start of the runner has delivered a part.
    plane.stored().log = large(b'a');
    let mut job = Run::new(Dialect::Two);
    for fill in *b"abc" {
        job.log(LogStream::Stdout, &large(fill));
    }
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.log == [large(b'a'), large(b'b'), large(b'c')].concat(), "{} bytes", stored.log.len());
    assert_eq!(stored.count("log"), 3, "one refused, two taken");
}

#[tokio::test]
async fn a_report_that_comes_before_the_end_of_the_log_sends_what_is_missing() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.log(LogStream::Stdout, b"two\n");
    job.end();
    // It was put back to an older state.
    plane.stored().forgets_at_the_report = true;
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert_eq!(plane.stored().calls, ["log", "status", "log", "status"]);
    assert_eq!(plane.stored().log, b"one\ntwo\n");
}

#[tokio::test]
async fn an_attempt_that_is_over_delivers_nothing_more() {
    let forecasts: [(&str, Forecast); 4] = [
        ("log", |name, _| if name == "log" { Weather::Answer(409) } else { Weather::Fine }),
        ("log", |name, _| if name == "log" { Weather::Answer(404) } else { Weather::Fine }),
        ("a.txt", |name, _| if name == "a.txt" { Weather::Answer(409) } else { Weather::Fine }),
        ("status", |name, _| if name == "status" { Weather::Answer(409) } else { Weather::Fine }),
    ];
    for (last, forecast) in forecasts {
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "a.txt", b"bytes");
        job.end();
        let Delivered::Refused { why } = job.deliver_to(&plane).await else { panic!("{last}: taken") };
        assert!(why.contains(&format!("no {last}")), "{why}");
        assert_eq!(plane.stored().count(last), 1, "a refusal is not tried again");
        assert_eq!(plane.stored().count("status"), usize::from(last == "status"), "what was refused is not reported");
    }
}

#[tokio::test]
async fn log_that_the_plane_refuses_costs_itself_and_the_report_says_so() {
    let forecasts: [Forecast; 3] = [
        |name, before| if name == "log" && (1..4).contains(&before) { Weather::Answer(400) } else { Weather::Fine },
        |name, before| if name == "log" && before == 1 { Weather::Answer(413) } else { Weather::Fine },
        |name, before| if name == "log" && before == 1 { Weather::Answer(422) } else { Weather::Fine },
    ];
    for forecast in forecasts {
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        for fill in *b"abc" {
            job.log(LogStream::Stdout, &large(fill));
        }
        job.artifact(1, "a.txt", b"bytes");
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let stored = plane.stored();
        assert!(stored.log == large(b'a'), "{} bytes", stored.log.len());
        assert_eq!(stored.artifacts["a.txt"], "bytes");
        let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
        let expected = LogSummary {
            length: large(b'a').len() as u64,
            sha256: hex::encode(Sha256::digest(large(b'a'))),
            dropped_bytes: 2 * large(b'b').len() as u64,
        };
        assert_eq!(end["log"], serde_json::to_value(&expected).unwrap());
    }
}

/// As a proxy that takes no large bodies: what it takes passes.
#[tokio::test]
async fn log_that_is_too_large_at_once_goes_in_smaller_pieces() {
    let plane = Plane::new(|name, _| if name == "log" { Weather::TooLargeAbove(100_000) } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    let mut written = vec![];
    for number in 0..40 {
        let piece = vec![b'a' + number % 26; usize::from(number) * 1700];
        job.log(LogStream::Stdout, &piece);
        written.extend(piece);
    }
    let log = job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.log == written, "{} bytes", stored.log.len());
    let end = stored.reports.last().unwrap();
    assert_eq!(end["log"], serde_json::to_value(&log).unwrap());
}

/// What is left of a log of three lines after a power cut, and what the report says of it.
async fn after_a_power_cut(cut: impl FnOnce(&std::path::Path), stored_before: &[u8]) -> (Vec<u8>, Value) {
    let plane = Plane::new(|_, _| Weather::Fine);
    plane.stored().log = stored_before.to_vec();
    let mut job = Run::new(Dialect::Two);
    for text in ["one\n", "two\n", "three\n"] {
        job.log(LogStream::Stdout, text.as_bytes());
    }
    job.end();
    cut(&job.directory.file(LOG));
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    assert!(stored.calls.len() < 8, "{:?}", stored.calls);
    (stored.log.clone(), end["log"].clone())
}

#[tokio::test]
async fn log_that_was_lost_with_the_power_does_not_hold_up_the_report() {
    let frame = u64::try_from(wire::FRAME_HEADER_BYTES).unwrap() + 4;
    let shorten = |length: u64| {
        move |log: &std::path::Path| {
            std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(length).unwrap();
        }
    };
    let flip = |log: &std::path::Path| {
        let mut bytes = std::fs::read(log).unwrap();
        bytes[usize::try_from(frame).unwrap() + wire::FRAME_HEADER_BYTES] ^= 1;
        std::fs::write(log, bytes).unwrap();
    };
    let zeros = |log: &std::path::Path| {
        shorten(frame)(log);
        shorten(frame * 4)(log);
    };
    let kept = |text: &str, dropped: u64| {
        let sha256 = hex::encode(Sha256::digest(text));
        json!({ "length": text.len(), "sha256": sha256, "dropped_bytes": dropped })
    };
    assert_eq!(after_a_power_cut(shorten(frame), b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    assert_eq!(after_a_power_cut(shorten(frame + 7), b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    assert_eq!(after_a_power_cut(flip, b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    assert_eq!(after_a_power_cut(zeros, b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    // The plane has more than is left here.
    let (log, said) = after_a_power_cut(shorten(frame), b"one\ntwo\nthree\n").await;
    assert_eq!((&log[..], &said["length"]), (&b"one\ntwo\nthree\n"[..], &json!(14)));
    let (log, _) = after_a_power_cut(shorten(frame), b"one\ntwo\n").await;
    assert_eq!(log, b"one\ntwo\n");
}

#[tokio::test]
async fn a_log_that_has_gone_does_not_hold_up_the_report() {
    let (log, said) = after_a_power_cut(|log| std::fs::remove_file(log).unwrap(), b"").await;
    assert_eq!((&log[..], &said["length"], &said["dropped_bytes"]), (&b""[..], &json!(0), &json!(14)));
}

#[tokio::test]
async fn progress_that_was_lost_with_the_power_costs_itself_and_the_job_says_so() {
    let both = |lost: &'static [u8]| [Dialect::Seed, Dialect::Two].map(|dialect| (lost, dialect));
    for (lost, dialect) in [&b""[..], b"\0\0\0\0", b"{\"half"].into_iter().flat_map(both) {
        let plane = Plane::new(|_, _| Weather::Fine);
        let job = Run::new(dialect);
        job.progress(1, "first");
        std::fs::write(job.directory.file("outbox.000001.progress"), lost).unwrap();
        job.progress(2, "second");
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let stored = plane.stored();
        let said: Vec<_> = stored.reports.iter().map(|report| &report["execution_metadata"]).collect();
        let says = |name: &str| said.iter().filter(|metadata| !metadata[name].is_null()).count();
        assert_eq!((says("outbox_damaged:outbox.000001.progress"), says("second")), (1, 1), "{said:?}");
    }
}

#[tokio::test]
async fn an_artifact_that_is_too_large_costs_itself_and_the_job_says_so() {
    let plane = Plane::new(|name, _| if name == "big.bin" { Weather::Answer(413) } else { Weather::Fine });
    let job = Run::new(Dialect::Two);
    job.artifact(1, "big.bin", b"too large");
    job.artifact(2, "a.txt", b"bytes");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert_eq!(stored.artifacts.keys().map(String::as_str).collect::<Vec<_>>(), ["a.txt"]);
    assert_eq!(stored.count("big.bin"), 1);
    let said =
        stored.reports.iter().find_map(|report| report["execution_metadata"]["artifact_refused:big.bin"].as_str());
    assert!(said.is_some_and(|why| why.contains("413") && why.contains("no big.bin")), "{:?}", stored.reports);
}

/// A state that terraform could store nowhere else, at a plane that keeps only plans or takes nothing so large.
#[tokio::test]
async fn the_only_copy_stays_on_the_runner_and_the_job_says_where() {
    for dialect in [Dialect::Seed, Dialect::Two] {
        let plane = Plane::new(|name, _| if name == "errored.tfstate" { Weather::Answer(413) } else { Weather::Fine });
        let job = Run::new(dialect);
        job.artifact(1, "errored.tfstate", b"all that is known");
        job.artifact(2, "plan.txt", b"can be made again");
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let lost = job.directory.put_away(true).unwrap().expect("something is kept");
        let kept = lost.join("kept.000001.artifact");
        assert!(std::fs::read(&kept).unwrap().ends_with(b"\nall that is known"));
        let stored = plane.stored();
        let said = |name: &str| stored.reports.iter().find_map(|report| report["execution_metadata"][name].as_str());
        let why = said("artifact_refused:errored.tfstate").unwrap();
        assert!(why.contains(&format!("the runner keeps it as {}", kept.display())), "{why}");
        assert_eq!(said("artifact_refused:plan.txt"), None);
    }
}

#[tokio::test]
async fn metadata_that_the_plane_refuses_costs_itself_and_not_the_result() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("status", 0) => Weather::Answer(422),
        ("status", 1) => Weather::Answer(413),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.progress(1, "too large");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    assert_eq!((&end["status"], &end["execution_metadata"]), (&json!("SUCCESS"), &Value::Null));
    let said = end["error_message"].as_str().unwrap();
    assert!(said.contains("its metadata could not be stored") && said.contains("no status"), "{said}");
}

#[tokio::test]
async fn a_refused_commit_point_is_written_down_after_the_orders_are_heard() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("status", 0) => Weather::Answer(409),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.directory.write(COMMIT, &Map::new()).unwrap();
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let committed: Committed = job.directory.read(COMMITTED).unwrap().unwrap();
    assert!(committed.refused.is_some_and(|why| why.contains("no status")));
    assert_eq!(plane.stored().calls, ["status", "heartbeat", "status"]);
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

#[tokio::test]
async fn nobody_is_asked_for_a_process_that_waits_no_more() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.directory.write(COMMIT, &Map::new()).unwrap();
    let (_leader, identity) = session_in(job.folder.path(), "read -r line <gate");
    job.directory.place("process.json", &identity).unwrap();
    let runner = Arc::new(job.runner(&plane.listen().await).await);
    let orders = runner.held.hold(&job.claimed.job.id, job.claimed.job.attempt_no(), &job.directory);
    let attended = dispatch::attend(runner, job.directory.clone(), Arc::new(job.claimed), None, None, orders);
    let tools_end = async {
        plane.log_came.notified().await;
        tokio::fs::write(job.folder.path().join("gate"), "go\n").await.unwrap();
    };
    tokio::time::timeout(TOO_LONG, async { tokio::join!(attended, tools_end) }).await.expect("it ends with its tools");
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    assert_eq!((&end["status"], &end["phase"]), (&json!("FAILED"), &json!("preparing")));
}

/// A plane may be slow to take a log, or have no room for it; it can still say yes.
#[tokio::test]
async fn the_commit_point_does_not_wait_for_the_log() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("log", 0..3) => Weather::Answer(507),
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.end();
    let asks_while_the_log_waits = async {
        while plane.stored().count("log") == 0 {
            tokio::task::yield_now().await;
        }
        job.directory.write(COMMIT, &Map::new()).unwrap();
    };
    let delivered = job.deliver_until(&plane, |directory| directory.has(COMMITTED));
    let (delivered, ()) = tokio::join!(delivered, asks_while_the_log_waits);
    assert!(is_taken(&delivered));
    let stored = plane.stored();
    let last_log = stored.calls.iter().rposition(|call| call == "log").unwrap();
    let yes = stored.calls.iter().position(|call| call == "status").unwrap();
    assert!(yes < last_log, "{:?}", stored.calls);
    assert_eq!(stored.log, b"one\n");
}

#[tokio::test]
async fn a_process_that_left_no_outcome_is_reported_with_all_that_it_wrote() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"last words\n");
    job.directory.write(COMMITTED, &Committed { refused: None }).unwrap();
    stand_in_outcome::complete(&job.directory, &job.claimed.job.id).await;
    let delivered = job.deliver_to(&plane).await;
    assert!(matches!(delivered, Delivered::All(Taken { status: JobStatus::Failed, .. })));
    let stored = plane.stored();
    assert_eq!(stored.log, b"last words\n");
    let end = &stored.reports[0];
    assert_eq!(end["reason"], serde_json::to_value(Reason::ProcessLost).unwrap());
    assert!(end["error_message"].as_str().unwrap().contains("nobody knows how far it came"), "{end}");
}

#[tokio::test]
async fn a_plane_of_the_seeds_contract_gets_text_in_order() {
    let plane = Plane::new(|name, before| match name {
        "logs" if before % 2 == 0 => Weather::Answer(503),
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Seed);
    job.log(LogStream::Stdout, b"one\n");
    job.log(LogStream::Stderr, b"two \0 \xff\n");
    job.log(LogStream::System, b"three\n");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    let posts = [("STDOUT", "one\n"), ("STDERR", "two \u{fffd} \u{fffd}\n"), ("SYSTEM", "three\n")];
    assert_eq!(stored.posts, posts.map(|(stream, text)| (stream.to_owned(), text.to_owned())));
    let statuses: Vec<_> = stored.reports.iter().map(|report| report["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["PROCESSING", "SUCCESS"], "the first brings the metadata");
    for field in ["phase", "reason", "log", "finished_at"] {
        assert!(stored.reports.iter().all(|report| report[field].is_null()), "{field} is none of the seed's");
    }
}

/// It has no guard: a job that it has the end of would run again, and be given to others.
#[tokio::test]
async fn an_end_that_the_seeds_plane_may_have_already_is_not_taken_back() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("status", 0) => Weather::LostAfter,
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Seed);
    job.log(LogStream::Stdout, b"one\n");
    job.end_with(Map::new());
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert!(is_taken(&job.deliver_to(&plane).await), "as after a restart");
    let stored = plane.stored();
    assert!(stored.reports.len() >= 3 && stored.reports.iter().all(|report| report["status"] == "SUCCESS"));
}

#[tokio::test]
async fn a_plane_that_wants_again_and_again_what_it_is_sent_costs_the_log() {
    let plane = Plane::new(|name, _| if name == "log" { Weather::WantsTheStart } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert_eq!(stored.reports[0]["log"]["dropped_bytes"], 4);
    assert_eq!(stored.reports[0]["status"], "SUCCESS");
}

#[tokio::test]
async fn a_chunk_that_the_seeds_plane_refuses_costs_itself() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("logs", 1..4) => Weather::Answer(400),
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Seed);
    for text in ["one\n", "two\n", "three\n"] {
        job.log(LogStream::Stdout, text.as_bytes());
    }
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert_eq!(stored.posts.iter().map(|(_, text)| text.as_str()).collect::<String>(), "one\nthree\n");
    assert_eq!(stored.reports.last().unwrap()["status"], "SUCCESS");
}

/// To a write it answers 500; whose the job is, it says only if it is asked.
#[tokio::test]
async fn a_job_that_a_plane_of_the_seeds_contract_has_given_away_is_let_go() {
    for (status, owner) in [("QUEUED", Value::Null), ("PROCESSING", json!("another")), ("CLAIMED", json!("another"))] {
        let plane = Plane::new(|name, _| if name == "j" { Weather::Fine } else { Weather::Answer(500) });
        plane.stored().job = json!({ "id": "j", "job_type": "test", "status": status, "worker_id": owner });
        let job = Run::new(Dialect::Seed);
        stand_in_outcome::write_refused(&job.directory, &(Reason::LeaseLost, "it was stopped".to_owned())).unwrap();
        let runner = Arc::new(job.runner(&plane.listen().await).await);
        let (id, attempt) = (job.claimed.job.id.clone(), job.claimed.job.attempt_no());
        let orders = runner.held.hold(&id, attempt, &job.directory);
        let claimed = Arc::new(job.claimed);
        let attended = dispatch::attend(Arc::clone(&runner), job.directory.clone(), claimed, None, None, orders);
        tokio::time::timeout(TOO_LONG, attended).await.expect("it does not try for ever");
        assert!(!runner.held.holds(&id, attempt), "its slot is free");
    }
}

#[tokio::test]
async fn an_end_that_nobody_elses_run_comes_before_waits_for_the_plane_of_the_seeds_contract() {
    // The second is given to us again: then it takes what we say.
    for (status, owner) in [("PROCESSING", json!("r")), ("QUEUED", Value::Null)] {
        let plane = Plane::new(|name, before| match (name, before) {
            ("j", 1) => Weather::Answer(500),
            ("status", 0..5) => Weather::Answer(500),
            _ => Weather::Fine,
        });
        plane.stored().job = json!({ "id": "j", "job_type": "test", "status": status, "worker_id": owner });
        let job = Run::new(Dialect::Seed);
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        assert_eq!(plane.stored().count("j"), 3);
    }
}

/// It knows no attempts: a job whose end it did not take, it gives again under the same number.
#[tokio::test]
async fn what_was_run_here_past_its_commit_point_is_not_run_again() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let job = Run::new(Dialect::Seed);
    let runner = Arc::new(job.runner(&plane.listen().await).await);
    let earlier = JobDirectory::of(&runner.jobs_dir, &job.claimed);
    earlier.create(&job.claimed).unwrap();
    earlier.write(COMMITTED, &Committed { refused: None }).unwrap();
    let kept = earlier.put_away(false).unwrap().unwrap();
    let claim: Claim = serde_json::from_value(json!({ "job": job.claimed.job })).unwrap();
    assert!(dispatch::run_claim(Arc::clone(&runner), claim).await.is_none());
    assert!(!earlier.root().exists() && kept.exists() && runner.held.count() == 0);
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    let why = end["error_message"].as_str().unwrap();
    assert!(end["status"] == "FAILED" && why.contains(&kept.display().to_string()), "{end}");
}

/// Its claim was not acknowledged in time, and the plane has given it to another runner.
#[tokio::test]
async fn what_is_never_to_run_again_does_not_begin_when_it_is_anothers() {
    let plane = Plane::new(|name, _| if name == "status" { Weather::Answer(409) } else { Weather::Fine });
    let job = Run::new(Dialect::Two);
    let runner = Arc::new(job.runner(&plane.listen().await).await);
    let claim: Claim = serde_json::from_value(json!({
        "job": { "id": "k", "job_type": "once", "status": "CLAIMED", "attempt": 1 },
    }))
    .unwrap();
    assert!(dispatch::run_claim(Arc::clone(&runner), claim).await.is_none());
    assert_eq!(plane.stored().calls, ["status"], "that it runs, and nothing else");
    assert_eq!((runner.held.count(), runner.jobs_dir.read_dir().unwrap().count()), (0, 0), "nothing ran");
}
