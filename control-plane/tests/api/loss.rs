//! What becomes of the jobs of a lost runner, and what a runner may do that was taken for lost.

use std::time::Duration;

use control_plane::Timings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::endpoints::writes;
use crate::plane::{Plane, SOON, sha256};

/// A runner is lost after two seconds, and given up after three: longer than a test needs from one request to the next.
fn quick() -> Timings {
    Timings {
        lease: Duration::from_secs(2),
        silence: Duration::from_secs(3),
        reap_every: Duration::from_millis(10),
        ..Timings::default()
    }
}

#[tokio::test]
async fn an_old_attempt_changes_nothing() {
    let plane = Plane::start_with(quick()).await;
    let (old, new) = (plane.register("old").await, plane.register("new").await);
    let job = plane.submit("read").await;
    assert_eq!(old.claim_id().await, job);
    assert_eq!(old.append(&job, 1, 0, "first\n").await, StatusCode::OK);
    let claim = new.claim(json!({ "request_id": "q", "wait_s": 60 })).await.job.unwrap();
    assert_eq!((claim.id.to_string(), claim.attempt), (job.clone(), 2));
    for status in ["PROCESSING", "SUCCESS", "FAILED", "CANCELLED"] {
        assert_eq!(old.status(&job, 1, json!({ "status": status })).await, StatusCode::CONFLICT);
    }
    assert_eq!(old.append(&job, 1, 6, "late\n").await, StatusCode::CONFLICT);
    for write in writes(&job) {
        assert_eq!(write.by(&old).send().await.unwrap().status(), StatusCode::CONFLICT, "{write}");
    }
    let named = json!({ "protocol": 2, "jobs": [{ "id": job, "attempt": 1 }] });
    assert_eq!(old.heartbeat(named).await["lost"][0]["id"], json!(job));
    assert_eq!(new.append(&job, 2, 0, "second\n").await, StatusCode::OK, "offsets of an attempt count from 0");
    let report = json!({ "status": "SUCCESS", "log": { "length": 7, "sha256": sha256("second\n") } });
    assert_eq!(new.status(&job, 2, report).await, StatusCode::OK);
    assert_eq!(plane.job(&job).await["log_complete"], true, "the log of the attempt that ended it");
    let log = plane.user(Method::GET, &format!("/api/jobs/{job}/log")).send().await.unwrap().text().await.unwrap();
    let why = "attempt 2 begins: the runner of the attempt before was lost";
    assert_eq!(log, format!("first\n{why}\nsecond\n"));
}

#[tokio::test]
async fn what_may_have_changed_the_world_is_never_run_again() {
    let plane = Plane::start_with(quick()).await;
    let (runner, other) = (plane.register("one").await, plane.register("two").await);
    let job = plane.submit("change").await;
    runner.claim_id().await;
    assert_eq!(runner.commit(&job, 1).await, StatusCode::OK);
    let parked = tokio::spawn(async move { other.claim(json!({ "request_id": "q", "wait_s": 60 })).await });
    let ended = plane.ended(&job).await;
    assert_eq!(
        (&ended["status"], &ended["reason"], &ended["attempt"], &ended["log_complete"]),
        (&json!("FAILED"), &json!("outcome_unknown"), &json!(1), &json!(false))
    );
    assert!(ended["error_message"].as_str().unwrap().contains("after the job's commit point"), "{ended}");
    let explained =
        async || plane.get(&format!("/api/jobs/{job}/explain")).await["summary"].as_str().unwrap().to_owned();
    assert!(!explained().await.contains("later"), "nobody has said anything yet");
    let at = "2026-01-02T03:04:05Z";
    let late = json!({ "status": "SUCCESS", "execution_metadata": { "applied": true }, "finished_at": at });
    for _ in 0..2 {
        assert_eq!(runner.status(&job, 1, late.clone()).await, StatusCode::CONFLICT);
    }
    assert_eq!(runner.append(&job, 1, 0, "late\n").await, StatusCode::CONFLICT);
    let shown = plane.job(&job).await;
    assert_eq!(shown["status"], "FAILED", "a terminal state never changes");
    assert_eq!(shown["execution_metadata"]["late_report"]["status"], "SUCCESS");
    assert_eq!(shown["execution_metadata"]["late_report"]["execution_metadata"]["applied"], true);
    let explained = explained().await;
    assert!(explained.contains("after the job's commit point"), "{explained}");
    assert!(explained.contains("; later runner \"one\" reported SUCCESS at 2026-01-02T03:04:05"), "{explained}");
    assert!(explained.contains(&format!("jobs/{job}.1.lost")), "{explained}");
    assert!(!parked.is_finished(), "nobody was given it");
}

#[tokio::test]
async fn before_its_commit_point_a_job_is_run_again() {
    let plane = Plane::start_with(quick()).await;
    let (runner, other) = (plane.register("one").await, plane.register("two").await);
    let job = plane.submit("change").await;
    runner.claim_id().await;
    assert_eq!(runner.status(&job, 1, json!({ "status": "PROCESSING" })).await, StatusCode::OK);
    let claim = other.claim(json!({ "request_id": "q", "wait_s": 60 })).await.job.unwrap();
    assert_eq!((claim.id.to_string(), claim.attempt, claim.phase), (job.clone(), 2, wire::Phase::Preparing));
    assert_eq!(runner.commit(&job, 1).await, StatusCode::CONFLICT);
    assert_eq!(other.commit(&job, 2).await, StatusCode::OK);
}

#[tokio::test]
async fn a_runner_of_the_seeds_contract_may_have_passed_the_commit_point() {
    let plane = Plane::start_with(quick()).await;
    let runner = plane.register("one").await;
    let job = plane.submit("change").await;
    let claim = runner.call(Method::POST, "/api/jobs/claim").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(claim["job"]["id"], json!(job));
    assert_eq!(runner.status(&job, 1, json!({ "status": "PROCESSING" })).await, StatusCode::OK);
    let ended = plane.ended(&job).await;
    assert_eq!((&ended["reason"], &ended["attempt"]), (&json!("outcome_unknown"), &json!(1)));
}

/// It goes on though its reports do not arrive: silence is no sign that it has not begun.
#[tokio::test]
async fn what_a_runner_of_the_seeds_contract_was_given_is_not_given_to_another() {
    let plane = Plane::start_with(quick()).await;
    let (runner, other) = (plane.register("one").await, plane.register("two").await);
    let job = plane.submit("change").await;
    let claim = runner.call(Method::POST, "/api/jobs/claim").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(claim["job"]["id"], json!(job));
    let beats = async { while runner.heartbeat(json!({ "version": "1" })).await["success"] == true {} };
    let ended = tokio::select! {
        ended = plane.ended(&job) => ended,
        another = other.claim(json!({ "request_id": "q", "wait_s": 60 })) => panic!("given away: {another:?}"),
        () = beats => panic!("a heartbeat is refused"),
    };
    assert_eq!((&ended["reason"], &ended["attempt"]), (&json!("outcome_unknown"), &json!(1)));
}

#[tokio::test]
async fn a_lost_job_that_nobody_could_ever_take_does_not_wait() {
    let plane = Plane::start_with(quick()).await;
    let runner = plane.register("one").await;
    runner.heartbeat(json!({ "version": "1" })).await;
    let job = plane.submit("read").await;
    let claim = runner.call(Method::POST, "/api/jobs/claim").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(claim["job"]["id"], json!(job));
    let ended = plane.ended(&job).await;
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("FAILED"), &json!("runner_lost")));
    assert!(ended["error_message"].as_str().unwrap().contains("submit the job again"), "{ended}");
}

#[tokio::test]
async fn a_heartbeat_of_the_seeds_contract_speaks_for_the_newest_claim() {
    let plane = Plane::start_with(quick()).await;
    let runner = plane.register("one").await;
    let (first, second) = (plane.submit("change").await, plane.submit("change").await);
    for job in [&first, &second] {
        let claim = runner.call(Method::POST, "/api/jobs/claim").send().await.unwrap().json::<Value>().await.unwrap();
        assert_eq!(claim["job"]["id"], json!(job));
        // The report of the first one's end gets lost.
        assert_eq!(runner.status(job, 1, json!({ "status": "PROCESSING" })).await, StatusCode::OK);
    }
    let beats = async { while runner.heartbeat(json!({ "version": "1" })).await["success"] == true {} };
    let ended = tokio::select! {
        ended = plane.ended(&first) => ended,
        () = beats => panic!("a heartbeat is refused"),
    };
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("FAILED"), &json!("outcome_unknown")));
    assert_eq!(runner.status(&second, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
}

#[tokio::test]
async fn a_later_attempt_is_for_runners_that_can_name_it() {
    let plane = Plane::start_with(quick()).await;
    let (first, seed, second) = (plane.register("1").await, plane.register("2").await, plane.register("3").await);
    let job = plane.submit("change").await;
    assert_eq!(first.claim_id().await, job);
    seed.heartbeat(json!({ "version": "1" })).await;
    let parked = tokio::spawn({
        let seed = seed.clone();
        async move { seed.claim(json!({ "wait_s": 60 })).await }
    });
    let waits = async { while plane.job(&job).await["status"] != "QUEUED" {} };
    tokio::time::timeout(SOON, waits).await.expect("the first attempt is lost");
    let claim = seed.call(Method::POST, "/api/jobs/claim").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(claim["job"], Value::Null);
    let explained = plane.get(&format!("/api/jobs/{job}/explain")).await;
    assert_eq!(explained["runners"][1]["verdict"], "speaks only the seed's contract and cannot name attempt 2");
    let claim = second.claim(json!({ "request_id": "q" })).await.job.unwrap();
    assert_eq!((claim.id.to_string(), claim.attempt), (job.clone(), 2));
    let fresh = plane.submit("read").await;
    assert_eq!(parked.await.unwrap().job.unwrap().id.to_string(), fresh, "a first attempt it may have");
}

#[tokio::test]
async fn a_lost_job_that_a_user_cancelled_is_cancelled() {
    let plane = Plane::start_with(quick()).await;
    let runner = plane.register("one").await;
    let job = plane.submit("change").await;
    runner.claim_id().await;
    assert_eq!(runner.append(&job, 1, 0, "preparing\n").await, StatusCode::OK);
    assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel")).await, StatusCode::OK);
    let ended = plane.ended(&job).await;
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("CANCELLED"), &json!("cancelled_by_user")));
    let named = json!({ "protocol": 2, "jobs": [{ "id": job, "attempt": 1 }] });
    assert_eq!(runner.heartbeat(named).await["lost"][0]["id"], json!(job), "who comes back is to stop it");
}

#[tokio::test]
async fn by_a_runners_clock_no_job_ends_before_its_start_or_after_now() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    for finished_at in ["2001-02-03T04:05:06Z", "2999-02-03T04:05:06Z"] {
        let job = plane.submit("read").await;
        assert_eq!(runner.claim_id().await, job);
        let end = json!({ "status": "SUCCESS", "finished_at": finished_at });
        assert_eq!(runner.status(&job, 1, end).await, StatusCode::OK);
        let shown: wire::Job = serde_json::from_value(plane.job(&job).await).unwrap();
        let now = Some(wire::Timestamp::now());
        assert!(shown.claimed_at <= shown.completed_at && shown.completed_at <= now, "{shown:?}");
    }
}

#[tokio::test]
async fn a_claim_that_nobody_got_is_undone_and_a_job_that_loses_five_runners_is_given_up() {
    let (unacknowledged, lease) = (Duration::from_millis(100), Duration::from_secs(600));
    let plane = Plane::start_with(Timings { unacknowledged, lease, ..quick() }).await;
    let runner = plane.register("one").await;
    let job = plane.submit("change").await;
    for attempt in 1..=5 {
        let request = json!({ "request_id": format!("r-{attempt}"), "wait_s": 60 });
        let claim = runner.claim(request).await.job.unwrap();
        assert_eq!((claim.id.to_string(), claim.attempt), (job.clone(), attempt));
    }
    let ended = plane.ended(&job).await;
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("FAILED"), &json!("runner_lost")));
}

#[tokio::test]
async fn a_heartbeat_that_names_a_job_shows_that_its_runner_has_it() {
    let timings = Timings { unacknowledged: Duration::from_secs(2), lease: Duration::from_secs(600), ..quick() };
    let plane = Plane::start_with(timings).await;
    let (runner, other) = (plane.register("one").await, plane.register("two").await);
    let (named, unnamed) = (plane.submit("read").await, plane.submit("read").await);
    assert_eq!((runner.claim_id().await, runner.claim_id().await), (named.clone(), unnamed.clone()));
    let heartbeat = json!({ "protocol": 2, "jobs": [{ "id": named, "attempt": 1, "phase": "preparing" },
                                                    { "id": named, "attempt": 2 }] });
    let answer = runner.heartbeat(heartbeat).await;
    assert_eq!(answer["lost"], json!([{ "id": named, "attempt": 2, "phase": "preparing" }]));
    assert_eq!(other.claim(json!({ "request_id": "q", "wait_s": 60 })).await.job.unwrap().id.to_string(), unnamed);
    assert_eq!(plane.job(&named).await["status"], "CLAIMED");
}
