//! A runner that is registered again while it works, as the contract's platform does: it ends what it has, and is given no more.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::{Plane, Runner};

/// The runner under its new token.
async fn register(plane: &Plane) -> (StatusCode, Runner) {
    let body = json!({ "name": "shared", "mode": "cloud-hosted" });
    let (status, answer) = plane.ask(&plane.admin, Method::POST, "/api/runners/register", &body).await;
    let id = answer["runner"]["id"].as_str().unwrap();
    (status, plane.runner(id, answer["runner_token"].as_str().unwrap()))
}

/// What it may only do with the token that it has now.
async fn is_nobody_else(old: &Runner) {
    let own = format!("/api/runners/{}", old.id);
    for (method, path) in [
        (Method::POST, "/api/jobs/claim".to_owned()),
        (Method::POST, format!("{own}/rotate-token?force=true")),
        (Method::DELETE, own.clone()),
        (Method::GET, format!("{own}/events")),
        (Method::POST, "/api/platform/queue".to_owned()),
    ] {
        let answer = old.call(method, &path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn it_ends_its_job_with_the_token_that_it_had_and_is_given_no_other() {
    let plane = Plane::start().await;
    let (status, old) = register(&plane).await;
    assert_eq!(status, StatusCode::CREATED);
    let job = plane.submit("change").await;
    old.claim_id().await;
    assert_eq!(old.commit(&job, 1).await, StatusCode::OK);
    let waits = plane.submit("read").await;
    for _ in 0..2 {
        assert_eq!(register(&plane).await.0, StatusCode::OK);
    }
    // It is known to be so after a restart, too.
    let plane = plane.restart().await;
    let (_, new) = register(&plane).await;
    let old = plane.runner(&old.id, &old.token);
    is_nobody_else(&old).await;
    assert_eq!(old.append(&job, 1, 0, "x\n").await, StatusCode::OK);
    let artifact = old.call(Method::PUT, &format!("/api/jobs/{job}/artifacts/a")).body("x").send().await.unwrap();
    assert_eq!(artifact.status(), StatusCode::OK);
    let read = old.call(Method::GET, &format!("/api/jobs/{job}/artifacts/a")).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    let held = json!({ "protocol": 2, "jobs": [{ "id": job, "attempt": 1 }] });
    assert_eq!(old.heartbeat(held.clone()).await["success"], true);
    let end = json!({ "status": "SUCCESS", "next": { "request_id": "q" } });
    assert_eq!(old.report(&job, end).await["claim"], Value::Null, "it is given no other job");
    assert_eq!(plane.job(&job).await["status"], "SUCCESS");
    is_nobody_else(&old).await;
    let late = old.call(Method::POST, "/api/workers/heartbeat").json(&held).send().await.unwrap();
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED, "it holds nothing any more");
    assert_eq!(new.claim_id().await, waits);
    assert_eq!(old.append(&waits, 1, 0, "x\n").await, StatusCode::UNAUTHORIZED, "not its job");
}

#[tokio::test]
async fn a_token_that_is_ended_finishes_nothing() {
    let plane = Plane::start().await;
    let (_, old) = register(&plane).await;
    let job = plane.submit("change").await;
    old.claim_id().await;
    let (_, newer) = register(&plane).await;
    assert_eq!(old.append(&job, 1, 0, "x\n").await, StatusCode::OK);
    let ended = newer.call(Method::POST, &format!("/api/runners/{}/rotate-token?force=true", old.id)).send().await;
    assert_eq!(ended.unwrap().status(), StatusCode::OK);
    for gone in [old, newer] {
        assert_eq!(gone.append(&job, 1, 2, "y\n").await, StatusCode::UNAUTHORIZED);
    }
}
