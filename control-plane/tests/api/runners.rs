//! What the plane and its runners say to each other beside jobs.

use std::time::Duration;

use control_plane::Timings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::{Plane, SOON};

#[tokio::test]
async fn a_cancel_reaches_the_runner_and_stops_the_commit_point() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("change").await;
    runner.claim_id().await;
    let mut events = runner.events().await;
    assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel")).await, StatusCode::OK);
    let order = |force: bool| json!({ "job_id": job, "attempt": 1, "force": force });
    events.until(&format!("event: cancel\ndata: {}\n", order(false))).await;
    let again = runner.events().await;
    assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel?force=true")).await, StatusCode::OK);
    for mut events in [events, again] {
        // Who connects later is told too.
        events.until(&format!("event: cancel\ndata: {}\n", order(true))).await;
    }
    let held = json!({ "protocol": 2, "jobs": [{ "id": job, "attempt": 1 }] });
    assert_eq!(runner.heartbeat(held).await["cancel"][0]["job_id"], json!(job));
    assert_eq!(runner.commit(&job, 1).await, StatusCode::CONFLICT);
    assert_eq!(runner.status(&job, 1, json!({ "status": "CANCELLED" })).await, StatusCode::OK);
    assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel")).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_second_state_directory_is_refused_while_the_first_lives() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    runner.heartbeat(json!({ "protocol": 2, "instance_id": "a" })).await;
    let beat = |instance: &str, status: &str| {
        let body = json!({ "protocol": 2, "instance_id": instance, "status": status });
        runner.call(Method::POST, "/api/workers/heartbeat").json(&body).send()
    };
    assert_eq!(beat("b", "ONLINE").await.unwrap().status(), StatusCode::CONFLICT);
    assert_eq!(beat("a", "ONLINE").await.unwrap().status(), StatusCode::OK);
    assert_eq!(beat("a", "OFFLINE").await.unwrap().status(), StatusCode::OK);
    assert_eq!(beat("b", "ONLINE").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn another_runner_learns_and_changes_nothing() {
    let plane = Plane::start().await;
    let (one, two) = (plane.register("one").await, plane.register("two").await);
    let job = plane.submit("read").await;
    one.claim_id().await;
    assert_eq!(two.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::FORBIDDEN);
    assert_eq!(two.append(&job, 1, 0, "x\n").await, StatusCode::FORBIDDEN);
    for path in ["", "/logs", "/log", "/artifacts/terraform.plan.out", "/plan-artifact"] {
        let answer = two.call(Method::GET, &format!("/api/jobs/{job}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let token = two.call(Method::POST, &format!("/api/jobs/{job}/git-token")).send().await.unwrap();
    assert_eq!(token.status(), StatusCode::FORBIDDEN);
    let other =
        two.call(Method::PATCH, &format!("/api/workers/{}/metadata", one.id)).json(&json!({})).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    let stolen = plane.runner(&one.id, &two.token);
    assert_eq!(stolen.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::UNAUTHORIZED);
    assert_eq!(plane.job(&job).await["status"], "CLAIMED");
}

#[tokio::test]
async fn a_drain_is_told_and_over_when_the_runner_has_left() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let beat = async |status: &str| runner.heartbeat(json!({ "protocol": 2, "status": status })).await;
    assert_eq!(beat("ONLINE").await["drain"], false);
    let mut events = runner.events().await;
    assert_eq!(plane.post(&format!("/api/runners/{}/drain", runner.id)).await, StatusCode::OK);
    events.until("event: drain").await;
    assert_eq!(beat("DRAINING").await["drain"], true);
    assert_eq!(plane.get(&format!("/api/runners/{}", runner.id)).await["status"], "DRAINING");
    beat("OFFLINE").await;
    assert_eq!(plane.get(&format!("/api/runners/{}", runner.id)).await["status"], "OFFLINE");
    assert_eq!(beat("ONLINE").await["drain"], false);
    let job = plane.submit("read").await;
    assert_eq!(runner.claim_id().await, job);
}

#[tokio::test]
async fn a_drain_is_for_who_is_there() {
    let online = Duration::from_millis(50);
    let plane = Plane::start_with(Timings { online, ..Timings::default() }).await;
    let runner = plane.register("one").await;
    let (path, drain) = (format!("/api/runners/{}", runner.id), format!("/api/runners/{}/drain", runner.id));
    let beat = async |instance: &str| runner.heartbeat(json!({ "protocol": 2, "instance_id": instance })).await;
    let is_gone = async || while plane.get(&path).await["status"] != "OFFLINE" {};
    let refused = plane.user(Method::POST, &drain).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let error = refused.json::<Value>().await.unwrap()["error"].as_str().unwrap().to_owned();
    assert_eq!(error, "runner \"one\" is offline and holds no job; there is nothing to drain");
    assert_eq!(beat("a").await["drain"], false, "its next start is not ended by it");

    let job = plane.submit("read").await;
    assert_eq!(runner.claim_id().await, job);
    is_gone().await;
    assert_eq!(plane.post(&drain).await, StatusCode::OK, "it holds a job");
    assert_eq!(beat("b").await["drain"], true, "and has it still");
    assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    assert_eq!(beat("b").await["drain"], true);
    is_gone().await;
    assert_eq!(beat("c").await["drain"], false, "who was asked went without a word");
}

#[tokio::test]
async fn what_a_runner_says_it_offers_counts_for_jobs_that_wait() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let kind = json!({ "kind": "read", "summary": "", "schema": {}, "loss": "requeue", "timeout_s": 1, "grace_s": 1 });
    let publish = async |labels: Value| {
        runner.heartbeat(json!({ "protocol": 2, "instance_id": "a", "kinds": [kind], "labels": labels })).await;
        plane.get(&format!("/api/runners/{}", runner.id)).await["labels"].clone()
    };
    assert_eq!(publish(json!({ "gpu": "yes" })).await, json!({ "gpu": "yes" }));
    let held = plane.submit("read").await;
    assert_eq!(runner.claim_id().await, held);
    let labelled = json!({ "job_type": "read", "config_snapshot": {}, "labels": { "gpu": "yes" } });
    let waits = plane.submit_as(labelled).await;
    let verdict = async || plane.get(&format!("/api/jobs/{waits}/explain")).await["runners"][0]["verdict"].clone();
    assert_eq!(verdict().await, "runs 1 other job(s) and takes this one when a slot is free");
    assert_eq!(publish(json!({})).await, json!({}), "it was started again without");
    assert_eq!(verdict().await, "lacks the label gpu=yes");

    publish(json!({ "gpu": "some" })).await;
    let plane = plane.restart().await;
    assert_eq!(plane.get(&format!("/api/runners/{}", runner.id)).await["labels"], json!({ "gpu": "some" }));
}

#[tokio::test]
async fn a_runner_is_online_for_a_while_after_its_last_sign_of_life() {
    let online = Duration::from_millis(50);
    let plane = Plane::start_with(Timings { online, ..Timings::default() }).await;
    let runner = plane.register("one").await;
    let path = format!("/api/runners/{}", runner.id);
    assert_eq!(plane.get(&path).await["status"], "OFFLINE", "it was never heard of");
    runner.heartbeat(json!({ "version": "1.2.3" })).await;
    let heard = plane.get(&path).await["last_heartbeat"].clone();
    assert!(heard.is_string());
    let silent = async { while plane.get(&path).await["status"] == "ONLINE" {} };
    tokio::time::timeout(SOON, silent).await.expect("a silent runner is offline");
    assert_eq!(plane.get(&path).await["last_heartbeat"], heard);
}

#[tokio::test]
async fn a_removed_runner_is_sent_away_at_once() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    let path = format!("/api/runners/{}", runner.id);
    let busy = plane.user(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(busy.status(), StatusCode::CONFLICT, "it holds a job");
    runner.status(&job, 1, json!({ "status": "SUCCESS" })).await;
    let events = runner.events().await;
    assert_eq!(plane.user(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::OK);
    events.closed_within(SOON).await;
    assert_eq!(
        runner.call(Method::GET, &format!("{path}/events")).send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(plane.user(Method::GET, &path).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(plane.job(&job).await["status"], "SUCCESS");
}

#[tokio::test]
async fn a_replaced_token_ends_at_once() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let events = runner.events().await;
    let path = format!("/api/runners/{}/rotate-token", runner.id);
    let new: Value = runner.call(Method::POST, &path).send().await.unwrap().json().await.unwrap();
    events.closed_within(SOON).await;
    assert_eq!(runner.call(Method::POST, &path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let token = new["runner_token"].as_str().unwrap();
    assert_ne!(token, runner.token);
    plane.runner(&runner.id, token).events().await;
    let other = plane.register("two").await;
    assert_eq!(other.call(Method::POST, &path).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_token_is_replaced_in_the_middle_of_a_job_only_by_force() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("change").await;
    runner.claim_id().await;
    assert_eq!(runner.commit(&job, 1).await, StatusCode::OK);
    let path = format!("/api/runners/{}/rotate-token", runner.id);
    for call in [plane.user(Method::POST, &path), runner.call(Method::POST, &path)] {
        let refused = call.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::CONFLICT);
        let error = refused.json::<Value>().await.unwrap()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(&job) && error.contains("drain it first") && error.contains("--force"), "{error}");
    }
    assert_eq!(runner.append(&job, 1, 0, "x\n").await, StatusCode::OK, "its token is what it was");
    let (status, new) = plane.ask(&plane.admin, Method::POST, &format!("{path}?force=true"), &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(runner.append(&job, 1, 2, "y\n").await, StatusCode::UNAUTHORIZED);
    let again = plane.runner(&runner.id, new["runner_token"].as_str().unwrap());
    assert_eq!(again.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK, "the job is still its own");
}

#[tokio::test]
async fn kinds_are_what_runners_publish() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let body = json!({ "job_type": "own", "config_snapshot": { "must": 1 } });
    let submit = || async { plane.user(Method::POST, "/api/jobs").json(&body).send().await.unwrap().status() };
    assert_eq!(submit().await, StatusCode::BAD_REQUEST, "nobody knows it yet");
    let schema = json!({ "type": "object", "required": ["must"] });
    let kind = json!({ "kind": "own", "summary": "s", "schema": schema, "loss": "fail", "timeout_s": 1, "grace_s": 1 });
    runner.heartbeat(json!({ "protocol": 2, "kinds": [kind] })).await;
    assert_eq!(submit().await, StatusCode::CREATED);
    // The next heartbeats do not name them, and a restart changes nothing.
    runner.heartbeat(json!({ "protocol": 2 })).await;
    let plane = plane.restart().await;
    let known = plane.get("/api/kinds").await;
    let names: Vec<_> = known["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].clone()).collect();
    assert_eq!(names, [json!("CONNECTION_TEST"), json!("change"), json!("own"), json!("read")]);
    assert_eq!(plane.get("/api/kinds/own/schema").await, schema);
    assert_eq!(plane.user(Method::GET, "/api/kinds/none/schema").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_runner_reads_the_plan_of_the_job_that_it_holds_and_no_other() {
    let plane = Plane::start().await;
    let (planner, applier) = (plane.register("one").await, plane.register("two").await);
    let planned = plane.submit("read").await;
    planner.claim_id().await;
    planner.status(&planned, 1, json!({ "status": "SUCCESS" })).await;
    let read = async || applier.call(Method::GET, &format!("/api/jobs/{planned}")).send().await.unwrap().status();
    assert_eq!(read().await, StatusCode::NOT_FOUND);
    let applies = json!({ "job_type": "change", "config_snapshot": {}, "plan_job_id": planned });
    let apply = plane.submit_as(applies).await;
    assert_eq!(applier.claim_id().await, apply);
    assert_eq!(read().await, StatusCode::OK);
    applier.status(&apply, 1, json!({ "status": "FAILED" })).await;
    assert_eq!(read().await, StatusCode::NOT_FOUND, "it holds the job no more");
}
