//! Bad days: planes that are away or out of their mind, disks that are full, tools that write too much, twins.

use rustix::process::Signal;
use serde_json::json;
use system_tests::ledger::{Ledger, assert_same_bytes};
use system_tests::plane::Plane;
use system_tests::process::Process;
use system_tests::proxy::{Call, Weather};
use system_tests::runner::RunnerHome;
use system_tests::scene::Scene;
use system_tests::small_disk::SmallDisk;
use system_tests::steps::Step::{self, Emit, Flow, Mark, Wait};
use system_tests::steps::records;
use wire::JobStatus;

async fn leaves(runner: &mut Process) {
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
}

#[tokio::test]
async fn a_plane_that_is_down_at_the_start_is_waited_for() {
    let mut plane = Plane::start().await;
    let user = plane.client();
    let home = RunnerHome::new(&plane.origin, user.register("one").await);
    plane.kill9().await;
    let mut runner = home.start();
    let said = runner.until_said("cannot reach the control plane; trying again").await;
    assert!(said.contains(&plane.origin), "it says where it looks: {said}");
    plane.restart().await;
    runner.until_said("ready for jobs").await;
    let ledger = Ledger::new();
    let job = user.submit("ledger", &ledger.job(&[Emit(3)], &[])).await;
    user.ended_as(&job, JobStatus::Success).await;
    leaves(&mut runner).await;
}

/// Thousands of them would bring down a plane that has just come back.
#[tokio::test]
async fn runners_that_were_started_together_do_not_ask_together() {
    let mut plane = Plane::start().await;
    let homes = ["one", "two"].map(async |name| RunnerHome::new(&plane.origin, plane.client().register(name).await));
    let homes = futures_util::future::join_all(homes).await;
    plane.kill9().await;
    let mut pauses = vec![];
    for home in &homes {
        let runner = home.start();
        let said = runner.until_said_times("pause_ms=", 3).await;
        let its: Vec<_> = said.lines().filter_map(|line| Some(line.split_once("pause_ms=")?.1.to_owned())).collect();
        pauses.push(its[..3].to_vec());
    }
    assert_ne!(pauses[0], pauses[1]);
}

#[tokio::test]
async fn a_plane_that_is_down_can_be_given_up() {
    let mut plane = Plane::start().await;
    let home = RunnerHome::new(&plane.origin, plane.client().register("one").await);
    plane.kill9().await;
    let mut runner = home.start();
    runner.until_said("cannot reach the control plane; trying again").await;
    leaves(&mut runner).await;
}

/// The plane goes away in mid-job, and is away when the job ends.
#[tokio::test]
async fn a_job_does_not_need_the_plane_to_run_on() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let apply = [Mark("flows".to_owned()), Flow("done".to_owned()), Emit(100), Mark("ends".to_owned())];
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(30)], &apply)).await;
    scene.ledger.until("flows", 1).await;
    scene.user.until(&job, "its output flows", |job| job.log_length > 0).await;
    scene.proxy.set(Weather::Away);
    runner.until_said("cannot deliver log; trying again").await;
    scene.ledger.open("done");
    scene.ledger.until("ends", 1).await;
    scene.proxy.set(Weather::Fair);
    assert_eq!(scene.ended_well(&job).await.attempt, 1);
    leaves(&mut runner).await;
    assert!(scene.home.job_dirs().is_empty());
}

/// A plane, or something on the way to it, answers this to everything at each step of a job.
async fn answers(weather: Weather) {
    let scene = Scene::new().await;
    scene.proxy.set(weather);
    let mut runner = scene.home.start();
    scene.proxy.until(2, |call| call.says("ONLINE")).await;
    scene.proxy.set(Weather::Fair);
    runner.until_said("ready for jobs").await;

    let plan = [Emit(30), Mark("planned".to_owned()), Wait("commit".to_owned())];
    let apply = [Mark("flows".to_owned()), Flow("done".to_owned()), Mark("ends".to_owned())];
    let job = scene.user.submit("ledger", &scene.ledger.job(&plan, &apply)).await;
    scene.ledger.until("planned", 1).await;
    scene.user.until(&job, "its output is stored", |job| job.log_length == records(30).len() as u64).await;
    scene.proxy.set(weather);
    scene.ledger.open("commit");
    storm(&scene, Call::commits).await;
    assert_eq!(scene.ledger.count("apply"), 0, "nobody has allowed it");
    scene.proxy.set(Weather::Fair);

    scene.ledger.until("flows", 1).await;
    scene.proxy.set(weather);
    storm(&scene, Call::is_log).await;
    scene.proxy.set(Weather::Fair);
    let stored = scene.user.job(&job).await.log_length;
    scene.user.until(&job, "its output flows on", |job| job.log_length > stored).await;

    let mut held = scene.proxy.hold(system_tests::proxy::At::Call, |call| call.reports("SUCCESS"));
    scene.ledger.open("done");
    held.caught().await;
    scene.proxy.set(weather);
    drop(held);
    storm(&scene, |call| call.reports("SUCCESS")).await;
    scene.proxy.set(Weather::Fair);
    assert_eq!(scene.ended_well(&job).await.attempt, 1);
    leaves(&mut runner).await;
    assert!(scene.home.job_dirs().is_empty());
}

/// Two more of these calls get the answer of the day.
async fn storm(scene: &Scene, fits: impl Fn(&Call) -> bool + Copy) {
    let so_far = scene.proxy.calls().iter().filter(|call| fits(call)).count();
    scene.proxy.until(so_far + 2, fits).await;
}

#[tokio::test]
async fn a_plane_that_fails() {
    answers(Weather::Answers(500, "something went wrong")).await;
}

#[tokio::test]
async fn a_gateway_that_has_no_plane() {
    answers(Weather::Answers(502, "<html>bad gateway</html>")).await;
}

#[tokio::test]
async fn a_portal_that_answers_for_the_plane() {
    answers(Weather::Answers(200, "<html>please log in</html>")).await;
}

#[tokio::test]
async fn a_portal_that_speaks_json() {
    answers(Weather::Answers(200, r#"["welcome"]"#)).await;
}

#[tokio::test]
async fn a_portal_that_says_it_is_well() {
    answers(Weather::Answers(200, r#"{"status":"ok"}"#)).await;
}

#[tokio::test]
async fn a_portal_that_sends_elsewhere() {
    answers(Weather::Answers(302, r#"<a href="/login">Found</a>"#)).await;
}

#[tokio::test]
async fn a_gateway_that_has_no_route() {
    answers(Weather::Answers(404, "404 page not found")).await;
}

#[tokio::test]
async fn a_kind_that_panics_fails_its_job_alone() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let job = scene.user.submit("panics", &json!({})).await;
    let ended = scene.user.ended_as(&job, JobStatus::Failed).await;
    assert_eq!(ended.reason.as_deref(), Some("panicked"));
    assert!(ended.error_message.unwrap().contains("this kind always panics"));
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(3)], &[])).await;
    scene.ended_well(&job).await;
    leaves(&mut runner).await;
}

/// Where the log says that bytes could not be kept, so many are missing, and nowhere else.
fn assert_every_byte_is_there_or_counted(log: &[u8], written: &[u8]) {
    let (mut at, mut gaps) = (0, 0);
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        if let Some(missing) = text.strip_suffix(" bytes of log could not be kept here\n") {
            at += missing.parse::<usize>().unwrap();
            gaps += 1;
        } else {
            assert!(written[at..].starts_with(line), "at {at}: {text}");
            at += line.len();
        }
    }
    assert_eq!((at, gaps > 0), (written.len(), true));
}

/// The tool goes on, the job ends as it ends, and says what of its log is missing.
#[tokio::test]
async fn a_disk_that_is_full_costs_log_and_nothing_else() {
    let Some(disk) = SmallDisk::of("1m").await else { return };
    let mut scene = Scene::new().await;
    scene.home = scene.home.with_state_dir(&disk.path().join("state"));
    let mut runner = scene.home.started().await;
    let lines = Step::Lines(50_000);
    let job = scene.user.submit("ledger", &scene.ledger.job(std::slice::from_ref(&lines), &[])).await;
    let ended = scene.user.ended_as(&job, JobStatus::Success).await;
    assert_eq!((scene.ledger.count("apply"), ended.log_complete), (1, Some(false)), "{ended:#?}");
    assert_eq!(ended.execution_metadata.unwrap()["applied"], true);
    let mut written = vec![];
    system_tests::steps::write_fixed(&lines, &mut written).unwrap();
    let log = scene.user.log(&job).await;
    assert!(log.len() > 500_000, "{} bytes were kept", log.len());
    assert_every_byte_is_there_or_counted(&log, &written);

    let job = scene.user.submit("reads-only", &scene.ledger.reading(&[Emit(3)])).await;
    let next = scene.user.ended_as(&job, JobStatus::Success).await;
    assert_eq!(next.log_complete, Some(true), "what was kept has made room");
    leaves(&mut runner).await;
}

/// Each that it took would fail.
#[tokio::test]
async fn a_runner_without_room_takes_no_job() {
    let Some(disk) = SmallDisk::of("1m").await else { return };
    let mut scene = Scene::new().await;
    scene.home = scene.home.with_state_dir(&disk.path().join("state"));
    // What a state directory has, it has before the disk is full.
    leaves(&mut scene.home.started().await).await;
    let claims = || scene.proxy.calls().iter().filter(|call| call.is_claim()).count();
    let before = claims();
    let filler = disk.fill();
    let mut doctor = scene.home.doctor();
    assert!(!doctor.ended().await.success());
    doctor.until_said("; free some disk space there, or choose another with ALETHIA_STATE_DIR").await;
    let mut runner = scene.home.started().await;
    runner.until_said("there is no room for a job; none is taken until there is").await;
    let job = scene.user.submit("reads-only", &scene.ledger.reading(&[Emit(3)])).await;
    assert_eq!((scene.user.job(&job).await.status, claims()), (JobStatus::Queued, before));
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(scene.user.ended_as(&job, JobStatus::Success).await.attempt, 1);
    leaves(&mut runner).await;
}

#[tokio::test]
async fn a_state_directory_has_one_runner() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let twin = RunnerHome::new(&scene.proxy.origin, scene.user.register("two").await);
    let twin = twin.with_state_dir(scene.home.state_dir());
    let mut second = twin.start();
    assert_eq!(second.ended().await.code(), Some(78));
    let said = second.until_said("another runner uses the state directory").await;
    assert!(said.contains("ALETHIA_STATE_DIR"), "{said}");
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(3)], &[])).await;
    scene.ended_well(&job).await;
    leaves(&mut runner).await;
}

#[tokio::test]
async fn an_identity_has_one_runner() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let twin = RunnerHome::new(&scene.plane.origin, scene.home.identity.clone());
    let mut second = twin.start();
    assert_eq!(second.ended().await.code(), Some(78));
    let said = second.until_said("runs already with another state directory").await;
    assert!(said.contains("register a second runner"), "{said}");
    let job = scene.user.submit("ledger", &scene.ledger.job(&[Emit(3)], &[])).await;
    scene.ended_well(&job).await;
    leaves(&mut runner).await;
    // Once the first has left, the second may take its place.
    let mut second = twin.started().await;
    leaves(&mut second).await;
}

#[tokio::test]
async fn a_wrong_token_is_said_at_once() {
    let scene = Scene::new().await;
    let mut identity = scene.home.identity.clone();
    identity.token = "0".repeat(64);
    let home = RunnerHome::new(&scene.plane.origin, identity);
    let mut runner = home.start();
    assert_eq!(runner.ended().await.code(), Some(78));
    runner.until_said("does not know this runner or its token").await;
}

#[tokio::test]
async fn what_a_tool_writes_is_kept_byte_for_byte_also_when_it_is_no_text() {
    let scene = Scene::new().await;
    let mut runner = scene.home.started().await;
    let rubbish = Step::Rubbish;
    let job = scene.user.submit("reads-only", &scene.ledger.reading(&[rubbish.clone(), rubbish.clone()])).await;
    let ended = scene.user.ended_as(&job, JobStatus::Success).await;
    let mut written = vec![];
    system_tests::steps::write_fixed(&rubbish, &mut written).unwrap();
    assert_same_bytes(&scene.user.log(&job).await, &written.repeat(2));
    assert_eq!(ended.log_complete, Some(true));
    leaves(&mut runner).await;
}
