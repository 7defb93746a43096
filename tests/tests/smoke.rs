//! One job through a plane and a runner, when nothing goes wrong.

use std::time::Duration;

use control_plane::Timings;
use system_tests::ledger::{Ledger, assert_same_bytes};
use system_tests::plane::Plane;
use system_tests::runner::RunnerHome;
use system_tests::scene::Scene;
use system_tests::steps::Step::{Emit, Flow, Mark, Wait};
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

#[tokio::test]
async fn a_job_that_says_nothing_stays_its_runners() {
    let (unacknowledged, reap_every) = (Duration::from_secs(15), Duration::from_millis(50));
    let scene = Scene::with(Timings { unacknowledged, reap_every, ..Timings::default() }).await;
    let _runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Wait("go".to_owned())], &[])).await;
    scene.proxy.until(1, |call| call.says("ONLINE") && call.body["jobs"][0]["id"] == job).await;
    scene.ledger.open("go");
    assert_eq!(scene.ended_well(&job).await.attempt, 1);
}
