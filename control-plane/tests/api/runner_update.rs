//! A deployed runner that is given another image: which one, and who may.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::{Plane, Runner};
use crate::runner_work::{with_a_runner, work};

async fn update(plane: &Plane, token: &str, runner: &str, body: &Value) -> (StatusCode, Value) {
    plane.ask(token, Method::POST, &format!("/api/runners/{runner}/update"), body).await
}

/// A deployer and a runner that runs an image of its own.
async fn with_an_image(plane: &Plane) -> (Runner, Runner) {
    let (deployer, fresh, _) = with_a_runner(plane).await;
    let (status, answer) = update(plane, &plane.admin, &fresh.id, &json!({ "image_tag": "v1" })).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let config = json!({ "region": "eu-north-1", "image_repository": "own/alethia", "image_tag": "v1" });
    work(&deployer, "UPDATE_RUNNER", json!({ "status": "SUCCESS", "execution_metadata": { "deploy_config": config } }))
        .await;
    (deployer, fresh)
}

#[tokio::test]
async fn a_runner_goes_to_the_image_that_is_named_or_to_the_planes() {
    let plane = Plane::start_with_image("host:5000/alethia:v7").await;
    let (deployer, fresh) = with_an_image(&plane).await;
    let digest = format!("sha256:{}", "a".repeat(64));
    for (body, repository, tag) in [
        (json!({}), "host:5000/alethia", "v7"),
        (json!({ "image_repository": null, "image_tag": null }), "host:5000/alethia", "v7"),
        (json!({ "image_tag": "v2" }), "own/alethia", "v2"),
        (json!({ "image_repository": "x/y" }), "x/y", "latest"),
        (json!({ "image_repository": "x/y", "image_tag": digest }), "x/y", &digest),
    ] {
        let (status, answer) = update(&plane, &plane.admin, &fresh.id, &body).await;
        assert_eq!((status, &answer["job"]["job_type"]), (StatusCode::CREATED, &json!("UPDATE_RUNNER")), "{answer}");
        let job = work(&deployer, "UPDATE_RUNNER", json!({ "status": "SUCCESS" })).await;
        let payload = &job.config_snapshot;
        assert_eq!((&payload["image_repository"], &payload["image_tag"]), (&json!(repository), &json!(tag)), "{body}");
        assert_eq!((&payload["runner_id"], &payload["region"]), (&json!(fresh.id), &json!("eu-north-1")));
        assert!(payload.get("runner_token").is_none(), "it keeps the token that it has");
        assert!(job.cloud_identity_id.is_some(), "as who it was deployed");
    }
}

#[tokio::test]
async fn what_cannot_be_updated_is_refused_at_once() {
    let plane = Plane::start().await;
    let (deployer, fresh) = with_an_image(&plane).await;
    let admin = plane.admin.clone();
    let (status, refused) = update(&plane, &admin, &fresh.id, &json!({})).await;
    assert_eq!((status, &refused["pointer"]), (StatusCode::BAD_REQUEST, &json!("/image_repository")), "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("--runner-image"), "{refused}");
    let tag = json!({ "image_tag": "v2" });
    let by_hand = update(&plane, &admin, &deployer.id, &tag).await;
    assert_eq!(by_hand.0, StatusCode::CONFLICT, "{}", by_hand.1);
    let nobody = json!({ "image_tag": "v2", "assigned_runner_id": "nobody" });
    let (status, refused) = update(&plane, &admin, &fresh.id, &nobody).await;
    assert_eq!((status, &refused["pointer"]), (StatusCode::BAD_REQUEST, &json!("/assigned_runner_id")), "{refused}");
    let (status, refused) = update(&plane, &admin, &fresh.id, &json!({ "image_tag": 7 })).await;
    assert_eq!((status, &refused["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/image_tag")), "{refused}");
    assert_eq!(update(&plane, &admin, &fresh.id, &json!("v2")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(update(&plane, &admin, "nobody", &tag).await.0, StatusCode::NOT_FOUND);
    let jobs = plane.get("/api/jobs?kind=UPDATE_RUNNER").await;
    assert_eq!(jobs["total"], 1, "nothing was queued but what deployed it: {jobs}");
}

/// Whoever asks × whose runner it is, against the rule for all other work on runners.
#[tokio::test]
async fn only_who_looks_after_a_runner_may_have_it_updated() {
    let plane = Plane::start().await;
    let (_, fresh) = with_an_image(&plane).await;
    let admin = plane.admin.clone();
    let (eve, colleague) = (plane.add_user("eve", "other").await, plane.add_user("colleague", "default").await);
    let tag = json!({ "image_tag": "v2" });
    for (token, expected) in [
        (&eve, StatusCode::NOT_FOUND),
        (&fresh.token, StatusCode::UNAUTHORIZED),
        (&"x".repeat(64), StatusCode::UNAUTHORIZED),
        (&colleague, StatusCode::CREATED),
        (&admin, StatusCode::CREATED),
    ] {
        assert_eq!(update(&plane, token, &fresh.id, &tag).await.0, expected);
    }
    let itself =
        fresh.call(Method::POST, &format!("/api/runners/{}/update", fresh.id)).json(&tag).send().await.unwrap();
    assert_eq!(itself.status(), StatusCode::UNAUTHORIZED, "nor does a runner replace itself");
    let shared = json!({ "name": "shared", "mode": "cloud-hosted" });
    let shared = plane.ask(&admin, Method::POST, "/api/runners/register", &shared).await.1;
    let shared = shared["runner_id"].as_str().unwrap();
    for (token, expected) in
        [(&colleague, StatusCode::NOT_FOUND), (&eve, StatusCode::NOT_FOUND), (&admin, StatusCode::CONFLICT)]
    {
        assert_eq!(update(&plane, token, shared, &tag).await.0, expected, "one that works for all");
    }
}
