//! A job without a control plane has the bounds of any other.

use std::time::Duration;

use async_trait::async_trait;
use executor_api::{
    Executor, ExecutorError, ExecutorPlugin, ExecutorRegistry, JobContext, JobSettings, LogStream, LogWriter, Outcome,
    StopReason, minutes,
};
use runner_host::local::LocalRun;
use serde_json::{Value, json};
use tokio::time::Instant;
use wire::Timestamp;

/// Works until it is asked to stop, and then as its payload says.
struct Patient;

#[async_trait]
impl Executor for Patient {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let stop = job.stop().changed_from(None).await;
        match job.params::<String>()?.as_str() {
            "obey" => Err(ExecutorError::Stopped(stop.reason)),
            "finish" => Ok(Outcome::default()),
            _ => std::future::pending().await,
        }
    }
}

static PATIENT: ExecutorPlugin = ExecutorPlugin::new::<Value>("patient", &Patient).timeout(minutes(3));

struct NoLog;

impl LogWriter for NoLog {
    fn append(&mut self, _: LogStream, _: Timestamp, _: &[u8]) {}
}

/// How it ended, and when.
async fn run(what: &str, timeout_s: Option<u64>) -> (Result<Outcome, ExecutorError>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = folder.path().join("artifacts");
    let mut run = LocalRun::new("patient", &json!(what), JobSettings::default(), folder.path(), &artifacts).unwrap();
    run.job_mut().timeout_s = timeout_s;
    let begun = Instant::now();
    let ended = run.run(&ExecutorRegistry::new([&PATIENT]).unwrap(), Box::new(NoLog)).await;
    (ended, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn it_has_the_time_that_its_kind_gives_it() {
    let (ended, took) = run("obey", None).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::TimedOut))), "{ended:?}");
    assert_eq!(took.as_secs(), 180);
    assert_eq!(ended.unwrap_err().to_string(), "stopped: the job ran longer than its timeout");
}

#[tokio::test(start_paused = true)]
async fn it_has_the_time_that_was_asked_for() {
    let (ended, took) = run("obey", Some(600)).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::TimedOut))), "{ended:?}");
    assert_eq!(took.as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn what_ends_well_although_its_time_is_over_did_end_well() {
    let (ended, took) = run("finish", Some(5)).await;
    assert!(ended.is_ok() && took.as_secs() == 5, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_hear_is_left_where_it_is() {
    let (ended, took) = run("sulk", Some(5)).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::TimedOut))), "{ended:?}");
    assert!(took > Duration::from_secs(600), "its grace and ten minutes: {took:?}");
}
