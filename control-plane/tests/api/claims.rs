//! How a job finds its runner.

use std::time::Duration;

use control_plane::Timings;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::plane::Plane;

#[tokio::test]
async fn a_lost_answer_to_a_claim_is_given_again() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    plane.submit("read").await;
    plane.submit("read").await;
    let request = json!({ "request_id": "r-1" });
    let (first, again) = (runner.claim(request.clone()).await, runner.claim(request).await);
    assert_eq!(
        first.job.as_ref().map(|job| (&job.id, job.attempt)),
        again.job.as_ref().map(|job| (&job.id, job.attempt))
    );
    assert_eq!(first.access, again.access);
    let other = runner.claim(json!({ "request_id": "r-2" })).await;
    assert_ne!(other.job.unwrap().id, first.job.unwrap().id);
}

#[tokio::test]
async fn the_answer_to_an_end_brings_the_next_job_and_brings_it_again() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let jobs = [plane.submit("read").await, plane.submit("read").await];
    let first = runner.claim(json!({})).await.job.unwrap();
    let ended = |status: &str| json!({ "status": status, "next": { "request_id": "r-1", "wait_s": 60 } });
    let running = runner.report(first.id.as_str(), ended("PROCESSING")).await;
    assert_eq!(running, json!({ "success": true }), "its slot is not free yet");
    let answer = runner.report(first.id.as_str(), ended("SUCCESS")).await;
    let again = runner.report(first.id.as_str(), ended("SUCCESS")).await;
    let next = &answer["claim"]["job"]["id"];
    assert!(jobs.iter().any(|id| next == id) && next != first.id.as_str(), "{answer}");
    assert_eq!(again["claim"]["job"]["id"], *next, "an answer that was lost is given again");
    assert_eq!((&answer["claim"]["job"]["attempt"], &again["claim"]["job"]["attempt"]), (&json!(1), &json!(1)));
    assert!(answer["claim"]["access"]["state_token"].is_string());
    // Nothing waits now, and nobody is made to wait for it.
    let end = json!({ "status": "SUCCESS", "next": { "request_id": "r-2", "wait_s": 60 } });
    assert_eq!(runner.report(next.as_str().unwrap(), end).await, json!({ "success": true }));
}

#[tokio::test]
async fn an_idle_claim_is_answered_without_a_job() {
    let plane = Plane::start_with(Timings { claim_wait: Duration::from_millis(50), ..Timings::default() }).await;
    let runner = plane.register("one").await;
    for (body, dialect) in
        [(None, ["X-Worker-ID", "X-Worker-Token"]), (Some("{\"wait_s\":60}"), ["X-Runner-ID", "X-Runner-Token"])]
    {
        let call = runner.client.post(format!("{}/api/jobs/claim", plane.origin));
        let call = call.header(dialect[0], &runner.id).header(dialect[1], &runner.token).body(body.unwrap_or_default());
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.unwrap()["job"], Value::Null);
    }
}

#[tokio::test]
async fn of_fifty_parked_claims_one_is_answered_by_each_job() {
    let plane = Plane::start().await;
    let mut parked = JoinSet::new();
    for number in 0..50 {
        let runner = plane.register(&format!("runner {number}")).await;
        parked.spawn(async move { runner.claim(json!({ "wait_s": 60, "kinds": ["read"] })).await });
    }
    // A kind that none of them runs answers nobody.
    plane.submit("change").await;
    let mut jobs = vec![plane.submit("read").await, plane.submit("read").await];
    let mut claimed = vec![];
    for _ in 0..2 {
        claimed.push(parked.join_next().await.unwrap().unwrap().job.unwrap().id.to_string());
    }
    jobs.sort();
    claimed.sort();
    assert_eq!(claimed, jobs);
    assert!(parked.try_join_next().is_none());
}

#[tokio::test]
async fn a_request_sent_twice_at_once_is_given_one_job() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    for round in 0..20 {
        let request = json!({ "request_id": format!("r-{round}"), "wait_s": 60 });
        let (first, second) = (runner.clone(), runner.clone());
        let (one, two) = (request.clone(), request);
        let first = tokio::spawn(async move { first.claim(one).await.job });
        let second = tokio::spawn(async move { second.claim(two).await.job });
        let job = plane.submit("read").await;
        // The earlier one may be sent home without a job, because nobody listens to it any more.
        let given: Vec<_> = [first.await.unwrap(), second.await.unwrap()].into_iter().flatten().collect();
        assert!(!given.is_empty());
        assert!(given.iter().all(|given| (given.id.as_str(), given.attempt) == (job.as_str(), 1)), "{given:?}");
    }
}

#[tokio::test]
async fn a_draining_runner_is_given_nothing_and_is_in_nobodys_way() {
    let plane = Plane::start().await;
    let (drained, leaving, other) =
        (plane.register("drained").await, plane.register("leaving").await, plane.register("other").await);
    drained.heartbeat(json!({ "protocol": 2 })).await;
    assert_eq!(plane.post(&format!("/api/runners/{}/drain", drained.id)).await, StatusCode::OK);
    leaving.heartbeat(json!({ "protocol": 2, "status": "DRAINING" })).await;
    let mut parked = JoinSet::new();
    for runner in [&drained, &leaving] {
        let call = runner.call(reqwest::Method::POST, "/api/jobs/claim").json(&json!({ "wait_s": 60 }));
        parked.spawn(call.send());
        plane.heard_of(runner).await;
    }
    let mine = tokio::spawn(async move { other.claim(json!({ "wait_s": 60 })).await });
    let job = plane.submit("read").await;
    assert_eq!(mine.await.unwrap().job.unwrap().id.to_string(), job);
    assert!(parked.try_join_next().is_none());
    let waiting = plane.submit("read").await;
    assert_eq!(plane.job(&waiting).await["status"], "QUEUED");
}

#[tokio::test]
async fn a_parked_claim_of_a_token_that_was_replaced_is_sent_home() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let old = runner.clone();
    let parked = tokio::spawn(async move { old.claim(json!({ "wait_s": 60 })).await });
    plane.heard_of(&runner).await;
    let path = format!("/api/runners/{}/rotate-token", runner.id);
    let new: Value = plane.user(reqwest::Method::POST, &path).send().await.unwrap().json().await.unwrap();
    assert!(parked.await.unwrap().job.is_none());
    let old = runner.call(reqwest::Method::POST, "/api/jobs/claim").send().await.unwrap();
    assert_eq!(old.status(), StatusCode::UNAUTHORIZED);
    let job = plane.submit("read").await;
    let runner = plane.runner(&runner.id, new["runner_token"].as_str().unwrap());
    assert_eq!(runner.claim_id().await, job);
}

#[tokio::test]
async fn a_runner_is_given_what_fits_it() {
    let plane = Plane::start().await;
    let (one, two) = (plane.register("one").await, plane.register("two").await);
    let job = |more: Value| {
        let mut body = json!({ "job_type": "read", "config_snapshot": {} });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let assigned = plane.submit_as(job(json!({ "assigned_runner_id": two.id }))).await;
    let labelled = plane.submit_as(job(json!({ "labels": { "zone": "a" } }))).await;
    assert!(one.claim(json!({ "kinds": ["change"] })).await.job.is_none());
    assert!(one.claim(json!({ "labels": { "zone": "b" } })).await.job.is_none());
    let explained = plane.get(&format!("/api/jobs/{labelled}/explain")).await;
    assert_eq!(explained["status"], "QUEUED");
    let verdict = |name: &str| {
        let runners = explained["runners"].as_array().unwrap();
        runners.iter().find(|runner| runner["name"] == name).unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    assert!(verdict("one").contains("lacks the label zone=a"), "{explained}");
    assert!(verdict("two").contains("offline"), "{explained}");
    assert_eq!(two.claim_id().await, assigned);
    let given = one.claim(json!({ "labels": { "zone": "a" } })).await.job.unwrap();
    assert_eq!(given.id.to_string(), labelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_storm_each_job_is_run_once_and_none_is_forgotten() {
    const JOBS: usize = 200;
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let mut slots = JoinSet::new();
    for slot in 0..8 {
        let runner = runner.clone();
        slots.spawn(async move {
            let mut done = vec![];
            for round in 0.. {
                let request = json!({ "request_id": format!("{slot}-{round}"), "wait_s": 3 });
                let Some(job) = runner.claim(request).await.job else { break };
                assert_eq!(job.attempt, 1, "it was given out and forgotten");
                assert_eq!(runner.status(job.id.as_str(), 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
                done.push(job.id.to_string());
            }
            done
        });
    }
    let mut submitted = JoinSet::new();
    for _ in 0..4 {
        let body = json!({ "job_type": "read", "config_snapshot": {} });
        let call = plane.user(reqwest::Method::POST, "/api/jobs").json(&body);
        submitted.spawn(async move {
            for _ in 0..JOBS / 4 {
                let answer = call.try_clone().unwrap().send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::CREATED);
            }
        });
    }
    submitted.join_all().await;
    let mut done: Vec<_> = slots.join_all().await.into_iter().flatten().collect();
    done.sort();
    done.dedup();
    // Nobody waited for more than the three seconds in which a slot found nothing.
    assert_eq!(done.len(), JOBS);
}
