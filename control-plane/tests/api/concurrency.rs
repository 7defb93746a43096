//! Two jobs that work on the same thing never run at once.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::plane::{Plane, Runner, SOON};

async fn claim(runner: &Runner, wait_s: u64) -> Option<String> {
    let request = json!({ "request_id": wire::JobId::generate(), "wait_s": wait_s });
    Some(runner.claim(request).await.job?.id.to_string())
}

fn on(key: &str) -> Value {
    json!({ "job_type": "read", "config_snapshot": {}, "concurrency_key": key })
}

#[tokio::test]
async fn the_second_job_on_a_thing_waits_for_the_first_and_says_so() {
    let plane = Plane::start().await;
    let (one, two) = (plane.register("one").await, plane.register("two").await);
    let first = plane.submit_as(on("network")).await;
    let second = plane.submit_as(on("network")).await;
    let other = plane.submit_as(on("dns")).await;
    assert_eq!(claim(&one, 0).await.unwrap(), first);
    assert_eq!(claim(&two, 0).await.unwrap(), other, "the one that works on something else overtakes it");
    assert_eq!(claim(&two, 0).await, None);
    let why = plane.get(&format!("/api/jobs/{second}/explain")).await["summary"].as_str().unwrap().to_owned();
    assert_eq!(why, format!("job {first} (read) works on the same thing: network"));

    let parked = tokio::spawn(async move { claim(&two, 9).await });
    let third = plane.submit_as(on("network")).await;
    assert_eq!(one.status(&first, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    let given = tokio::time::timeout(SOON, parked).await.expect("the claim is answered").unwrap();
    assert_eq!(given.unwrap(), second, "in the order of submission");
    let why = plane.get(&format!("/api/jobs/{third}/explain")).await["summary"].as_str().unwrap().to_owned();
    assert!(why.starts_with(&format!("job {second} ")), "{why}");
}

/// Nobody can take the first that waits, and so it is in nobody's way.
#[tokio::test]
async fn a_job_that_nobody_can_take_keeps_no_other_from_its_thing() {
    let plane = Plane::start().await;
    let (one, two) = (plane.register("one").await, plane.register("two").await);
    let first = plane.submit_as(on("network")).await;
    assert_eq!(claim(&one, 0).await.unwrap(), first);
    let mut rare = on("network");
    rare["labels"] = json!({ "gpu": "yes" });
    let rare = plane.submit_as(rare).await;
    let plain = plane.submit_as(on("network")).await;

    let claims = two.clone();
    let parked = tokio::spawn(async move { claim(&claims, 9).await });
    plane.heard_of(&two).await;
    assert_eq!(one.status(&first, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    let given = tokio::time::timeout(SOON, parked).await.expect("the claim is answered").unwrap();
    assert_eq!(given.expect("it is woken for the second"), plain);
    assert_eq!(two.status(&plain, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);

    let next = plane.submit_as(on("network")).await;
    let explained = plane.get(&format!("/api/jobs/{next}/explain")).await;
    assert_eq!(explained["summary"], "2 runner(s) can take this job", "job {rare} blocks nobody");
}

#[tokio::test]
async fn a_cancelled_job_lets_the_next_go_and_a_lost_one_keeps_its_place() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let first = plane.submit_as(on("network")).await;
    let second = plane.submit_as(on("network")).await;
    let third = plane.submit_as(on("network")).await;
    assert_eq!(plane.post(&format!("/api/jobs/{first}/cancel")).await, StatusCode::OK);
    assert_eq!(claim(&runner, 0).await.unwrap(), second);
    assert_eq!(runner.status(&second, 1, json!({ "status": "CANCELLED" })).await, StatusCode::OK);
    assert_eq!(claim(&runner, 0).await.unwrap(), third);
}

#[tokio::test]
async fn a_kind_says_what_its_jobs_work_on_and_a_retry_works_on_the_same() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let kind = json!({ "kind": "own", "summary": "", "schema": {}, "loss": "requeue", "timeout_s": 1, "grace_s": 1,
                       "exclusive": { "thing": "environment", "pointers": ["/name", "/stage"] } });
    runner.heartbeat(json!({ "protocol": 2, "kinds": [kind] })).await;
    let key = async |payload: Value| {
        let job = plane.submit_as(json!({ "job_type": "own", "config_snapshot": payload })).await;
        plane.job(&job).await["concurrency_key"].clone()
    };
    assert_eq!(key(json!({ "name": "a", "stage": "b" })).await, json!("environment [\"a\",\"b\"]"));
    assert_eq!(key(json!({ "name": "a" })).await, Value::Null);
    let job = claim(&runner, 0).await.unwrap();
    assert_eq!(runner.status(&job, 1, json!({ "status": "FAILED" })).await, StatusCode::OK);
    let again = plane.user(reqwest::Method::POST, &format!("/api/jobs/{job}/retry")).send().await.unwrap();
    assert_eq!(again.json::<Value>().await.unwrap()["job"]["concurrency_key"], json!("environment [\"a\",\"b\"]"));
}

#[tokio::test]
async fn organisations_do_not_wait_for_each_other() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let made = json!({ "name": "hers" });
    let hers = plane.user_with(&eve, reqwest::Method::POST, "/api/runners/register").json(&made).send().await.unwrap();
    let hers: Value = hers.json().await.unwrap();
    let hers = plane.runner(hers["runner"]["id"].as_str().unwrap(), hers["runner_token"].as_str().unwrap());
    let ours = plane.register("ours").await;
    plane.submit_as(on("network")).await;
    plane.user_with(&eve, reqwest::Method::POST, "/api/jobs").json(&on("network")).send().await.unwrap();
    assert!(claim(&ours, 0).await.is_some());
    assert!(claim(&hers, 0).await.is_some());
}
