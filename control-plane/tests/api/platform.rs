//! What runs runners asks, and what a platform registers again and again.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::Plane;

impl Plane {
    /// A request with a user's token, and its answer.
    pub(crate) async fn ask(&self, token: &str, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.user_with(token, method, path).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }
}

#[tokio::test]
async fn work_is_what_waits_and_what_runs_and_each_asks_for_what_is_its_own() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let (one, two) = (plane.register("one").await, plane.register("two").await);
    let hers = plane.ask(&eve, Method::POST, "/api/runners/register", &json!({ "name": "hers" })).await.1;
    let hers = plane.runner(hers["runner"]["id"].as_str().unwrap(), hers["runner_token"].as_str().unwrap());
    let ask = async |runner: &crate::plane::Runner| {
        let answer = runner.call(Method::POST, "/api/platform/queue").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.unwrap()
    };
    assert_eq!((&ask(&one).await["queued"], &ask(&one).await["running"]), (&json!(0), &json!(0)));
    let body =
        json!({ "job_type": "read", "config_snapshot": {}, "assigned_runner_id": one.id, "concurrency_key": "k" });
    let first = plane.submit_as(body.clone()).await;
    plane.submit_as(body).await;
    assert_eq!(ask(&one).await["queued"], 2);
    assert_eq!(ask(&two).await["queued"], 0, "they are assigned to another");
    assert_eq!(ask(&hers).await["queued"], 0, "they are another organisation's");
    assert_eq!(one.claim_id().await, first);
    let work = ask(&one).await;
    assert_eq!(
        (&work["queued"], &work["running"], &work["idle_s"]),
        (&json!(0), &json!(1), &json!(0)),
        "the second waits for the first, and the first is work: {work}"
    );
    let shown = plane.get(&format!("/api/runners/{}", two.id)).await;
    assert!(shown["last_heartbeat"].is_null(), "a question is no sign of life");

    let all = plane.ask(&plane.admin, Method::POST, "/api/platform/queue", &Value::Null).await.1;
    assert_eq!((&all["recovered"], &all["queued"], &all["running"]), (&json!(0), &json!(0), &json!(1)), "{all}");
    assert_eq!(plane.ask(&eve, Method::POST, "/api/platform/queue", &Value::Null).await.0, StatusCode::FORBIDDEN);
    let nobody = plane.runner(&one.id, "wrong").call(Method::POST, "/api/platform/queue").send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let nobody = plane.user_with("wrong", Method::POST, "/api/platform/queue").send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_platform_registers_its_runner_again_and_sees_its_work() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let body = json!({ "name": "shared", "mode": "cloud-hosted", "labels": { "zone": "a" } });
    let register = async || plane.ask(&plane.admin, Method::POST, "/api/runners/register", &body).await;
    let (status, first) = register().await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, again) = register().await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&again["runner_id"], &again["runner"]["id"]), (&first["runner_id"], &first["runner"]["id"]));
    let id = first["runner_id"].as_str().unwrap();
    let old = plane.runner(id, first["runner_token"].as_str().unwrap());
    let new = plane.runner(id, again["runner_token"].as_str().unwrap());
    let beat = async |runner: &crate::plane::Runner| {
        runner.call(Method::POST, "/api/runners/heartbeat").json(&json!({})).send().await.unwrap().status()
    };
    assert_eq!((beat(&old).await, beat(&new).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    assert_eq!(plane.ask(&eve, Method::POST, "/api/runners/register", &body).await.0, StatusCode::FORBIDDEN);

    let submit = json!({ "job_type": "read", "config_snapshot": {}, "labels": { "zone": "a" } });
    assert_eq!(plane.ask(&eve, Method::POST, "/api/jobs", &submit).await.0, StatusCode::CREATED);
    let elsewhere = json!({ "job_type": "read", "config_snapshot": {}, "labels": { "zone": "b" } });
    assert_eq!(plane.ask(&eve, Method::POST, "/api/jobs", &elsewhere).await.0, StatusCode::CREATED);
    let all = plane.ask(&plane.admin, Method::POST, "/api/platform/queue", &Value::Null).await.1;
    assert_eq!(all["queued"], 2);
    let pool = &all["pools"][0];
    assert_eq!((&pool["runner_id"], &pool["queued"], &pool["running"]), (&json!(id), &json!(1), &json!(0)), "{all}");
    assert_eq!((&pool["drainable"], &pool["status"]), (&json!(true), &json!("ONLINE")));
}
