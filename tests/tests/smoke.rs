//! One job through a plane and a runner.

use system_tests::ledger::{Ledger, assert_same_bytes};
use system_tests::plane::Plane;
use system_tests::runner::RunnerHome;
use system_tests::steps::Step::{Emit, Flow, Mark};
use wire::JobStatus;

#[tokio::test]
async fn a_job_is_claimed_run_and_reported_with_its_whole_log() {
    let plane = Plane::start().await;
    let user = plane.client();
    let home = RunnerHome::new(&plane.origin, user.register("one").await);
    let mut runner = home.started().await;
    let ledger = Ledger::new();
    let job = user.submit("ledger", &ledger.job(&[Emit(10)], &[Mark("flows".to_owned()), Flow("go".to_owned())])).await;
    ledger.until("flows", 1).await;
    ledger.open("go");
    let ended = user.ended_as(&job, JobStatus::Success).await;
    assert_eq!((ended.log_complete, ended.attempt), (Some(true), 1));
    assert_same_bytes(&user.log(&job).await, &ledger.written());
    assert_eq!(ledger.marks()[..3], ["start", "records 10", "apply"]);
    runner.signal(rustix::process::Signal::TERM);
    assert!(runner.ended().await.success());
    assert!(home.job_dirs().is_empty(), "nothing is left behind");
}
