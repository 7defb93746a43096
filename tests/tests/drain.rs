//! Leaving: at once, after the jobs, without them, or with a successor.

use std::time::Duration;

use control_plane::Timings;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::Value;
use system_tests::ledger;
use system_tests::proxy::{At, Call, Weather};
use system_tests::runner::RunnerHome;
use system_tests::scene::Scene;
use system_tests::steps::Step::{self, Emit, Flow, Mark};
use wire::{JobStatus, RunnerStatus};

/// A job that has passed its commit point and writes until `done`.
fn flowing() -> [Step; 3] {
    [Mark("flows".to_owned()), Flow("done".to_owned()), Emit(100)]
}

async fn is_known_as_offline(scene: &Scene) {
    assert!(scene.proxy.calls().last().unwrap().says("OFFLINE"), "its last word");
    assert_eq!(scene.user.runner(&scene.home.identity.id).await.status, RunnerStatus::Offline);
}

#[tokio::test]
async fn an_idle_runner_leaves_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let scene = Scene::new().await;
        let mut runner = scene.home.started().await;
        scene.proxy.until(1, Call::is_claim).await;
        runner.signal(signal);
        assert!(runner.ended().await.success());
        is_known_as_offline(&scene).await;
        let job = scene.user.submit("ledger", &scene.ledger.job(&[], &[])).await;
        assert_eq!(scene.user.job(&job).await.status, JobStatus::Queued, "its claim has gone with it");
    }
}

#[tokio::test]
async fn a_job_on_its_way_to_a_runner_that_leaves_goes_to_another() {
    let (unacknowledged, reap_every) = (Duration::from_secs(1), Duration::from_millis(50));
    let scene = Scene::with(Timings { unacknowledged, reap_every, ..Timings::default() }).await;
    let other = RunnerHome::new(&scene.plane.origin, scene.user.register("two").await);
    let mut held = scene.proxy.hold(At::Answer, Call::is_claim);
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(3)], &[Emit(3)])).await;
    held.caught().await;
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    let _other = other.started().await;
    scene.ended_well(&job).await;
}

#[tokio::test]
async fn a_job_between_claim_and_start_is_finished_first() {
    let scene = Scene::new().await;
    let archive = scene.user.call(Method::POST, wire::paths::SOURCES).body(&include_bytes!("empty.tar.gz")[..]);
    let archive: Value = archive.send().await.unwrap().json().await.unwrap();
    let mut payload = scene.ledger.job(&[Emit(3)], &[Emit(3)]);
    payload["source"] = archive["id"].clone();
    let mut held = scene.proxy.hold(At::Call, |call| call.name.starts_with("GET /api/sources/"));
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &payload).await;
    held.caught().await;
    runner.signal(Signal::TERM);
    scene.proxy.until(1, |call| call.says("DRAINING")).await;
    held.pass();
    assert!(runner.ended().await.success());
    scene.ended_well(&job).await;
    is_known_as_offline(&scene).await;
}

#[tokio::test]
async fn a_running_job_is_finished_first_and_no_other_begun() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[], &flowing())).await;
    scene.ledger.until("flows", 1).await;
    runner.signal(Signal::TERM);
    scene.proxy.until(1, |call| call.says("DRAINING")).await;
    let next = scene.user.submit("reads-only", &scene.ledger.reading(&[])).await;
    let shown = scene.user.runner(&scene.home.identity.id).await;
    assert_eq!((shown.status, shown.jobs.len()), (RunnerStatus::Draining, 1));
    scene.ledger.open("done");
    assert!(runner.ended().await.success());
    is_known_as_offline(&scene).await;
    assert_eq!(scene.user.job(&next).await.status, JobStatus::Queued);
    scene.ended_well(&job).await;
    assert!(scene.home.job_dirs().is_empty());
}

#[tokio::test]
async fn the_second_signal_stops_the_job() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[], &flowing())).await;
    scene.ledger.until("flows", 1).await;
    runner.signal(Signal::TERM);
    scene.proxy.until(1, |call| call.says("DRAINING")).await;
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    is_known_as_offline(&scene).await;
    was_stopped(&scene, &job).await;
}

#[tokio::test]
async fn the_drain_timeout_stops_the_job() {
    let mut scene = Scene::new().await;
    scene.home = scene.home.with_args(&["--drain-timeout", "300ms"]);
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[], &flowing())).await;
    scene.ledger.until("flows", 1).await;
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    was_stopped(&scene, &job).await;
}

/// Reported with its whole log before the runner left.
async fn was_stopped(scene: &Scene, job: &str) {
    let ended = scene.user.job(job).await;
    assert_eq!((ended.status, ended.reason.as_deref()), (JobStatus::Failed, Some("runner_shutdown")), "{ended:#?}");
    assert_eq!(ended.log_complete, Some(true));
    assert!(scene.ledger.marks().ends_with(&["flows".to_owned()]), "the tool did not come to its end");
    assert!(scene.home.job_dirs().is_empty());
}

#[tokio::test]
async fn the_plane_can_ask_for_it() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[], &flowing())).await;
    scene.ledger.until("flows", 1).await;
    let asked =
        scene.user.call(Method::POST, &wire::paths::runner_drain(&scene.home.identity.id)).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::OK);
    scene.proxy.until(1, |call| call.says("DRAINING")).await;
    runner.until_said("asked_by=\"the control plane\"").await;
    runner.until_said("they have the time they need, and a signal (Ctrl-C) limits it").await;
    // Then it has the time that a first signal gives, and the job with it.
    runner.signal(Signal::TERM);
    runner.until_said_times("draining", 2).await;
    runner.until_said("they have 10m, and another signal (Ctrl-C) stops them").await;
    scene.ledger.open("done");
    assert!(runner.ended().await.success());
    scene.ended_well(&job).await;
}

#[tokio::test]
async fn a_result_that_nobody_takes_is_left_to_the_next_start() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[], &flowing())).await;
    scene.ledger.until("flows", 1).await;
    let directory = scene.home.job_dirs().remove(0);
    scene.proxy.set(Weather::Away);
    scene.ledger.open("done");
    ledger::until(&directory, "the outcome", || directory.join("outcome.json").exists()).await;
    for step in ["draining", "stopping the jobs", "ending the jobs", "leaving before these jobs are reported"] {
        runner.signal(Signal::TERM);
        runner.until_said(step).await;
    }
    assert!(runner.ended().await.success());
    scene.proxy.set(Weather::Fair);
    let mut runner = scene.home.started().await;
    scene.ended_well(&job).await;
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    assert!(scene.home.job_dirs().is_empty());
}

#[tokio::test]
async fn a_running_apply_is_handed_over() {
    let mut scene = Scene::new().await;
    scene.home = scene.home.with_args(&["--handover", "--slots", "2"]);
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(30)], &flowing())).await;
    scene.ledger.until("flows", 1).await;
    for _ in 0..3 {
        let stored = scene.user.job(&job).await.log_length;
        runner.signal(Signal::TERM);
        assert!(runner.ended().await.success());
        runner = scene.home.started().await;
        scene.user.until(&job, "its output flows on", |job| job.log_length > stored).await;
    }
    assert!(!scene.proxy.calls().iter().any(|call| call.says("OFFLINE") || call.says("DRAINING")), "nobody has left");
    scene.ledger.open("done");
    assert_eq!(scene.ended_well(&job).await.attempt, 1);
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    assert!(scene.home.job_dirs().is_empty());
}
