//! Archives that jobs run from: whose they are, and which runner fetches them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::Plane;

#[tokio::test]
async fn an_archive_is_for_the_runner_that_holds_a_job_which_names_it() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let runner = plane.register("one").await;
    let packed = vec![0x1f, 0x8b, 8, 0];
    let uploaded = plane.user(Method::POST, "/api/sources").body(packed).send().await.unwrap();
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let id = uploaded.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/sources/{id}");
    let fetched = async || runner.call(Method::GET, &path).send().await.unwrap().status();
    assert_eq!(fetched().await, StatusCode::NOT_FOUND, "it holds no job");
    for (said, expected) in [
        (format!("not {id}"), StatusCode::NOT_FOUND),
        (id.clone(), StatusCode::OK),
        (id.to_uppercase(), StatusCode::OK),
    ] {
        let job = plane.submit_as(json!({ "job_type": "read", "config_snapshot": { "list": ["x", said] } })).await;
        assert_eq!(runner.claim_id().await, job);
        assert_eq!(fetched().await, expected, "{said}");
        assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
        assert_eq!(fetched().await, StatusCode::NOT_FOUND, "it holds the job no more");
    }
    let hers = plane.user_with(&eve, Method::GET, &path).send().await.unwrap();
    assert_eq!(hers.status(), StatusCode::NOT_FOUND);
}
