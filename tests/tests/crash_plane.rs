//! The plane is killed at every moment that matters, and started again on the same folder and port.

use rustix::process::Signal;
use system_tests::proxy::{At, Call};
use system_tests::scene::Scene;
use system_tests::steps::Step::{Emit, Flow, Mark, Wait};
use wire::JobStatus;

/// Kills the plane when it is called, or when it has answered and nobody knows it yet; starts it again.
async fn killed_at(at: At, moment: impl Fn(&Call) -> bool + Send + 'static) -> wire::Job {
    let mut scene = Scene::new().await;
    let mut held = scene.proxy.hold(at, moment);
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(50)], &[Emit(200)])).await;
    held.caught().await;
    scene.plane.kill9().await;
    drop(held);
    scene.plane.restart().await;
    let ended = scene.ended_well(&job).await;
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    assert!(scene.home.job_dirs().is_empty(), "{:?}", scene.home.job_dirs());
    assert_eq!(ended.attempt, 1, "what was said once is known for ever");
    ended
}

#[tokio::test]
async fn after_it_gave_a_job_away() {
    killed_at(At::Answer, Call::is_claim).await;
}

#[tokio::test]
async fn before_it_hears_of_the_commit_point() {
    killed_at(At::Call, Call::commits).await;
}

#[tokio::test]
async fn after_it_acknowledged_the_commit_point() {
    killed_at(At::Answer, Call::commits).await;
}

#[tokio::test]
async fn before_it_gets_a_piece_of_log() {
    killed_at(At::Call, Call::is_log).await;
}

#[tokio::test]
async fn after_it_stored_a_piece_of_log() {
    killed_at(At::Answer, Call::is_log).await;
}

#[tokio::test]
async fn before_it_hears_of_the_end() {
    killed_at(At::Call, |call| call.reports("SUCCESS")).await;
}

#[tokio::test]
async fn after_it_knows_the_end() {
    killed_at(At::Answer, |call| call.reports("SUCCESS")).await;
}

/// What it has acknowledged of a log it still has; what it has not comes again.
#[tokio::test]
async fn again_and_again_in_the_middle_of_the_log() {
    let mut scene = Scene::new().await;
    let _runner = scene.home.started().await;
    let apply = [Mark("flows".to_owned()), Flow("done".to_owned()), Emit(2_000)];
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(10)], &apply)).await;
    scene.ledger.until("flows", 1).await;
    let mut known = 0;
    for _ in 0..3 {
        let more = scene.user.until(&job, "its log grows", |job| job.log_length > known).await;
        scene.plane.kill9().await;
        scene.plane.restart().await;
        known = scene.user.job(&job).await.log_length;
        assert!(known >= more.log_length, "{known} of {} bytes are left", more.log_length);
    }
    scene.ledger.open("done");
    assert_eq!(scene.ended_well(&job).await.attempt, 1);
}

/// The wish is written down before it is answered, and reaches a runner that was not connected at that time.
#[tokio::test]
async fn after_somebody_wanted_a_jobs_end() {
    let mut scene = Scene::new().await;
    let _runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Wait("never".to_owned())], &[])).await;
    scene.ledger.until("start", 1).await;
    let mut orders = scene.proxy.hold(At::Call, |call| call.name.ends_with("/events"));
    scene.plane.kill9().await;
    scene.plane.restart().await;
    orders.caught().await;
    scene.user.cancel(&job).await;
    scene.plane.kill9().await;
    scene.plane.restart().await;
    orders.pass();
    scene.user.ended_as(&job, JobStatus::Cancelled).await;
    assert_eq!(scene.ledger.count("apply"), 0);
}

#[tokio::test]
async fn a_job_that_waits_is_not_forgotten() {
    let mut scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    runner.signal(Signal::TERM);
    runner.ended().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(1)], &[Emit(1)])).await;
    scene.plane.kill9().await;
    scene.plane.restart().await;
    let _runner = scene.home.started().await;
    scene.ended_well(&job).await;
}
