//! A client that knows only the seed's contract, in both of its dialects.

use control_plane::Timings;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::plane::Plane;

struct Seed {
    origin: String,
    family: &'static str,
    headers: [(&'static str, String); 2],
    client: Client,
}

impl Seed {
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.replace("{family}", self.family);
        let call = self.client.request(method, format!("{}/api{path}", self.origin));
        let [(id_header, id), (token_header, token)] = &self.headers;
        call.header(*id_header, id).header(*token_header, token).header("content-type", "application/json")
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let call = self.call(method, path);
        let call = if let Some(body) = body { call.json(&body) } else { call };
        let answer = call.send().await.unwrap();
        (answer.status(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }
}

async fn a_whole_life(family: &'static str, headers: [&'static str; 2]) {
    let plane = Plane::start_with(Timings::default()).await;
    let call = plane.user(Method::POST, &format!("/api/{family}/register"));
    let answer: Value = call.json(&json!({ "name": "one" })).send().await.unwrap().json().await.unwrap();
    let (runner, token) = if family == "workers" { ("worker", "worker_token") } else { ("runner", "runner_token") };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (id, token) = (text(&answer[runner]["id"]), text(&answer[token]));
    let seed = Seed {
        origin: plane.origin.clone(),
        family,
        headers: [(headers[0], id.clone()), (headers[1], token)],
        client: Client::builder().no_proxy().build().unwrap(),
    };
    let success = json!({ "success": true });

    let (status, answer) = seed.send(Method::POST, "/{family}/heartbeat", None).await;
    assert_eq!((status, &answer["success"]), (StatusCode::OK, &json!(true)));
    let heartbeat = json!({ "version": "1.2.3", "unknown": [1] });
    assert_eq!(seed.send(Method::POST, "/{family}/heartbeat", Some(heartbeat)).await.0, StatusCode::OK);
    assert_eq!(plane.get(&format!("/api/runners/{id}")).await["status"], "ONLINE");
    let (status, idle) = seed.send(Method::POST, "/jobs/claim", None).await;
    assert_eq!((status, &idle["job"]), (StatusCode::OK, &Value::Null));

    let job = plane.submit("change").await;
    let (_, claim) = seed.send(Method::POST, "/jobs/claim", None).await;
    assert_eq!((&claim["job"]["id"], &claim["job"]["status"]), (&json!(job), &json!("CLAIMED")));
    assert_eq!(claim["job"]["config_snapshot"], json!({ "count": 1 }));
    assert_eq!(claim["cloud_identity"], Value::Null);
    let at = |path: &str| format!("/jobs/{job}{path}");
    let processing = json!({ "status": "PROCESSING" });
    assert_eq!(seed.send(Method::PUT, &at("/status"), Some(processing)).await, (StatusCode::OK, success.clone()));
    for (chunk, stream) in [("one\n", None), ("two\n", Some("STDERR")), ("three\n", Some("SYSTEM"))] {
        let mut post = json!({ "log_chunk": chunk });
        if let Some(stream) = stream {
            post["stream_type"] = json!(stream);
        }
        assert_eq!(seed.send(Method::POST, &at("/logs"), Some(post)).await, (StatusCode::CREATED, success.clone()));
    }
    assert_eq!(seed.send(Method::POST, &at("/git-token"), None).await, (StatusCode::OK, json!({ "token": null })));
    let plan = seed.call(Method::POST, &at("/plan-artifact")).header("content-type", "application/octet-stream");
    let plan = plan.body("a plan").send().await.unwrap();
    assert_eq!(plan.status(), StatusCode::CREATED);
    assert_eq!(plan.json::<Value>().await.unwrap()["key"], format!("{job}/terraform.plan.out"));
    let plan = seed.call(Method::GET, &at("/plan-artifact")).send().await.unwrap();
    assert_eq!(plan.bytes().await.unwrap().as_ref(), b"a plan");
    let (_, logs) = seed.send(Method::GET, &at("/logs"), None).await;
    let chunks: Vec<_> = logs["logs"].as_array().unwrap().iter().map(|entry| text(&entry["log_chunk"])).collect();
    assert_eq!(chunks, ["one\n", "two\n", "three\n"]);
    let end = json!({ "status": "SUCCESS", "execution_metadata": { "outputs": {} } });
    for _ in 0..2 {
        assert_eq!(seed.send(Method::PUT, &at("/status"), Some(end.clone())).await, (StatusCode::OK, success.clone()));
    }
    let (_, shown) = seed.send(Method::GET, &at(""), None).await;
    assert_eq!((&shown["status"], &shown["log_complete"]), (&json!("SUCCESS"), &Value::Null));
    assert!(shown["started_at"].is_string() && shown["completed_at"].is_string());

    let metadata = json!({ "region": "x" });
    let path = format!("/{{family}}/{id}/metadata");
    assert_eq!(seed.send(Method::PATCH, &path, Some(metadata.clone())).await, (StatusCode::OK, success.clone()));
    assert_eq!(plane.get(&format!("/api/runners/{id}")).await["metadata"], metadata);
    assert_eq!(seed.send(Method::DELETE, &format!("/{{family}}/{id}"), None).await, (StatusCode::OK, success));
    assert_eq!(seed.send(Method::POST, "/jobs/claim", None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_client_of_the_seeds_dialect_works() {
    a_whole_life("workers", ["X-Worker-ID", "X-Worker-Token"]).await;
}

#[tokio::test]
async fn a_client_of_the_later_dialect_works() {
    a_whole_life("runners", ["X-Runner-ID", "X-Runner-Token"]).await;
}
