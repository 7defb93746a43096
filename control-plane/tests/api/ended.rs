//! A runner is given a job, or removed, or given another token; never two of them.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::plane::{Plane, Runner, SOON};

/// A new runner whose claim waits at the plane.
async fn parked(plane: &Plane, name: &str) -> (Runner, tokio::task::JoinHandle<Option<wire::Job>>) {
    let runner = plane.register(name).await;
    let claim = runner.clone();
    let claim = tokio::spawn(async move { claim.claim(json!({ "request_id": "q", "wait_s": 60 })).await.job });
    plane.heard_of(&runner).await;
    (runner, claim)
}

/// Gives a runner a job while `end` ends what it was.
async fn race(end: impl AsyncFn(&Plane, &Runner) -> (StatusCode, String)) {
    let plane = Plane::start().await;
    for round in 0..50 {
        let (runner, claim) = parked(&plane, &format!("r-{round}")).await;
        let (job, (status, said)) = tokio::join!(plane.submit("read"), end(&plane, &runner));
        let claim = tokio::time::timeout(SOON, claim).await.expect("the claim is answered").unwrap();
        match (claim, status) {
            (Some(claim), StatusCode::CONFLICT) => {
                assert_eq!(claim.id.as_str(), job);
                assert!(said.contains(&format!("holds job {job}")), "{said}");
                assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
            }
            (None, StatusCode::OK) => {
                assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::UNAUTHORIZED);
                assert_eq!(plane.job(&job).await["status"], "QUEUED");
                assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel")).await, StatusCode::OK);
            }
            (claim, status) => panic!("round {round}: {claim:?} and {status}: {said}"),
        }
    }
}

async fn answer(call: reqwest::RequestBuilder) -> (StatusCode, String) {
    let answer = call.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_is_given_a_job_or_removed() {
    race(async |plane, runner| answer(plane.user(Method::DELETE, &format!("/api/runners/{}", runner.id))).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_is_given_a_job_or_another_token() {
    race(async |plane, runner| {
        answer(plane.user(Method::POST, &format!("/api/runners/{}/rotate-token", runner.id))).await
    })
    .await;
}
