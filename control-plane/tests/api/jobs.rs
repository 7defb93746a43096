//! What users do with jobs.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::{Plane, Runner, sha256};

#[tokio::test]
async fn a_job_goes_from_submit_to_success() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    assert_eq!(runner.claim_id().await, job);
    assert_eq!(plane.job(&job).await["status"], "CLAIMED");
    assert_eq!(runner.append(&job, 1, 0, "hello\n").await, StatusCode::OK);
    assert_eq!(plane.job(&job).await["status"], "PROCESSING");
    let report = json!({ "status": "SUCCESS", "execution_metadata": { "answer": 42 },
                         "log": { "length": 6, "sha256": sha256("hello\n"), "dropped_bytes": 0 } });
    assert_eq!(runner.status(&job, 1, report.clone()).await, StatusCode::OK);
    assert_eq!(runner.status(&job, 1, report).await, StatusCode::OK, "the same again: its answer got lost");
    assert_eq!(runner.status(&job, 1, json!({ "status": "FAILED" })).await, StatusCode::CONFLICT);
    let shown = plane.job(&job).await;
    assert_eq!(
        (&shown["status"], &shown["log_complete"], &shown["log_length"]),
        (&json!("SUCCESS"), &json!(true), &json!(6))
    );
    assert_eq!(shown["execution_metadata"]["answer"], 42);
}

#[tokio::test]
async fn a_report_before_the_end_of_the_log_is_told_what_is_missing() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    runner.append(&job, 1, 0, "hello\n").await;
    let log = json!({ "length": 12, "sha256": sha256("hello\nworld\n") });
    let report = json!({ "status": "SUCCESS", "log": log });
    assert_eq!(runner.status(&job, 1, report.clone()).await, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(runner.append(&job, 1, 6, "world\n").await, StatusCode::OK);
    assert_eq!(runner.status(&job, 1, report).await, StatusCode::OK);
    assert_eq!(plane.job(&job).await["log_complete"], true);
}

#[tokio::test]
async fn a_damaged_log_is_not_called_complete() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    for log in [
        json!({ "length": 6, "sha256": sha256("hallo\n") }),
        json!({ "length": 6, "sha256": sha256("hello\n"), "dropped_bytes": 3 }),
    ] {
        let job = plane.submit("read").await;
        runner.claim_id().await;
        runner.append(&job, 1, 0, "hello\n").await;
        assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS", "log": log })).await, StatusCode::OK);
        assert_eq!(plane.job(&job).await["log_complete"], false);
    }
}

#[tokio::test]
async fn a_plan_is_used_once() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let planned = plane.submit("read").await;
    runner.claim_id().await;
    runner.status(&planned, 1, json!({ "status": "SUCCESS" })).await;
    let applies = json!({ "job_type": "change", "config_snapshot": {}, "plan_job_id": planned });
    // Both are taken, as no one has used the plan yet.
    let jobs = [plane.submit_as(applies.clone()).await, plane.submit_as(applies.clone()).await];
    let mut codes = vec![];
    for job in jobs {
        assert_eq!(runner.claim_id().await, job);
        // Twice: the answer of the first may have got lost.
        codes.extend([runner.commit(&job, 1).await, runner.commit(&job, 1).await]);
        runner.status(&job, 1, json!({ "status": "FAILED" })).await;
    }
    assert_eq!(codes, [StatusCode::OK, StatusCode::OK, StatusCode::CONFLICT, StatusCode::CONFLICT]);

    let answer = plane.user(Method::POST, "/api/jobs").json(&applies).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "now it is known to be used");
    assert_eq!(answer.json::<Value>().await.unwrap()["pointer"], "/plan_job_id");
}

#[tokio::test]
async fn a_retry_is_a_new_job_with_the_same_work() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let old = plane
        .submit_as(json!({ "job_type": "read", "config_snapshot": { "count": 7 }, "assigned_runner_id": runner.id,
                           "timeout_s": 9 }))
        .await;
    assert_eq!(plane.post(&format!("/api/jobs/{old}/retry")).await, StatusCode::CONFLICT, "it has not ended");
    runner.claim_id().await;
    runner.status(&old, 1, json!({ "status": "FAILED", "error_message": "no" })).await;
    let answer = plane.user(Method::POST, &format!("/api/jobs/{old}/retry")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let new = answer.json::<Value>().await.unwrap()["job"].clone();
    assert_ne!(new["id"], json!(old));
    assert_eq!((&new["status"], &new["attempt"], &new["error_message"]), (&json!("QUEUED"), &json!(0), &Value::Null));
    assert_eq!(new["execution_metadata"], json!({ "retry_of": old }));
    let old = plane.job(&old).await;
    for same in ["job_type", "config_snapshot", "assigned_runner_id", "timeout_s"] {
        assert_eq!(new[same], old[same], "{same}");
    }
    assert_eq!((&old["status"], &old["error_message"]), (&json!("FAILED"), &json!("no")));
}

#[tokio::test]
async fn a_retry_is_taken_as_a_new_job_is() {
    let plane = Plane::start().await;
    let (gone, other) = (plane.register("gone").await, plane.register("other").await);
    let end = async |runner: &Runner, status: &str| {
        let job = runner.claim_id().await;
        assert_eq!(runner.status(&job, 1, json!({ "status": status })).await, StatusCode::OK);
        job
    };
    plane.submit_as(json!({ "job_type": "read", "config_snapshot": {}, "assigned_runner_id": gone.id })).await;
    let assigned = end(&gone, "FAILED").await;
    let removed = plane.user(Method::DELETE, &format!("/api/runners/{}", gone.id)).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::OK);
    let again = plane.user(Method::POST, &format!("/api/jobs/{assigned}/retry")).send().await.unwrap();
    let again = again.error_for_status().unwrap().json::<Value>().await.unwrap()["job"].clone();
    assert_eq!(again["execution_metadata"], json!({ "retry_of": assigned, "unassigned_from": gone.id }));
    assert_eq!(json!(end(&other, "SUCCESS").await), again["id"], "any other runner may take it");

    plane.submit("read").await;
    let planned = end(&other, "SUCCESS").await;
    plane.submit_as(json!({ "job_type": "change", "config_snapshot": {}, "plan_job_id": planned })).await;
    let applied = other.claim_id().await;
    assert_eq!(other.commit(&applied, 1).await, StatusCode::OK);
    assert_eq!(other.status(&applied, 1, json!({ "status": "FAILED" })).await, StatusCode::OK);
    let used = plane.user(Method::POST, &format!("/api/jobs/{applied}/retry")).send().await.unwrap();
    assert_eq!(used.status(), StatusCode::BAD_REQUEST);
    assert_eq!(used.json::<Value>().await.unwrap()["pointer"], "/plan_job_id");
}

#[tokio::test]
async fn a_retry_is_refused_where_the_kind_wants_something_else_by_now() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let publish = async |schema: Value| {
        let kind =
            json!({ "kind": "own", "summary": "s", "schema": schema, "loss": "fail", "timeout_s": 1, "grace_s": 1 });
        runner.heartbeat(json!({ "protocol": 2, "kinds": [kind] })).await;
    };
    publish(json!({})).await;
    let job = plane.submit_as(json!({ "job_type": "own", "config_snapshot": {} })).await;
    assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel")).await, StatusCode::OK);
    publish(json!({ "required": ["must"] })).await;
    assert_eq!(plane.post(&format!("/api/jobs/{job}/retry")).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_waits_is_cancelled_at_once_and_never_handed_out() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    assert_eq!(plane.post(&format!("/api/cli/jobs/{job}/cancel")).await, StatusCode::OK);
    let shown = plane.job(&job).await;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("CANCELLED"), &json!("cancelled_by_user")));
    assert!(shown["completed_at"].is_string());
    assert!(runner.claim(json!({})).await.job.is_none());
    assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel")).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_truth_is_taken_after_a_cancel() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    for end in ["SUCCESS", "FAILED", "CANCELLED"] {
        let job = plane.submit("change").await;
        runner.claim_id().await;
        assert_eq!(runner.commit(&job, 1).await, StatusCode::OK);
        assert_eq!(plane.post(&format!("/api/jobs/{job}/cancel")).await, StatusCode::OK);
        assert_eq!(runner.commit(&job, 1).await, StatusCode::OK, "it has passed its commit point before");
        assert_eq!(runner.status(&job, 1, json!({ "status": end })).await, StatusCode::OK);
        assert_eq!(plane.job(&job).await["status"], end);
    }
}

#[tokio::test]
async fn metadata_is_merged_key_by_key() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    for metadata in [json!({ "a": { "x": 1 }, "b": 1 }), json!({ "a": { "y": 2 } })] {
        let report = json!({ "status": "PROCESSING", "execution_metadata": metadata });
        assert_eq!(runner.status(&job, 1, report).await, StatusCode::OK);
    }
    let started = plane.job(&job).await["started_at"].clone();
    runner.status(&job, 1, json!({ "status": "SUCCESS", "execution_metadata": { "c": 3 } })).await;
    let shown = plane.job(&job).await;
    assert_eq!(shown["execution_metadata"], json!({ "a": { "y": 2 }, "b": 1, "c": 3 }));
    assert_eq!(shown["started_at"], started, "set once");
}

#[tokio::test]
async fn reports_bring_so_much_metadata_together_and_an_end_is_taken_without_its_own() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    let large = |name: &str, status: &str| {
        let metadata = json!({ name: "x".repeat(6 << 20) });
        json!({ "status": status, "execution_metadata": metadata })
    };
    for (name, expected) in [("a", StatusCode::OK), ("b", StatusCode::OK), ("c", StatusCode::PAYLOAD_TOO_LARGE)] {
        assert_eq!(runner.status(&job, 1, large(name, "PROCESSING")).await, expected, "{name}");
    }
    assert_eq!(runner.status(&job, 1, large("b", "PROCESSING")).await, StatusCode::OK, "it replaces as much");
    assert_eq!(runner.status(&job, 1, large("c", "SUCCESS")).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    let kept = plane.job(&job).await;
    let names: Vec<_> = kept["execution_metadata"].as_object().unwrap().keys().cloned().collect();
    assert_eq!((&kept["status"], names), (&json!("SUCCESS"), vec!["a".to_owned(), "b".to_owned()]));
}

#[tokio::test]
async fn another_organisation_sees_and_changes_nothing() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    let (plane, eve) = plane.restart_with_other_organisation().await;
    let as_eve = async |method: Method, path: &str| {
        let answer = plane.user_with(&eve, method, path).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let calls = |id: &str| {
        [
            ("GET", ""),
            ("GET", "/logs"),
            ("GET", "/log"),
            ("GET", "/logs/stream"),
            ("GET", "/artifacts"),
            ("GET", "/explain"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
        ]
        .map(|(method, path)| (method.parse::<Method>().unwrap(), format!("/api/jobs/{id}{path}")))
    };
    for ((method, path), (_, absent)) in calls(&job).into_iter().zip(calls("no-such-job")) {
        let (status, body) = as_eve(method.clone(), &path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!((status, body), as_eve(method, &absent).await, "the same as for what is absent: {path}");
    }
    for (method, path) in
        [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/drain"), (Method::POST, "/rotate-token")]
    {
        assert_eq!(
            as_eve(method, &format!("/api/runners/{}{path}", runner.id)).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(as_eve(Method::GET, "/api/jobs").await.1, r#"{"jobs":[],"total":0,"limit":20,"offset":0}"#);
    assert_eq!(as_eve(Method::GET, "/api/runners").await.1, r#"{"runners":[]}"#);
    let theirs = plane.user_with(&eve, Method::POST, "/api/runners/register").json(&json!({ "name": "one" }));
    let theirs: Value = theirs.send().await.unwrap().json().await.unwrap();
    let theirs = plane.runner(theirs["runner"]["id"].as_str().unwrap(), theirs["runner_token"].as_str().unwrap());
    assert!(theirs.claim(json!({})).await.job.is_none(), "it runs the jobs of its own organisation");
    for id in [job.as_str(), "no-such-job"] {
        assert_eq!(theirs.status(id, 1, json!({ "status": "SUCCESS" })).await, StatusCode::NOT_FOUND);
        assert_eq!(theirs.append(id, 1, 0, "x").await, StatusCode::NOT_FOUND);
        let git = theirs.call(Method::POST, &format!("/api/jobs/{id}/git-token")).send().await.unwrap();
        assert_eq!(git.status(), StatusCode::NOT_FOUND);
    }
    let theirs = json!({ "job_type": "read", "config_snapshot": {} });
    plane.user_with(&eve, Method::POST, "/api/jobs").json(&theirs).send().await.unwrap().error_for_status().unwrap();
    let runner = plane.runner(&runner.id, &runner.token);
    assert_eq!(runner.claim_id().await, job);
    assert!(runner.claim(json!({})).await.job.is_none(), "it runs the jobs of its own organisation");
    let named = json!({ "job_type": "read", "config_snapshot": {}, "plan_job_id": job });
    let answer = plane.user_with(&eve, Method::POST, "/api/jobs").json(&named).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "a plan of another organisation");
}
