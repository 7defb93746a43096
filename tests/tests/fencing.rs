//! A runner that sleeps longer than its lease wakes up in a world where its job is another's. It changes nothing there.

use std::time::Duration;

use control_plane::Timings;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use system_tests::client::Client;
use system_tests::fake_terraform::FakeTerraform;
use system_tests::ledger::{self, assert_same_bytes};
use system_tests::plane::Plane;
use system_tests::runner::{Identity, RunnerHome};
use system_tests::scene::Scene;
use system_tests::steps::Step::{Emit, Flow, Mark, Wait};
use system_tests::steps::records;
use wire::{FrameHeader, JobStatus, LogStream, Timestamp, paths};

fn hasty() -> Timings {
    Timings { online: Duration::from_secs(60), ..Plane::hasty() }
}

/// A lost runner is noticed, but one that is only silent while the test works is not.
fn patient() -> Timings {
    let Timings { silence, unacknowledged, .. } = Timings::default();
    Timings { lease: Duration::from_secs(4), silence, unacknowledged, ..hasty() }
}

/// A runner gets a job, sleeps, and loses it to the second runner, which runs it to its end. Then the first wakes.
#[tokio::test]
async fn a_runner_that_slept_changes_nothing() {
    let scene = Scene::with(patient()).await;
    let other = RunnerHome::new(&scene.plane.origin, scene.user.register("two").await);
    let mut sleeper = scene.home.started().await;
    let job = scene
        .user
        .submit(
            "ledger",
            &scene.ledger.job(&[Emit(30), Mark("planned".to_owned()), Wait("go".to_owned())], &[Emit(20)]),
        )
        .await;
    scene.ledger.until("planned", 1).await;
    scene.user.until(&job, "its first output is stored", |job| job.log_length > 0).await;
    sleeper.signal(Signal::STOP);
    let mut second = other.started().await;
    scene.ledger.until("planned", 2).await;
    assert_eq!(scene.user.job(&job).await.attempt, 2);

    // Both tools go on; the one of the sleeper asks for the commit point, and nobody answers.
    scene.ledger.open("go");
    let ended = scene.user.ended_as(&job, JobStatus::Success).await;
    let log = scene.user.log(&job).await;
    assert_eq!(scene.ledger.count("apply"), 1, "{:?}", scene.ledger.marks());

    sleeper.signal(Signal::CONT);
    let lost = system_tests::process::eventually("the sleeper puts the job aside", async || {
        scene.home.job_dirs().into_iter().find(|dir| dir.extension().is_some_and(|extension| extension == "lost"))
    });
    let lost = lost.await;
    let outcome: Value = serde_json::from_slice(&std::fs::read(lost.join("outcome.json")).unwrap()).unwrap();
    assert_ne!(outcome["status"], "SUCCESS", "it was refused, and knows it: {outcome}");
    assert_eq!(scene.ledger.count("apply"), 1, "{:?}", scene.ledger.marks());
    let now = scene.user.job(&job).await;
    assert_eq!((now.attempt, now.status, &now.execution_metadata), (2, ended.status, &ended.execution_metadata));
    assert_eq!((now.error_message, now.reason, now.log_complete), (None, None, Some(true)));
    assert_same_bytes(&scene.user.log(&job).await, &log);
    for runner in [&mut sleeper, &mut second] {
        runner.signal(Signal::TERM);
        assert!(runner.ended().await.success());
    }
}

/// The first runner sleeps after its commit point: the job is given up, never given away, and what really happened is
/// kept beside it when the sleeper wakes.
#[tokio::test]
async fn a_runner_that_slept_after_its_commit_point_says_what_happened() {
    let scene = Scene::with(hasty()).await;
    let sleeper = scene.home.started().await;
    let apply = [Mark("applying".to_owned()), Flow("go".to_owned())];
    let job = scene.user.submit("ledger", &scene.ledger.job(&[], &apply)).await;
    scene.ledger.until("applying", 1).await;
    sleeper.signal(Signal::STOP);
    let given_up = scene.user.ended_as(&job, JobStatus::Failed).await;
    assert_eq!(given_up.reason.as_deref(), Some("outcome_unknown"));
    scene.ledger.open("go");
    sleeper.signal(Signal::CONT);
    let told = scene.user.until(&job, "what really happened", |job| {
        job.execution_metadata.as_ref().is_some_and(|metadata| metadata["late_report"].is_object())
    });
    let told = told.await;
    assert_eq!((told.status, told.attempt), (JobStatus::Failed, 1), "what ended stays ended");
    assert_eq!(told.execution_metadata.unwrap()["late_report"]["status"], "SUCCESS");
    assert_eq!(scene.ledger.count("apply"), 1);
}

/// What one organisation's job has not got rid of there, the next one's could read.
#[tokio::test]
async fn a_runner_of_many_organisations_keeps_nothing_of_a_job_that_it_lost() {
    let mut scene = Scene::with(hasty()).await;
    let fake =
        FakeTerraform::new("echo canary > errored.tfstate\nwhile [ ! -e \"$here/go\" ]; do sleep 0.02; done\nexit 1");
    scene.home = scene.home.with_env("ALETHIA_TERRAFORM", fake.path().display().to_string());
    scene.home = scene.home.with_env("ALETHIA_WORKER_MODE", "cloud-hosted");
    let mut sleeper = scene.home.started().await;
    let payload = json!({ "action": "apply", "source": { "files": { "main.tf": "" } },
        "backend": { "type": "plane", "name": "s" } });
    let job = scene.user.submit("terraform", &payload).await;
    let directory = system_tests::process::eventually("it applies", async || {
        scene.home.job_dirs().into_iter().find(|dir| dir.join("committed.json").exists())
    });
    let directory = directory.await;
    sleeper.signal(Signal::STOP);
    scene.user.ended_as(&job, JobStatus::Failed).await;
    fake.go();
    ledger::until(&directory, "its end", || directory.join("outcome.json").exists()).await;
    sleeper.signal(Signal::CONT);
    sleeper.until_said("nothing of it is kept").await;
    sleeper.signal(Signal::TERM);
    assert!(sleeper.ended().await.success());
    assert!(scene.home.job_dirs().is_empty(), "{:?}", scene.home.job_dirs());
}

/// A runner written by hand.
struct ByHand {
    user: Client,
    identity: Identity,
}

impl ByHand {
    async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let call = self.user.call_as(&self.identity, method, path).json(&body);
        let answer = call.send().await.unwrap();
        (answer.status(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn claim(&self) -> wire::Claim {
        let body = json!({ "request_id": wire::JobId::generate(), "wait_s": 30, "free_slots": 1 });
        serde_json::from_value(self.send(Method::POST, paths::CLAIM, body).await.1).unwrap()
    }

    /// Every write that a runner can make to a job, in the name of one attempt.
    async fn write_all(&self, job: &str, attempt: Option<u32>) -> Vec<(String, StatusCode)> {
        let text = b"written by the old attempt\n";
        let frame = |offset| {
            let header = FrameHeader::describe(LogStream::Stdout, offset, Timestamp::now(), text);
            [&header.encode()[..], text].concat()
        };
        let status =
            |body: Value| (Method::PUT, paths::job_status(job), "application/json", body.to_string().into_bytes());
        let log = |offset| {
            (Method::POST, format!("{}?offset={offset}", paths::job_log(job)), paths::LOG_FRAMES, frame(offset))
        };
        let chunk = json!({ "log_chunk": "written by the old attempt\n", "stream_type": "STDOUT" }).to_string();
        let writes = vec![
            status(json!({ "status": "PROCESSING" })),
            status(json!({ "status": "PROCESSING", "phase": "committed" })),
            status(json!({ "status": "PROCESSING", "execution_metadata": { "old": true } })),
            status(json!({ "status": "SUCCESS", "execution_metadata": { "old": true } })),
            status(json!({ "status": "FAILED", "error_message": "old" })),
            status(json!({ "status": "CANCELLED" })),
            log(0),
            log(1_000_000),
            (Method::POST, paths::job_logs(job), "application/json", chunk.into_bytes()),
            (Method::PUT, paths::artifact(job, "old.txt"), "text/plain", text.to_vec()),
            (Method::POST, paths::plan_artifact(job), "application/octet-stream", text.to_vec()),
            (Method::PUT, paths::artifact(job, "old-secret"), wire::SECRET_MEDIA_TYPE, text.to_vec()),
            (Method::POST, paths::git_token(job), "application/json", b"{}".to_vec()),
            (Method::POST, paths::oidc_token(job), "application/json", b"{\"audience\":\"a\"}".to_vec()),
        ];
        let mut answers = vec![];
        for (method, path, media_type, body) in writes {
            let name = format!("{method} {path} {}", String::from_utf8_lossy(&body[..body.len().min(60)]));
            let call = self.user.call_as(&self.identity, method, &path).header("content-type", media_type);
            let call = if let Some(attempt) = attempt { call.header(paths::JOB_ATTEMPT, attempt) } else { call };
            answers.push((name, call.body(body).send().await.unwrap().status()));
        }
        answers
    }
}

/// The same by hand, on every route: while the second attempt runs, and after its end.
#[tokio::test]
async fn every_write_of_an_old_attempt_is_refused() {
    let scene = Scene::with(patient()).await;
    // Its kinds are known from then on.
    let mut runner = scene.home.started().await;
    runner.signal(Signal::TERM);
    runner.ended().await;
    let old = ByHand { user: scene.user.clone(), identity: scene.user.register("old").await };
    let job = scene
        .user
        .submit(
            "ledger",
            &scene.ledger.job(&[Emit(10)], &[Mark("applying".to_owned()), Wait("go".to_owned()), Emit(10)]),
        )
        .await;
    let claim = old.claim().await;
    assert_eq!(claim.job.unwrap().attempt, 1);
    let state = claim.access.unwrap().state_token;
    let (status, _) = old.send(Method::PUT, &paths::job_status(&job), json!({ "status": "PROCESSING" })).await;
    assert_eq!(status, StatusCode::OK);

    let mut runner = scene.home.started().await;
    scene.ledger.until("applying", 1).await;
    let stored = scene.user.until(&job, "its output is stored", |job| job.log_length >= records(10).len() as u64);
    let before = stored.await;
    assert_eq!(before.attempt, 2);
    let log = scene.user.log(&job).await;
    // A client that knows only the seed's contract names no attempt, which counts as the first.
    for attempt in [Some(1), None] {
        for (name, status) in old.write_all(&job, attempt).await {
            assert_eq!(status, StatusCode::CONFLICT, "{name}");
        }
    }
    // Not its own, and there is no such attempt either.
    for (name, status) in old.write_all(&job, Some(3)).await {
        assert_eq!(status, StatusCode::CONFLICT, "{name}");
    }
    for (name, status) in old.write_all(&job, Some(2)).await {
        assert!([StatusCode::CONFLICT, StatusCode::FORBIDDEN].contains(&status), "{name}: {status}");
    }
    // As terraform asks: with the attempt's state token, and nobody else's.
    let locked = old.user.call_as(&old.identity, Method::PUT, &format!("{}/lock", paths::state("one")));
    let locked = locked.basic_auth(&job, Some(&state)).json(&json!({ "ID": "1" })).send().await.unwrap().status();
    assert_eq!(locked, StatusCode::FORBIDDEN);
    let beat = json!({ "status": "ONLINE", "protocol": 2, "jobs": [{ "id": job, "attempt": 1 }] });
    let (_, beat) = old.send(Method::POST, paths::HEARTBEAT, beat).await;
    assert_eq!(beat["lost"][0]["id"], json!(job));

    let now = scene.user.job(&job).await;
    assert_eq!(
        (&now.status, &now.phase, &now.execution_metadata),
        (&before.status, &before.phase, &before.execution_metadata)
    );
    assert_same_bytes(&scene.user.log(&job).await, &log);
    scene.ledger.open("go");
    let ended = scene.ended_well(&job).await;
    for (name, status) in old.write_all(&job, Some(1)).await {
        assert_eq!(status, StatusCode::CONFLICT, "{name}");
    }
    let now = scene.user.job(&job).await;
    assert_eq!((now.status, now.execution_metadata), (ended.status, ended.execution_metadata));
    let artifacts = scene.user.call(Method::GET, &paths::artifacts(&job)).send().await.unwrap().text().await.unwrap();
    assert!(!artifacts.contains("old"), "{artifacts}");
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
}
