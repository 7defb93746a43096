//! Clients that go away in the middle of a claim, or of what they wanted changed. Nothing is lost by it.

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plane::{Plane, Runner, SOON};
use crate::runner_work::with_a_runner;

/// Sends a claim, and does not wait for its answer.
async fn ask(runner: &Runner, request_id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(runner.origin.strip_prefix("http://").unwrap()).await.unwrap();
    let body = json!({ "request_id": request_id, "wait_s": 60 }).to_string();
    let request = format!(
        "POST /api/jobs/claim HTTP/1.1\r\nhost: plane\r\nx-worker-id: {}\r\nx-worker-token: {}\r\n\
         content-length: {}\r\n\r\n{body}",
        runner.id,
        runner.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_runner_that_hung_up_while_it_was_given_a_job_gets_it_again_and_can_run_it() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    for round in 0..40 {
        let request_id = format!("r-{round}");
        let asked = ask(&runner, &request_id).await;
        let job = plane.submit("read").await;
        // Now the claim is woken, takes the job, or has answered: in each round somewhere else.
        drop(asked);
        let again = runner.claim(json!({ "request_id": request_id, "wait_s": 60 })).await.job.unwrap();
        assert_eq!((again.id.to_string(), again.attempt), (job.clone(), 1));
        assert_eq!(runner.append(&job, 1, 0, "hello\n").await, StatusCode::OK);
        assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_job_whose_first_claim_hung_up_goes_to_the_next() {
    let plane = Plane::start().await;
    let (one, two) = (plane.register("one").await, plane.register("two").await);
    for round in 0..20 {
        let asked = ask(&one, &format!("r-{round}")).await;
        drop(asked);
        let waiting = {
            let two = two.clone();
            tokio::spawn(async move { two.claim(json!({ "wait_s": 60 })).await })
        };
        let job = plane.submit("read").await;
        // If the one that went away was given the job after all, it is the one that has it.
        let held = async {
            loop {
                let shown = plane.job(&job).await;
                if shown["status"] == "CLAIMED" {
                    break shown["runner_id"].as_str().unwrap().to_owned();
                }
            }
        };
        let held = tokio::time::timeout(SOON, held).await.expect("somebody is given the job");
        if held == two.id {
            assert_eq!(waiting.await.unwrap().job.unwrap().id.to_string(), job);
        } else {
            waiting.abort();
        }
        let holder = if held == two.id { &two } else { &one };
        assert_eq!(holder.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_busy_runner_that_somebody_wanted_to_destroy_and_hung_up_finishes_and_is_given_more() {
    let plane = Plane::start().await;
    let (_, fresh, identity) = with_a_runner(&plane).await;
    let read = json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": identity });
    let (held, waits) = (plane.submit_as(read.clone()).await, plane.submit_as(read).await);
    let request = || json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] });
    assert_eq!(fresh.claim(request()).await.job.unwrap().id.as_str(), held);
    // Another writer holds the database, so that the caller goes away before the answer.
    let file = plane.folder.path().join("data/plane.db");
    let mut backup = sqlx::SqlitePool::connect(&file.display().to_string()).await.unwrap().acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *backup).await.unwrap();
    let body = json!({ "job_type": "DESTROY_RUNNER", "config_snapshot": { "runner_id": fresh.id } }).to_string();
    let mut asked = TcpStream::connect(plane.origin.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /api/jobs HTTP/1.1\r\nhost: plane\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        plane.admin,
        body.len()
    );
    asked.write_all((head + &body).as_bytes()).await.unwrap();
    let explain = format!("/api/jobs/{waits}/explain");
    let leaves = async { while !plane.get(&explain).await.to_string().contains("is being taken away") {} };
    tokio::time::timeout(SOON, leaves).await.expect("its destruction is about to be kept");
    asked.shutdown().await.unwrap();
    assert_eq!(asked.read(&mut [0]).await.unwrap(), 0, "nobody waits for the answer any more");
    sqlx::query("ROLLBACK").execute(&mut *backup).await.unwrap();
    let busy = json!({ "protocol": 2, "jobs": [{ "id": held, "attempt": 1 }] });
    let drains = async { while fresh.heartbeat(busy.clone()).await["drain"] != true {} };
    tokio::time::timeout(SOON, drains).await.expect("it is told to finish");
    assert_eq!(fresh.status(&held, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    for status in ["OFFLINE", "ONLINE"] {
        fresh.heartbeat(json!({ "protocol": 2, "status": status })).await;
    }
    assert_eq!(fresh.claim(request()).await.job.unwrap().id.as_str(), waits, "it is not being taken away");
}
