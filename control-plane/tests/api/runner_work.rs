//! Runners that jobs deploy, change and take away: who may have that, what the plane adds, and what is left at the end.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::{Plane, Runner, SOON};

const ROLE: &str = "arn:aws:iam::123456789012:role/alethia";

async fn identity(plane: &Plane, token: &str) -> String {
    let init = plane.ask(token, Method::POST, "/api/cli/providers/aws/init", &json!({})).await.1;
    let id = init["identity_id"].as_str().unwrap().to_owned();
    let body = json!({ "identity_id": id, "credentials": { "role_arn": ROLE } });
    let (status, answer) = plane.ask(token, Method::POST, "/api/cli/providers/aws/connect", &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    id
}

async fn deploy(plane: &Plane, token: &str, body: &Value) -> (StatusCode, Value) {
    plane.ask(token, Method::POST, "/api/cli/runners/deploy", body).await
}

async fn submit(plane: &Plane, token: &str, kind: &str, payload: &Value) -> (StatusCode, Value) {
    let body = json!({ "job_type": kind, "config_snapshot": payload });
    plane.ask(token, Method::POST, "/api/jobs", &body).await
}

/// A runner makes the kinds known.
async fn publish(runner: &Runner) {
    let schema = json!({ "type": "object", "properties": { "cpu": { "type": ["integer", "null"] },
                         "runner_token": { "writeOnly": true }, "worker_token": { "writeOnly": true } } });
    let kind = |name| {
        json!({ "kind": name, "summary": "s", "schema": schema, "loss": "requeue_before_commit",
                              "timeout_s": 60, "grace_s": 1 })
    };
    let kinds =
        ["DEPLOY_RUNNER", "DEPLOY_WORKER", "UPDATE_RUNNER", "DESTROY_RUNNER", "DESTROY_WORKER", "read"].map(kind);
    assert_eq!(runner.heartbeat(json!({ "protocol": 2, "kinds": kinds })).await["success"], true);
}

/// Takes the next job of a kind, and ends it.
pub(crate) async fn work(runner: &Runner, kind: &str, report: Value) -> wire::Job {
    let request = json!({ "request_id": wire::JobId::generate(), "kinds": [kind] });
    let job = runner.claim(request).await.job.expect("a job waits");
    assert_eq!(runner.status(job.id.as_str(), 1, report).await, StatusCode::OK);
    job
}

fn deployed() -> Value {
    let config = json!({ "region": "eu-north-1", "cpu": 512, "runner_token": "leak", "cloud_identity_id": null });
    json!({ "status": "SUCCESS", "execution_metadata": { "deploy_config": config } })
}

/// A deployer at work, and a runner that it has deployed.
pub(crate) async fn with_a_runner(plane: &Plane) -> (Runner, Runner, String) {
    let deployer = plane.register("deployer").await;
    publish(&deployer).await;
    let identity = identity(plane, &plane.admin.clone()).await;
    let body = json!({ "name": "fresh", "cloud_identity_id": identity, "region": "eu-north-1", "cpu": 512,
                       "image_repository": "x/alethia" });
    let (status, answer) = deploy(plane, &plane.admin, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["job"]["config_snapshot"]["runner_token"], "(hidden)");
    let job = work(&deployer, "DEPLOY_RUNNER", deployed()).await;
    let token = job.config_snapshot["runner_token"].as_str().unwrap();
    assert!(!answer.to_string().contains(token) && !plane.job(job.id.as_str()).await.to_string().contains(token));
    let fresh = plane.runner(answer["runner"]["id"].as_str().unwrap(), token);
    (deployer, fresh, identity)
}

#[tokio::test]
async fn a_runner_is_deployed_updated_and_destroyed_without_being_described_again() {
    let plane = Plane::start().await;
    let (deployer, fresh, identity) = with_a_runner(&plane).await;
    let admin = plane.admin.clone();
    let shown = plane.get(&format!("/api/runners/{}", fresh.id)).await;
    assert_eq!(shown["deploy_config"], json!({ "region": "eu-north-1", "cpu": 512 }));
    assert_eq!((&shown["cloud_identity_id"], &shown["mode"]), (&json!(identity), &json!("self-hosted")));
    assert_eq!(fresh.heartbeat(json!({ "protocol": 2 })).await["success"], true, "it was given its own token");

    let update = json!({ "worker_id": fresh.id, "image_tag": "v2" });
    let (status, answer) = submit(&plane, &admin, "UPDATE_RUNNER", &update).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let request = json!({ "request_id": wire::JobId::generate(), "kinds": ["UPDATE_RUNNER"] });
    assert!(fresh.claim(request).await.job.is_none(), "nobody replaces themselves");
    let job = work(&deployer, "UPDATE_RUNNER", deployed()).await;
    assert_eq!(
        (&job.config_snapshot["region"], &job.config_snapshot["image_tag"]),
        (&json!("eu-north-1"), &json!("v2"))
    );
    assert_eq!(job.cloud_identity_id, Some(identity));

    let waits = json!({ "job_type": "read", "config_snapshot": {}, "assigned_runner_id": fresh.id });
    let waits = plane.submit_as(waits).await;
    let (status, first) = submit(&plane, &admin, "DESTROY_WORKER", &json!({ "worker_id": fresh.id })).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert_eq!(first["job"]["config_snapshot"]["region"], "eu-north-1");
    let key = first["job"]["concurrency_key"].clone();
    assert_eq!(key, json!(format!("runner [\"{}\"]", fresh.id)), "the same in both spellings");
    for kind in ["DESTROY_RUNNER", "UPDATE_RUNNER", "DEPLOY_RUNNER"] {
        let payload = json!({ "runner_id": fresh.id, "image_repository": "x/alethia" });
        let (status, refused) = submit(&plane, &admin, kind, &payload).await;
        assert_eq!(status, StatusCode::CONFLICT, "{refused}");
        assert!(refused["error"].as_str().unwrap().contains("takes runner \"fresh\" away already"), "{refused}");
    }
    let request = json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] });
    assert!(fresh.claim(request).await.job.is_none(), "who is taken away takes no more jobs");
    let why = plane.get(&format!("/api/jobs/{waits}/explain")).await;
    assert!(why.to_string().contains("is being taken away"), "{why}");

    work(&deployer, "DESTROY_WORKER", json!({ "status": "SUCCESS" })).await;
    let gone = plane.user(Method::GET, &format!("/api/runners/{}", fresh.id)).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let freed = work(&deployer, "read", json!({ "status": "SUCCESS" })).await;
    assert_eq!(freed.id.as_str(), waits, "what waited for it alone may be taken by another");
    assert_eq!(plane.job(&waits).await["execution_metadata"]["unassigned_from"], json!(fresh.id));
    let plane = plane.restart().await;
    let gone = plane.user(Method::GET, &format!("/api/runners/{}", fresh.id)).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_destruction_that_fails_leaves_the_runner_and_one_that_waits_outlives_the_plane() {
    let plane = Plane::start().await;
    let (deployer, fresh, identity) = with_a_runner(&plane).await;
    let admin = plane.admin.clone();
    let destroy = json!({ "runner_id": fresh.id });
    assert_eq!(submit(&plane, &admin, "DESTROY_RUNNER", &destroy).await.0, StatusCode::CREATED);
    let read = json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": identity });
    let read = plane.submit_as(read).await;
    let plane = plane.restart().await;
    let (deployer, fresh) = (plane.runner(&deployer.id, &deployer.token), plane.runner(&fresh.id, &fresh.token));
    let request = || json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] });
    assert!(fresh.claim(request()).await.job.is_none());
    let job = work(&deployer, "DESTROY_RUNNER", json!({ "status": "FAILED" })).await;
    assert_eq!(fresh.claim(request()).await.job.unwrap().id.as_str(), read, "it works again");

    let retry = plane.user(Method::POST, &format!("/api/jobs/{}/retry", job.id)).send().await.unwrap();
    assert_eq!(retry.status(), StatusCode::CONFLICT);
    let refused = retry.text().await.unwrap();
    assert!(refused.contains(&format!("holds job {read}; it drains now")), "an apply is not ended by us: {refused}");
    assert_eq!(fresh.heartbeat(json!({ "protocol": 2, "jobs": [{ "id": read, "attempt": 1 }] })).await["drain"], true);
    assert_eq!(fresh.status(&read, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    let retry = plane.user(Method::POST, &format!("/api/jobs/{}/retry", job.id)).send().await.unwrap();
    assert_eq!(retry.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_job_and_the_destruction_of_its_runner_are_never_taken_both() {
    let plane = Plane::start().await;
    let (deployer, fresh, identity) = with_a_runner(&plane).await;
    let read = json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": identity });
    let destroy = json!({ "runner_id": fresh.id });
    let request = json!({ "request_id": "q", "kinds": ["read"], "wait_s": 60 });
    let shown = format!("/api/runners/{}", fresh.id);
    for round in 0..50 {
        // Whatever it was asked for in the round before is done.
        fresh.heartbeat(json!({ "protocol": 2, "status": "OFFLINE" })).await;
        let claim = || {
            let (fresh, request) = (fresh.clone(), request.clone());
            async move { fresh.claim(request).await.job }
        };
        let parked = tokio::spawn(claim());
        let waits = async { while plane.get(&shown).await["status"] != "ONLINE" {} };
        tokio::time::timeout(SOON, waits).await.expect("it has come back");
        let (job, (destroyed, said)) =
            tokio::join!(plane.submit_as(read.clone()), submit(&plane, &plane.admin, "DESTROY_RUNNER", &destroy));
        let is_held = plane.job(&job).await["status"] != "QUEUED";
        let expected = if is_held { StatusCode::CONFLICT } else { StatusCode::CREATED };
        assert_eq!(destroyed, expected, "round {round}: {said}");
        if !is_held {
            work(&deployer, "DESTROY_RUNNER", json!({ "status": "FAILED" })).await;
        }
        let given = match parked.await.unwrap() {
            Some(given) => given,
            // It was sent home as somebody who is taken away.
            None => claim().await.expect("it stays"),
        };
        assert_eq!(given.id.as_str(), job);
        assert_eq!(fresh.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_a_job_made_is_not_forgotten_by_accident() {
    let plane = Plane::start().await;
    let (_, fresh, _) = with_a_runner(&plane).await;
    let path = format!("/api/runners/{}", fresh.id);
    let refused = plane.user(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.text().await.unwrap().contains("DESTROY_RUNNER"));
    let removed = plane.user(Method::DELETE, &format!("{path}?force=true")).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::OK);
    let by_hand = plane.register("by-hand").await;
    let (status, refused) = submit(&plane, &plane.admin, "DESTROY_RUNNER", &json!({ "runner_id": by_hand.id })).await;
    assert_eq!(
        (status, &refused["pointer"]),
        (StatusCode::BAD_REQUEST, &json!("/config_snapshot/region")),
        "{refused}"
    );
    let imageless = json!({ "runner_id": by_hand.id, "region": "eu-north-1" });
    let (status, refused) = submit(&plane, &plane.admin, "DEPLOY_WORKER", &imageless).await;
    assert_eq!((status, &refused["pointer"]), (StatusCode::BAD_REQUEST, &json!("/config_snapshot/image_repository")));
    let wrong = json!({ "runner_id": by_hand.id, "region": "eu-north-1", "runner_token": "x".repeat(64) });
    let (status, refused) = submit(&plane, &plane.admin, "DEPLOY_RUNNER", &wrong).await;
    assert_eq!((status, &refused["pointer"]), (StatusCode::BAD_REQUEST, &json!("/config_snapshot/runner_token")));
}

#[tokio::test]
async fn a_wrong_deployment_leaves_no_runner_behind() {
    let plane = Plane::start().await;
    publish(&plane.register("deployer").await).await;
    let admin = plane.admin.clone();
    let id = identity(&plane, &admin).await;
    let gcp = plane.ask(&admin, Method::POST, "/api/cli/providers/gcp/init", &json!({})).await.1;
    let body = |change: Value| {
        let mut body =
            json!({ "name": "n", "cloud_identity_id": id, "region": "eu-north-1", "image_repository": "x/y" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    for (change, status, pointer) in [
        (json!({ "name": "" }), StatusCode::UNPROCESSABLE_ENTITY, "/name"),
        (json!({ "cloud_identity_id": "x" }), StatusCode::BAD_REQUEST, "/cloud_identity_id"),
        (json!({ "cloud_identity_id": gcp["identity_id"] }), StatusCode::BAD_REQUEST, "/cloud_identity_id"),
        (json!({ "cpu": "many" }), StatusCode::BAD_REQUEST, "/cpu"),
        (json!({ "image_repository": null }), StatusCode::BAD_REQUEST, "/image_repository"),
        (json!({ "runner_id": "mine" }), StatusCode::BAD_REQUEST, "/runner_id"),
        (json!({ "worker_token": "mine" }), StatusCode::BAD_REQUEST, "/worker_token"),
        (json!({ "assigned_runner_id": "nobody" }), StatusCode::BAD_REQUEST, "/assigned_runner_id"),
    ] {
        let (said, refused) = deploy(&plane, &admin, &body(change)).await;
        assert_eq!((said, &refused["pointer"]), (status, &json!(pointer)), "{refused}");
    }
    let names: Vec<_> = plane.get("/api/runners").await["runners"].as_array().unwrap().clone();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(deploy(&plane, &admin, &body(json!({}))).await.0, StatusCode::CREATED);
    assert_eq!(deploy(&plane, &admin, &body(json!({}))).await.0, StatusCode::CONFLICT, "names are unique");
}

#[tokio::test]
async fn a_runner_whose_image_nobody_names_runs_that_of_the_plane() {
    let plane = Plane::start_with_image("host:5000/alethia:v7").await;
    publish(&plane.register("deployer").await).await;
    let admin = plane.admin.clone();
    let identity = identity(&plane, &admin).await;
    for (at, (says, repository, tag)) in [
        (json!({}), json!("host:5000/alethia"), json!("v7")),
        (json!({ "image_repository": null, "image_tag": null }), json!("host:5000/alethia"), json!("v7")),
        (json!({ "image_tag": "v8" }), json!("host:5000/alethia"), json!("v8")),
        (json!({ "image_repository": "own/alethia" }), json!("own/alethia"), Value::Null),
        (json!({ "image_repository": "own/alethia", "image_tag": "v1" }), json!("own/alethia"), json!("v1")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = json!({ "name": format!("n{at}"), "cloud_identity_id": identity, "region": "eu-north-1" });
        body.as_object_mut().unwrap().extend(says.as_object().unwrap().clone());
        let (status, answer) = deploy(&plane, &admin, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let payload = &answer["job"]["config_snapshot"];
        assert_eq!((&payload["image_repository"], &payload["image_tag"]), (&repository, &tag), "{says}");
    }
    let by_hand = plane.register("by-hand").await;
    let payload = json!({ "worker_id": by_hand.id, "region": "eu-north-1" });
    let (status, answer) = submit(&plane, &admin, "DEPLOY_WORKER", &payload).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["job"]["config_snapshot"]["image_repository"], "host:5000/alethia");
}

/// Whoever asks × whose runner it is × each kind and spelling, against one rule: people of the runner's organisation,
/// and for a runner that works for all, those among them who run the plane.
#[tokio::test]
async fn only_who_looks_after_a_runner_may_have_it_deployed_changed_or_destroyed() {
    let plane = Plane::start().await;
    let admin = plane.admin.clone();
    let shared = json!({ "name": "deployer", "mode": "cloud-hosted" });
    let shared = plane.ask(&admin, Method::POST, "/api/runners/register", &shared).await.1;
    publish(&plane.runner(shared["runner_id"].as_str().unwrap(), shared["runner_token"].as_str().unwrap())).await;
    let eve = plane.add_user("eve", "other").await;
    let colleague = plane.add_user("colleague", "default").await;
    let own = identity(&plane, &admin).await;
    let hers = identity(&plane, &eve).await;
    let mut seen = 0;
    for (who, token, org, is_platform) in
        [("admin", &admin, "default", true), ("colleague", &colleague, "default", false), ("eve", &eve, "other", false)]
    {
        for mode in ["self-hosted", "cloud-hosted"] {
            for (identity, identity_org) in [(&own, "default"), (&hers, "other")] {
                let name = format!("{who}-{mode}-{identity_org}");
                let body = json!({ "name": name, "mode": mode, "cloud_identity_id": identity, "region": "eu-north-1",
                                   "image_repository": "x/y" });
                let may = org == identity_org && (mode == "self-hosted" || is_platform);
                assert_eq!(deploy(&plane, token, &body).await.0 == StatusCode::CREATED, may, "{name}");
                seen += 1;
            }
        }
    }
    for (token, org, mode) in
        [(&admin, "default", "self-hosted"), (&eve, "other", "self-hosted"), (&admin, "default", "cloud-hosted")]
    {
        let body = json!({ "name": format!("{org}-{mode}"), "mode": mode });
        let made = plane.ask(token, Method::POST, "/api/runners/register", &body).await.1;
        let id = made["runner"]["id"].clone();
        for (who, token, asks, is_platform) in [
            ("admin", &admin, "default", true),
            ("colleague", &colleague, "default", false),
            ("eve", &eve, "other", false),
        ] {
            for (kind, field) in [
                ("DEPLOY_RUNNER", "runner_id"),
                ("DEPLOY_WORKER", "worker_id"),
                ("UPDATE_RUNNER", "runner_id"),
                ("DESTROY_WORKER", "runner_id"),
                ("DESTROY_RUNNER", "worker_id"),
            ] {
                let payload = json!({ field: id, "region": "eu-north-1", "image_repository": "x/y" });
                let (status, answer) = submit(&plane, token, kind, &payload).await;
                let case = format!("{who} has {kind} of a {mode} runner of {org}: {answer}");
                let may = asks == org && (mode == "self-hosted" || is_platform);
                assert_eq!(status != StatusCode::BAD_REQUEST, may, "{case}");
                if !may {
                    assert_eq!(answer["pointer"], format!("/config_snapshot/{field}"), "{case}");
                }
                if status == StatusCode::CREATED {
                    let cancel = format!("/api/jobs/{}/cancel", answer["job"]["id"].as_str().unwrap());
                    assert_eq!(plane.ask(token, Method::POST, &cancel, &Value::Null).await.0, StatusCode::OK);
                }
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 12 + 45, "every case was seen");
}
