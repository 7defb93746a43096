//! What reaches a tool when its job is stopped, and that nothing of it is left.

use std::path::Path;

use process_supervisor::ProcessIdentity;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use system_tests::fake_terraform::{DEAF, FORKING, FORKING_OBEDIENT, FakeTerraform, OBEDIENT};
use system_tests::process::eventually;
use system_tests::rig::Rig;
use system_tests::runner::RunnerHome;
use system_tests::small_disk::SmallDisk;

/// An apply of a stack that the fake terraform never reads.
fn apply() -> Value {
    json!({ "action": "apply", "source": { "files": { "main.tf": "" } }, "backend": { "type": "plane", "name": "s" } })
}

async fn rig(fake: &FakeTerraform) -> Rig {
    let terraform = fake.path().display().to_string();
    Rig::with(|home| home.with_env("ALETHIA_TERRAFORM", terraform)).await.started().await
}

fn end(job: &Value) -> [&str; 2] {
    ["status", "reason"].map(|field| job[field].as_str().unwrap_or_default())
}

/// Whether a process still does anything.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[tokio::test]
async fn a_cancel_sends_exactly_one_sigint_and_waits() {
    let fake = FakeTerraform::new(OBEDIENT);
    let rig = rig(&fake).await;
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "applying").await;
    rig.user.cancel(&job).await;
    rig.log_has(&job, "Interrupt received").await;
    // Impatience is not force.
    rig.user.cancel(&job).await;
    rig.user.cancel(&job).await;
    fake.go();
    let ended = rig.ended(&job).await;
    assert_eq!(end(&ended), ["CANCELLED", "cancelled_by_user"]);
    assert_eq!(fake.signals(), ["INT"]);
    assert_eq!((fake.calls_of("apply"), fake.calls_of("output")), (1, 0), "nothing starts after a cancel");
    assert!(rig.log(&job).await.contains("State saved."), "it ended in its own time");
    assert_eq!(ended["log_complete"], true);
}

#[tokio::test]
async fn a_deaf_tool_is_escalated_rung_by_rung() {
    let fake = FakeTerraform::new(DEAF);
    let rig = rig(&fake).await;
    let job = rig.user.submit("program", &json!({ "program": fake.path(), "args": ["apply"] })).await;
    rig.log_has(&job, "applying").await;
    rig.user.cancel(&job).await;
    let ended = rig.ended(&job).await;
    assert_eq!(end(&ended), ["CANCELLED", "cancelled_by_user"]);
    assert_eq!(fake.signals(), ["INT", "TERM"], "then SIGKILL, which nobody counts");
}

#[tokio::test]
async fn force_skips_the_ladder() {
    let fake = FakeTerraform::new(DEAF);
    let rig = rig(&fake).await;
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "applying").await;
    rig.force(&job).await;
    assert_eq!(end(&rig.ended(&job).await), ["CANCELLED", "cancelled_by_user"]);
    assert_eq!(fake.signals(), [""; 0]);
}

#[tokio::test]
async fn force_ends_what_a_cancel_waits_for() {
    let fake = FakeTerraform::new(OBEDIENT);
    let rig = rig(&fake).await;
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "applying").await;
    rig.user.cancel(&job).await;
    rig.log_has(&job, "Interrupt received").await;
    rig.force(&job).await;
    assert_eq!(end(&rig.ended(&job).await), ["CANCELLED", "cancelled_by_user"]);
    assert_eq!(fake.signals(), ["INT"]);
    assert!(!rig.log(&job).await.contains("State saved."));
}

#[tokio::test]
async fn on_a_full_disk_every_order_reaches_its_job() {
    let Some(disk) = SmallDisk::of("4m").await else { return };
    let fake = FakeTerraform::new(DEAF);
    let (terraform, state) = (fake.path().display().to_string(), disk.path().join("state"));
    let home = |home: RunnerHome| home.with_env("ALETHIA_TERRAFORM", terraform).with_state_dir(&state);
    let rig = Rig::with(home).await.started().await;
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "applying").await;
    let _filler = disk.fill();
    rig.user.cancel(&job).await;
    eventually("it is interrupted", async || (!fake.signals().is_empty()).then_some(())).await;
    rig.force(&job).await;
    assert_eq!(end(&rig.ended(&job).await), ["CANCELLED", "cancelled_by_user"]);
    assert_eq!(fake.signals(), ["INT"]);
}

#[tokio::test]
async fn a_timeout_sends_one_sigint_and_is_a_failure() {
    let fake = FakeTerraform::new(OBEDIENT);
    let rig = rig(&fake).await;
    fake.go();
    let submission = json!({ "job_type": "terraform", "config_snapshot": apply(), "timeout_s": 3 });
    let job = rig.user.submit_as(&submission).await;
    let ended = rig.ended(&job).await;
    assert_eq!(end(&ended), ["FAILED", "timed_out"]);
    assert!(ended["error_message"].as_str().unwrap().contains("ran longer than its timeout"), "{ended}");
    assert_eq!(fake.signals(), ["INT"]);
}

#[tokio::test]
async fn a_child_in_a_session_of_its_own_does_not_outlive_its_job() {
    let fake = FakeTerraform::new(FORKING);
    let rig = rig(&fake).await;
    let job = rig.user.submit("terraform", &apply()).await;
    assert_eq!(end(&rig.ended(&job).await), ["SUCCESS", ""], "{}", rig.log(&job).await);
    let grandchild = fake.grandchild().expect("it was started");
    assert!(!lives(grandchild), "process {grandchild} is still there");
}

#[tokio::test]
async fn nor_does_it_outlive_a_cancel() {
    let fake = FakeTerraform::new(FORKING_OBEDIENT);
    let rig = rig(&fake).await;
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "applying").await;
    let grandchild = fake.grandchild().expect("it was started");
    assert!(lives(grandchild));
    rig.user.cancel(&job).await;
    assert_eq!(end(&rig.ended(&job).await), ["CANCELLED", "cancelled_by_user"]);
    assert!(!lives(grandchild), "process {grandchild} is still there");
    assert_eq!(fake.signals(), ["INT"]);
}

#[tokio::test]
async fn a_cancel_before_the_commit_point_changes_nothing() {
    // The plan is what it waits in, so that nothing was committed.
    let fake = FakeTerraform::new("exit 0");
    let rig = rig(&fake).await;
    fake.let_plan_wait();
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "planning").await;
    rig.user.cancel(&job).await;
    let ended = rig.ended(&job).await;
    assert_eq!(end(&ended), ["CANCELLED", "cancelled_by_user"]);
    assert_eq!((fake.calls_of("apply"), fake.signals()), (0, vec!["INT".to_owned()]));
}

/// Kills the job's process, and not its tools; returns who leads their session.
fn kill_process_of(directory: &Path) -> ProcessIdentity {
    let identity = std::fs::read(directory.join("process.json")).unwrap();
    let identity: ProcessIdentity = serde_json::from_slice(&identity).unwrap();
    kill_process(Pid::from_raw(identity.pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    identity
}

#[tokio::test]
async fn tools_of_a_killed_process_are_asked_once_and_ended_with_force() {
    let fake = FakeTerraform::new(DEAF);
    let rig = rig(&fake).await;
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "applying").await;
    let session = kill_process_of(&rig.home.job_dirs()[0]);
    rig.log_has(&job, "its tools still work: they may come to their end").await;
    rig.user.cancel(&job).await;
    eventually("its tool is interrupted", async || (!fake.signals().is_empty()).then_some(())).await;
    rig.user.cancel(&job).await;
    assert!(session.session_is_alive().unwrap());
    rig.force(&job).await;
    let ended = rig.ended(&job).await;
    assert_eq!(end(&ended), ["CANCELLED", "cancelled_by_user"]);
    assert!(ended["error_message"].as_str().unwrap().contains("nobody knows how far it came"), "{ended}");
    assert!(!session.session_is_alive().unwrap(), "the report is after the end of its tools");
    assert_eq!((fake.signals(), &ended["log_complete"]), (vec!["INT".to_owned()], &json!(true)));
}

#[tokio::test]
async fn tools_of_a_killed_process_that_only_look_are_ended_by_a_cancel() {
    let fake = FakeTerraform::new("exit 0");
    let rig = rig(&fake).await;
    fake.let_plan_wait();
    let job = rig.user.submit("terraform", &apply()).await;
    rig.log_has(&job, "planning").await;
    let session = kill_process_of(&rig.home.job_dirs()[0]);
    rig.log_has(&job, "its tools still work: they are ended soon").await;
    rig.user.cancel(&job).await;
    assert_eq!(end(&rig.ended(&job).await), ["CANCELLED", "cancelled_by_user"]);
    assert!(!session.session_is_alive().unwrap(), "the report is after the end of its tools");
}

#[tokio::test]
async fn a_thread_that_never_ends_holds_no_job_up() {
    let rig = Rig::with(|home| home).await.started().await;
    let job = rig.user.submit("blocks", &json!({})).await;
    rig.log_has(&job, "waiting in a thread").await;
    rig.user.cancel(&job).await;
    assert_eq!(end(&rig.ended(&job).await), ["CANCELLED", "cancelled_by_user"]);
}
