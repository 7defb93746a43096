//! A terraform that is killed in the middle of an apply.

use std::path::Path;
use std::pin::pin;

use executor_api::testing::{TestJob, tool};
use executor_api::{ExecutorError, Stop, StopReason};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::harness::{Place, payload};

/// A resource that says in a pipe that it is being made, and never is.
pub(crate) fn endless(place: &Place) -> std::path::PathBuf {
    let pipe = place.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    place.template(&format!(
        "resource \"terraform_data\" \"a\" {{}}\nresource \"terraform_data\" \"b\" {{\n  input = terraform_data.a.id\n  \
         provisioner \"local-exec\" {{\n    command = \"echo > {}; exec sleep 3600\"\n  }}\n}}\n",
        pipe.display()
    ));
    pipe
}

/// Runs a job and kills its tools once the pipe speaks.
pub(crate) async fn run_and_kill(place: &Place, job: &TestJob, pipe: &Path) -> ExecutorError {
    // As its own writer too: it can be opened before there is another, and does not end.
    let mut pipe = pipe::OpenOptions::new().read_write(true).open_receiver(pipe).unwrap();
    let mut running = pin!(place.run(job));
    tokio::select! {
        ended = &mut running => panic!("it ended before it was killed: {ended:?}\n{}", job.log()),
        spoken = pipe.read_u8() => drop(spoken.unwrap()),
    }
    job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: true });
    running.await.unwrap_err()
}

#[tokio::test]
async fn the_next_deploy_goes_on_where_an_apply_was_killed() {
    let Some(_) = tool("terraform") else { return };
    let place = Place::new();
    let pipe = endless(&place);
    let killed = place.job("DEPLOY", &payload(&json!({})));
    let error = run_and_kill(&place, &killed, &pipe).await;
    assert!(matches!(error, ExecutorError::Stopped(StopReason::CancelledByUser)), "{error}");
    assert_eq!(killed.commits(), 2);
    let log = killed.log();
    assert!(log.contains("done before that: Look for the tools, Prepare terraform, Run terraform plan;"), "{log}");
    let steps = killed.progress()["steps"].clone();
    let apply = steps.as_array().unwrap().iter().find(|step| step["name"] == "terraform_apply");
    assert_eq!(apply.unwrap()["done"], false, "{steps}");

    place.template(
        "resource \"terraform_data\" \"a\" {}\nresource \"terraform_data\" \"b\" { input = terraform_data.a.id }\n",
    );
    place.done(&place.job("DEPLOY", &payload(&json!({})))).await;
    let outcome = place.done(&place.job("DESTROY", &payload(&json!({})))).await;
    assert_eq!(outcome.metadata["plan_summary"]["destroy"], 2);
}

/// Of the test's own: nobody would speak in the pipe.
#[tokio::test]
#[should_panic(expected = "it ended before it was killed")]
async fn a_deploy_that_fails_by_itself_is_not_waited_for() {
    let place = Place::new();
    let pipe = endless(&place);
    place.template("resource \"terraform_data\" {}\n");
    run_and_kill(&place, &place.job("DEPLOY", &payload(&json!({}))), &pipe).await;
}
