//! Our runner against a plane that knows only the seed's contract, and our plane against such a client, each in both
//! dialects.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use system_tests::fake_terraform::{ERRS, FakeTerraform};
use system_tests::process::Process;
use system_tests::rig::Rig;
use system_tests::runner::{Identity, RunnerHome};
use system_tests::seed_client::SeedClient;
use system_tests::seed_plane::{RUNNER_ID, RUNNER_TOKEN, Recorded, SeedDialect, SeedPlane};

/// A job that runs this as a program of `/bin/sh`.
fn script(text: &str) -> Value {
    json!({ "program": "/bin/sh", "args": ["-c", text] })
}

fn lines(numbers: std::ops::RangeInclusive<u32>, text: &str) -> String {
    numbers.map(|number| format!("{text} {number}\n")).collect()
}

/// Where the only runner that a seed plane knows lives.
fn home(plane: &SeedPlane, fake: &FakeTerraform) -> RunnerHome {
    let identity = Identity { id: RUNNER_ID.to_owned(), token: RUNNER_TOKEN.to_owned() };
    RunnerHome::new(&plane.origin, identity).with_env("ALETHIA_TERRAFORM", fake.path().display().to_string())
}

async fn leaves(mut runner: Process) {
    runner.signal(rustix::process::Signal::TERM);
    assert!(runner.ended().await.success());
}

/// What the plane refused, but for the first family of heartbeats at a plane that knows only the second.
fn refusals(recorded: &Recorded, dialect: SeedDialect) -> Vec<String> {
    let expected = |path: &str| dialect == SeedDialect::Runners && path == "/api/workers/heartbeat";
    let unexpected = recorded.refused.iter().filter(|(_, path, _)| !expected(path));
    unexpected.map(|(method, path, status)| format!("{method} {path}: {status}")).collect()
}

async fn our_runner_works_for_a_seed_plane(dialect: SeedDialect) {
    let (folder, fake) = (tempfile::tempdir().unwrap(), FakeTerraform::new("exit 0"));
    let plane = SeedPlane::start(dialect).await;
    let many = "seq -f 'many %.0f' 1 30000";
    let slow = "for i in $(seq 1 30); do echo slow $i; echo loud $i >&2; sleep 0.01; done; printf 'no end'";
    let plan = json!({ "action": "plan", "source": { "files": { "main.tf": "" } },
                       "backend": { "type": "local", "path": folder.path().join("terraform.tfstate") } });
    plane.submit("j-many", "program", &script(many));
    plane.submit("j-slow", "program", &script(slow));
    plane.submit("j-odd", "program", &script(r"printf 'nul \000, not UTF-8 \377, e\314\201\n'"));
    plane.submit("j-hello", "hello", &json!({ "name": "you", "times": 3 }));
    plane.submit("j-wrong", "hello", &json!({ "nam": "you" }));
    plane.submit("j-unknown", "nobody-links-this", &json!({}));
    plane.submit("j-plan", "terraform", &plan);
    let home = home(&plane, &fake);
    let runner = home.started().await;

    let many = plane.ended("j-many").await;
    assert_eq!((many.status(), many.log_of("STDOUT")), (Some("SUCCESS"), lines(1..=30_000, "many")));
    let slow = plane.ended("j-slow").await;
    assert_eq!(slow.log_of("STDOUT"), lines(1..=30, "slow") + "no end");
    assert_eq!(slow.log_of("STDERR"), lines(1..=30, "loud"));
    let odd = plane.ended("j-odd").await;
    assert_eq!(odd.log_of("STDOUT"), "nul \u{fffd}, not UTF-8 \u{fffd}, e\u{301}\n");
    let hello = plane.ended("j-hello").await;
    assert_eq!((hello.log_of("STDOUT"), &hello.metadata()["greeted"]), ("hello, you\n".repeat(3), &json!(3)));
    let wrong = plane.ended("j-wrong").await;
    let text = wrong.reports.last().unwrap()["error_message"].as_str().unwrap();
    assert!(wrong.status() == Some("FAILED") && text.contains("nam"), "{wrong:?}");
    assert!(wrong.log_of("SYSTEM").contains(text), "{wrong:?}");
    let unknown = plane.ended("j-unknown").await;
    let text = unknown.reports.last().unwrap()["error_message"].as_str().unwrap();
    assert!(unknown.status() == Some("FAILED") && text.contains("unknown kind"), "{unknown:?}");
    let planned = plane.ended("j-plan").await;
    assert_eq!((planned.status(), planned.plan.as_deref()), (Some("SUCCESS"), Some(&b"a plan\n"[..])));
    assert_eq!(planned.metadata()["plan_file_key"], "j-plan/terraform.plan.out");

    leaves(runner).await;
    let recorded = plane.recorded();
    let (posts, refused) = recorded.log_posts;
    assert!(refused >= posts * 3 / 10 && refused >= 10, "{refused} of {posts} log posts were refused");
    assert_eq!(recorded.heartbeats.last().unwrap()["status"], "OFFLINE");
    assert_eq!(recorded.heartbeats.last().unwrap()["worker_id"], RUNNER_ID);
    assert_eq!(refusals(&recorded, dialect), [""; 0]);
    for (id, job) in &recorded.jobs {
        let statuses: Vec<_> = job.reports.iter().map(|report| report["status"].as_str().unwrap()).collect();
        let (last, before) = statuses.split_last().unwrap();
        assert!(!before.is_empty() && before.iter().all(|status| *status == "PROCESSING"), "{id}: {statuses:?}");
        assert_ne!(*last, "PROCESSING", "{id}");
    }
}

#[tokio::test]
async fn our_runner_works_for_a_plane_of_the_seeds_dialect() {
    our_runner_works_for_a_seed_plane(SeedDialect::Workers).await;
}

#[tokio::test]
async fn our_runner_works_for_a_plane_of_the_later_dialect() {
    our_runner_works_for_a_seed_plane(SeedDialect::Runners).await;
}

#[tokio::test]
async fn a_runner_that_is_to_leave_says_so_and_finishes_what_it_has() {
    for dialect in SeedDialect::ALL {
        let (folder, fake) = (tempfile::tempdir().unwrap(), FakeTerraform::new("exit 0"));
        let plane = SeedPlane::start(dialect).await;
        let go = folder.path().join("go");
        let waits = format!("echo waiting; while [ ! -e {} ]; do sleep 0.02; done; echo done", go.display());
        plane.submit("j-1", "program", &script(&waits));
        plane.submit("j-2", "program", &script("echo never"));
        let home = home(&plane, &fake);
        let mut runner = home.started().await;
        plane.until("the first line", |now| now.jobs.get("j-1").is_some_and(|job| !job.chunks.is_empty())).await;
        runner.signal(rustix::process::Signal::TERM);
        let draining = |now: &Recorded| now.heartbeats.last().is_some_and(|beat| beat["status"] == "DRAINING");
        let recorded = plane.until("a heartbeat that says DRAINING", draining).await;
        assert_eq!(recorded.heartbeats.last().unwrap()["current_job_id"], "j-1");
        std::fs::write(go, "").unwrap();
        assert!(runner.ended().await.success());
        let recorded = plane.recorded();
        assert_eq!(recorded.jobs["j-1"].log_of("STDOUT"), "waiting\ndone\n");
        assert_eq!(recorded.jobs["j-1"].status(), Some("SUCCESS"));
        assert!(!recorded.jobs.contains_key("j-2"), "it claims nothing any more");
        assert_eq!(recorded.heartbeats.last().unwrap()["status"], "OFFLINE");
    }
}

/// It keeps only plans.
#[tokio::test]
async fn a_state_that_nobody_else_has_stays_where_the_job_says() {
    let (folder, fake) = (tempfile::tempdir().unwrap(), FakeTerraform::new(ERRS));
    let plane = SeedPlane::start(SeedDialect::Workers).await;
    let apply = json!({ "action": "apply", "source": { "files": { "main.tf": "" } },
                        "backend": { "type": "local", "path": folder.path().join("terraform.tfstate") } });
    plane.submit("j-apply", "terraform", &apply);
    let home = home(&plane, &fake);
    let runner = home.started().await;
    let applied = plane.ended("j-apply").await;
    assert_eq!(applied.status(), Some("FAILED"), "{applied:?}");
    runner.until_said("what a person may look for is kept").await;
    let [lost] = &home.job_dirs()[..] else { panic!("{:?}", home.job_dirs()) };
    let metadata = applied.metadata();
    let why = metadata["artifact_refused:errored.tfstate"].as_str().unwrap();
    let kept = std::fs::read_dir(lost).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|file| why.contains(&file.display().to_string())).collect::<Vec<_>>();
    let [kept] = &kept[..] else { panic!("{why}") };
    assert!(std::fs::read_to_string(kept).unwrap().ends_with("all that is known\n"));
    leaves(runner).await;
}

async fn our_plane_works_for_a_seed_client(dialect: SeedDialect) {
    let rig = Rig::plane().await;
    let client = SeedClient::new(&rig.plane.origin, dialect, &rig.identity().id, &rig.identity().token);
    let ok = (StatusCode::OK, json!({ "success": true }));
    let (status, answer) = client.heartbeat(&json!({ "version": "0.9.0" })).await;
    assert_eq!((status, &answer["success"]), (StatusCode::OK, &json!(true)));
    assert_eq!(client.claim().await, None, "nothing to do yet");
    let job = rig.user.submit("hello", &json!({ "name": "you" })).await;
    let claimed = client.claim().await.expect("the job");
    assert_eq!((&claimed["id"], &claimed["status"]), (&json!(job), &json!("CLAIMED")));
    assert_eq!((&claimed["job_type"], &claimed["config_snapshot"]), (&json!("hello"), &json!({ "name": "you" })));
    assert_eq!(client.claim().await, None, "it is given once");

    assert_eq!(client.report(&job, &json!({ "status": "PROCESSING" })).await, ok);
    assert_eq!(rig.job(&job).await["status"], "PROCESSING");
    for number in 1..=200 {
        let (stream, shown) = [(None, "STDOUT"), (Some("STDERR"), "STDERR"), (Some("SYSTEM"), "SYSTEM")][number % 3];
        let (status, answer) = client.log(&job, &format!("{shown} {number}\n"), stream).await;
        assert_eq!((status, answer), (StatusCode::CREATED, json!({ "success": true })));
    }
    let progress = |metadata: Value| json!({ "status": "PROCESSING", "execution_metadata": metadata });
    assert_eq!(client.report(&job, &progress(json!({ "phase": "one", "kept": 1 }))).await, ok);
    assert_eq!(client.report(&job, &progress(json!({ "phase": "two" }))).await, ok);
    let (status, key) = client.put_plan(&job, b"the plan").await;
    assert_eq!((status, key), (StatusCode::CREATED, json!({ "key": format!("{job}/terraform.plan.out") })));
    let token = client.send(Method::POST, &format!("/jobs/{job}/git-token"), None).await;
    assert_eq!(token, (StatusCode::OK, json!({ "token": null })));
    assert_eq!(client.report(&job, &json!({ "status": "SUCCESS" })).await, ok);
    assert_eq!(client.report(&job, &json!({ "status": "SUCCESS" })).await, ok, "its answer may have got lost");

    let (status, [media_type, disposition], plan) = client.plan(&job).await;
    assert_eq!(
        (status, media_type.as_str(), &plan[..]),
        (StatusCode::OK, "application/octet-stream", &b"the plan"[..])
    );
    assert!(disposition.contains("terraform.plan.out"), "{disposition}");
    let shown = client.job(&job).await;
    assert_eq!(shown["status"], "SUCCESS");
    assert_eq!(shown["execution_metadata"], json!({ "phase": "two", "kept": 1 }));
    assert_eq!(pages(&client, &job).await, rig.log(&job).await);
    let log = rig.log(&job).await;
    let numbers: Vec<_> = log.lines().map(|line| line.split(' ').nth(1).unwrap().parse::<u32>().unwrap()).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());

    let (status, answer) = client.report(&job, &json!({ "status": "FAILED" })).await;
    assert!(status.is_client_error() && answer["error"].is_string(), "{status}: {answer}");
    let (status, _) = client.log(&job, "late\n", None).await;
    assert!(status.is_client_error(), "{status}");
    assert_eq!(rig.job(&job).await["status"], "SUCCESS");
}

/// The log as the seed's clients read it: from the last id that they have seen.
async fn pages(client: &SeedClient, job: &str) -> String {
    let (mut after, mut log) = (0, String::new());
    loop {
        let page = client.logs(job, after).await;
        let Some(last) = page.last() else { return log };
        after = last["id"].as_u64().unwrap();
        log.extend(page.iter().map(|entry| entry["log_chunk"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn our_plane_works_for_a_client_of_the_seeds_dialect() {
    our_plane_works_for_a_seed_client(SeedDialect::Workers).await;
}

#[tokio::test]
async fn our_plane_works_for_a_client_of_the_later_dialect() {
    our_plane_works_for_a_seed_client(SeedDialect::Runners).await;
}

#[tokio::test]
async fn a_seed_client_fails_a_job_and_is_refused_what_is_not_its_own() {
    for dialect in SeedDialect::ALL {
        let rig = Rig::plane().await;
        let client = SeedClient::new(&rig.plane.origin, dialect, &rig.identity().id, &rig.identity().token);
        let job = rig.user.submit("hello", &json!({ "name": "you" })).await;
        assert!(client.claim().await.is_some());
        let failed = json!({ "status": "FAILED", "error_message": "it broke" });
        assert_eq!(client.report(&job, &failed).await.0, StatusCode::OK);
        let shown = rig.job(&job).await;
        assert_eq!((&shown["status"], &shown["error_message"]), (&json!("FAILED"), &json!("it broke")));

        let stranger = SeedClient::new(&rig.plane.origin, dialect, &rig.identity().id, "wrong");
        let (status, answer) = stranger.heartbeat(&json!({})).await;
        assert!(status == StatusCode::UNAUTHORIZED && answer["error"].is_string(), "{status}: {answer}");
        let waiting = rig.user.submit("hello", &json!({ "name": "you" })).await;
        let (status, _) = client.report(&waiting, &json!({ "status": "SUCCESS" })).await;
        assert!(status.is_client_error(), "nobody has claimed it: {status}");
        let (status, _) = client.report(&waiting, &json!({ "status": "DONE" })).await;
        assert!(status.is_client_error(), "{status}");
        assert_eq!(rig.job(&waiting).await["status"], "QUEUED");
    }
}
