//! The runner is killed at every moment that matters, and started again on the same state directory.

use std::time::Duration;

use control_plane::Timings;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use system_tests::ledger::{self, assert_same_bytes};
use system_tests::process::Process;
use system_tests::proxy::{At, Call};
use system_tests::scene::Scene;
use system_tests::steps::Step::{self, Emit, Flow, Mark, Wait};
use system_tests::steps::records;
use wire::JobStatus;

fn wait(gate: &str) -> Step {
    Wait(gate.to_owned())
}

fn mark(text: &str) -> Step {
    Mark(text.to_owned())
}

fn flow(gate: &str) -> Step {
    Flow(gate.to_owned())
}

/// Kills a runner when it makes a call, or when it has been answered without knowing it yet; starts another.
async fn killed_at(at: At, moment: impl Fn(&Call) -> bool + Send + 'static) -> (Scene, String) {
    let timings = Timings { unacknowledged: Duration::from_secs(1), ..fast_reaper() };
    let scene = Scene::with(timings).await;
    let mut held = scene.proxy.hold(at, moment);
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(50)], &[Emit(200)])).await;
    held.caught().await;
    runner.kill9().await;
    drop(held);
    let mut runner = scene.home.started().await;
    scene.ended_well(&job).await;
    nothing_is_left(&scene, &mut runner).await;
    (scene, job)
}

fn fast_reaper() -> Timings {
    Timings { reap_every: Duration::from_millis(50), ..Timings::default() }
}

async fn nothing_is_left(scene: &Scene, runner: &mut Process) {
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    assert!(scene.home.job_dirs().is_empty(), "{:?}", scene.home.job_dirs());
}

#[tokio::test]
async fn after_the_claim_another_attempt_runs_the_job() {
    let (scene, job) = killed_at(At::Answer, Call::is_claim).await;
    assert_eq!(scene.user.job(&job).await.attempt, 2, "nobody ever showed to have got the first");
}

#[tokio::test]
async fn a_lost_answer_to_a_claim_is_given_again() {
    let scene = Scene::new().await;
    let mut held = scene.proxy.hold(At::Answer, Call::is_claim);
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(5)], &[Emit(5)])).await;
    held.caught().await;
    drop(held);
    assert_eq!(scene.ended_well(&job).await.attempt, 1);
    nothing_is_left(&scene, &mut runner).await;
}

#[tokio::test]
async fn after_the_job_directory_the_job_is_run_after_all() {
    let scene = Scene::with(Timings { unacknowledged: Duration::from_secs(1), ..fast_reaper() }).await;
    let archive = scene.user.call(Method::POST, wire::paths::SOURCES).body(&include_bytes!("empty.tar.gz")[..]);
    let archive: Value = archive.send().await.unwrap().json().await.unwrap();
    let mut held = scene.proxy.hold(At::Call, |call| call.name.starts_with("GET /api/sources/"));
    let mut runner = scene.home.started().await;
    let mut payload = scene.ledger.job(&[Emit(50)], &[Emit(200)]);
    payload["source"] = archive["id"].clone();
    let job = scene.user.submit("ledger", &payload).await;
    held.caught().await;
    assert!(scene.home.job_dirs()[0].join("claim.json").exists());
    runner.kill9().await;
    drop(held);
    let mut runner = scene.home.started().await;
    scene.ended_well(&job).await;
    nothing_is_left(&scene, &mut runner).await;
}

#[tokio::test]
async fn before_the_plane_hears_of_the_commit_point() {
    let (scene, job) = killed_at(At::Call, Call::commits).await;
    assert_eq!(scene.user.job(&job).await.attempt, 1);
}

#[tokio::test]
async fn after_the_commit_point_before_its_answer() {
    let (scene, job) = killed_at(At::Answer, Call::commits).await;
    assert_eq!(scene.user.job(&job).await.attempt, 1);
}

#[tokio::test]
async fn after_the_outcome_before_its_report() {
    let (scene, job) = killed_at(At::Call, |call| call.reports("SUCCESS")).await;
    assert_eq!(scene.user.job(&job).await.attempt, 1);
}

#[tokio::test]
async fn after_the_report_was_accepted_before_it_was_acknowledged() {
    let (scene, job) = killed_at(At::Answer, |call| call.reports("SUCCESS")).await;
    assert_eq!(scene.user.job(&job).await.attempt, 1);
    assert_eq!(scene.proxy.calls().iter().filter(|call| call.reports("SUCCESS")).count(), 2, "and again by the next");
}

/// Whatever is left of its directory: the job has ended and is not run again, and holds up no other.
#[tokio::test]
async fn while_the_directory_of_a_reported_job_is_removed() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let mut held = scene.proxy.hold(At::Answer, |call| call.reports("SUCCESS"));
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(5)], &[Emit(5)])).await;
    held.caught().await;
    let directory = scene.home.job_dirs().remove(0);
    // So that its removal takes a while.
    for number in 0..20_000 {
        std::fs::write(directory.join(format!("work/{number}")), "").unwrap();
    }
    let jobs = directory.parent().unwrap().to_owned();
    held.pass();
    ledger::until(&jobs, "its removal begins", || !directory.join("work/0").exists()).await;
    runner.kill9().await;
    assert_eq!(scene.home.job_dirs().len(), 1, "it was killed in between");

    let mut runner = scene.home.started().await;
    scene.ended_well(&job).await;
    let next = scene.user.submit("ledger", &scene.ledger.job(&[], &[])).await;
    scene.user.ended_as(&next, JobStatus::Success).await;
    assert_eq!(scene.ledger.count("start"), 2, "each ran once");
    nothing_is_left(&scene, &mut runner).await;
}

#[tokio::test]
async fn after_a_piece_of_log_was_stored_before_it_was_acknowledged() {
    let (scene, job) = killed_at(At::Answer, Call::is_log).await;
    assert_eq!(scene.user.job(&job).await.attempt, 1);
}

/// Before the commit point, and in mid-apply with output flowing; also with a job that ends while there is no runner.
#[tokio::test]
async fn a_running_job_does_not_notice() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let plan = [Emit(20), mark("planned"), wait("commit")];
    let apply = [Emit(20), mark("applying"), flow("half"), mark("half"), flow("done")];
    let job = scene.user.submit("ledger", &scene.ledger.job(&plan, &apply)).await;

    scene.ledger.until("planned", 1).await;
    runner.kill9().await;
    let mut runner = scene.home.started().await;
    scene.ledger.open("commit");

    scene.ledger.until("applying", 1).await;
    scene.user.until(&job, "its output flows", |job| job.log_length > 0).await;
    runner.kill9().await;
    scene.ledger.open("half");
    scene.ledger.until("half", 1).await;
    let mut runner = scene.home.started().await;
    let stored = scene.user.job(&job).await.log_length;
    scene.user.until(&job, "its output flows on", |job| job.log_length > stored).await;

    runner.kill9().await;
    let directory = scene.home.job_dirs().remove(0);
    scene.ledger.open("done");
    ledger::until(&directory, "the outcome", || directory.join("outcome.json").exists()).await;
    let mut runner = scene.home.started().await;
    assert_eq!(scene.ended_well(&job).await.attempt, 1);
    nothing_is_left(&scene, &mut runner).await;
}

/// As a power cut does it, once the first 30 records are in the job directory: they are all of its log.
async fn killed_with_its_job(plan: &[Step], apply: &[Step], moment: &str) -> (Scene, Process, wire::Job) {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("ledger", &scene.ledger.job(plan, apply)).await;
    scene.ledger.until(moment, 1).await;
    let (directory, records) = (scene.home.job_dirs().remove(0), records(30));
    let last = records.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap();
    ledger::until(&directory, "all records are written down", || {
        std::fs::read(directory.join("log")).unwrap().windows(last.len()).any(|written| written == last)
    })
    .await;
    let process: Value = serde_json::from_slice(&std::fs::read(directory.join("process.json")).unwrap()).unwrap();
    runner.kill9().await;
    let pid = Pid::from_raw(i32::try_from(process["pid"].as_i64().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    std::fs::write(directory.join("work/errored.tfstate"), "all that is known").unwrap();
    let runner = scene.home.started().await;
    runner.until_said("its tools still work").await;
    scene.ledger.open("end");
    let ended = scene.user.ended_as(&job, JobStatus::Failed).await;
    assert_eq!(scene.ledger.count("records 30"), 1, "the tool came to its end first");
    assert_eq!(ended.reason.as_deref(), Some("process_lost"), "{ended:#?}");
    let log = scene.user.log(&job).await;
    let said = String::from_utf8_lossy(&log[records.len()..]);
    assert!(
        said.starts_with("the job's process was killed, and its tools still work") && said.ends_with('\n'),
        "{said}"
    );
    assert_same_bytes(&log[..records.len()], &records);
    assert_eq!(ended.log_complete, Some(true));
    (scene, runner, ended)
}

#[tokio::test]
async fn with_its_job_before_the_commit_point() {
    let plan = [Emit(30), mark("planned"), wait("end")];
    let (scene, mut runner, ended) = killed_with_its_job(&plan, &[], "planned").await;
    assert_eq!((scene.ledger.count("start"), scene.ledger.count("apply")), (1, 0));
    assert!(!ended.error_message.unwrap().contains("nobody knows"), "nothing was changed");
    nothing_is_left(&scene, &mut runner).await;
}

#[tokio::test]
async fn with_its_job_after_the_commit_point() {
    let apply = [Emit(30), mark("applying"), wait("end")];
    let (scene, mut runner, ended) = killed_with_its_job(&[], &apply, "applying").await;
    assert_eq!(scene.ledger.count("apply"), 1, "it is not run again");
    let said = ended.error_message.unwrap();
    assert!(said.contains("nobody knows how far it came"), "{said}");
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    let [kept] = &scene.home.job_dirs()[..] else { panic!("{:?}", scene.home.job_dirs()) };
    assert!(kept.extension().is_some_and(|extension| extension == "lost"), "{}", kept.display());
    assert!(said.contains(&format!("what it worked on is kept on the runner as {}", kept.display())), "{said}");
    assert_eq!(std::fs::read(kept.join("work/errored.tfstate")).unwrap(), b"all that is known");
    for given in ["claim.json", "inputs", "home", "tmp"] {
        assert!(!kept.join(given).exists(), "{given}");
    }
}

#[tokio::test]
async fn a_real_apply_does_not_notice() {
    let Some(_) = system_tests::process::tool("terraform") else { return };
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let folder = scene.ledger.path().display();
    let stack = format!(
        r#"resource "terraform_data" "one" {{
  provisioner "local-exec" {{
    command = "echo applied >> {folder}/ledger; i=0; while [ ! -e {folder}/go ]; do i=$((i+1)); echo line $i; sleep 0.01; done"
  }}
}}"#
    );
    let payload = json!({ "action": "apply", "source": { "files": { "main.tf": stack } },
        "backend": { "type": "plane", "name": "one" } });
    let job = scene.user.submit("terraform", &payload).await;
    scene.ledger.until("applied", 1).await;
    runner.kill9().await;
    let stored = scene.user.job(&job).await.log_length;
    let mut runner = scene.home.started().await;
    scene.user.until(&job, "its output flows on", |job| job.log_length > stored).await;
    scene.ledger.open("go");
    let ended = scene.user.ended_as(&job, JobStatus::Success).await;
    assert_eq!((scene.ledger.count("applied"), ended.attempt), (1, 1));
    assert_eq!(ended.log_complete, Some(true));
    let log = String::from_utf8(scene.user.log(&job).await.to_vec()).unwrap();
    assert!(log.contains("Apply complete! Resources: 1 added"), "{log}");
    let lines: Vec<_> =
        log.lines().filter_map(|line| line.split_once("local-exec): line ")?.1.parse::<usize>().ok()).collect();
    assert_eq!(lines, (1..=lines.len()).collect::<Vec<_>>(), "every line once and in order");
    nothing_is_left(&scene, &mut runner).await;
}
