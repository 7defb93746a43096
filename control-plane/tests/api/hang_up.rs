//! Clients that go away in the middle of a claim. Nothing is lost by it.

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::plane::{Plane, Runner};

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
        let held = tokio::time::timeout(crate::plane::SOON, held).await.expect("somebody is given the job");
        if held == two.id {
            assert_eq!(waiting.await.unwrap().job.unwrap().id.to_string(), job);
        } else {
            waiting.abort();
        }
        let holder = if held == two.id { &two } else { &one };
        assert_eq!(holder.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    }
}
