//! Servers that play Argo CD over HTTP, badly.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::player::{Player, payload, run};

const PASSWORD: &str = "passw0rd-of-a-test";
const SESSION: &str = "s3ssion-token-of-a-test";

/// A server on this machine, and the requests that it got: path, authorization and body.
struct Host {
    address: String,
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Host {
    async fn new(answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<(String, String, String)>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::clone(&asked);
        let router = Router::new().fallback(move |request: Request| {
            let (answer, seen) = (answer.clone(), Arc::clone(&seen));
            async move {
                let path = request.uri().path_and_query().unwrap().to_string();
                let authorization =
                    request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
                let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
                let body = String::from_utf8(body.to_vec()).unwrap();
                seen.lock().unwrap().push((path.clone(), authorization.unwrap_or_default(), body));
                answer(&path)
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked }
    }

    fn payload(&self, action: &str, more: serde_json::Value) -> serde_json::Value {
        let mut payload = payload(action, more);
        payload["server"] = json!(self.address);
        payload["tls"] = json!({ "plaintext": true });
        payload["auth"] = json!({ "username": "admin", "password": PASSWORD });
        payload
    }

    fn asked(&self) -> Vec<(String, String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

fn session() -> Response {
    axum::Json(json!({ "token": SESSION })).into_response()
}

#[tokio::test]
async fn a_password_becomes_a_token_and_is_on_no_command_line() {
    let host = Host::new(|_| session()).await;
    let player = Player::new(&format!("case $2 in get) echo {SESSION} >&2 ;; esac"));
    let job = player.job(&host.payload("status", json!({})));
    run(&job).await.unwrap();
    let asked = host.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].0.as_str(), asked[0].2.as_str()),
        ("/api/v1/session", &*json!({ "username": "admin", "password": PASSWORD }).to_string())
    );
    assert!(player.read("env").contains(&format!("ARGOCD_AUTH_TOKEN={SESSION}")));
    assert!(!player.read("env").contains(PASSWORD));
    let calls = format!("{:?}", player.calls());
    assert!(!calls.contains(PASSWORD) && !calls.contains(SESSION), "{calls}");
    assert!(calls.contains("--plaintext"), "{calls}");
    assert!(job.log().contains("***") && !job.log().contains(SESSION), "{}", job.log());
}

#[tokio::test]
async fn a_login_that_is_refused_is_not_tried_again() {
    let host = Host::new(|_| {
        let refusal =
            json!({ "error": "Invalid username or password", "code": 16, "message": "Invalid username or password" });
        (StatusCode::UNAUTHORIZED, axum::Json(refusal)).into_response()
    })
    .await;
    let player = Player::new("");
    let text = run(&player.job(&host.payload("status", json!({})))).await.unwrap_err().to_string();
    assert!(text.starts_with("/auth: Argo CD does not know us: Invalid username or password"), "{text}");
    assert_eq!(host.asked().len(), 1);
    assert_eq!(player.calls().len(), 1, "only its version was asked for");
}

#[tokio::test]
async fn credentials_follow_no_redirect() {
    let elsewhere = Host::new(|_| session()).await;
    let target = format!("http://{}/api/v1/session", elsewhere.address);
    let host =
        Host::new(move |_| (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target.clone())]).into_response())
            .await;
    let text = run(&Player::new("").job(&host.payload("status", json!({})))).await.unwrap_err().to_string();
    assert!(text.contains("the server answers 307"), "{text}");
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn an_answer_that_is_none_is_said_so() {
    for (body, expected) in [
        ("rubbish", "/server does not answer as Argo CD does"),
        ("{}", "it gives no token"),
        (r#"{"token":"a\nb"}"#, "it gives no token"),
        (r#"{"token":7}"#, "it gives no token"),
    ] {
        let host = Host::new(move |_| body.into_response()).await;
        let text = run(&Player::new("").job(&host.payload("status", json!({})))).await.unwrap_err().to_string();
        assert!(text.contains(expected), "{body}: {text}");
    }
    let endless = Host::new(|_| Body::from(vec![b' '; 17 * 1024 * 1024]).into_response()).await;
    let text = run(&Player::new("").job(&endless.payload("status", json!({})))).await.unwrap_err().to_string();
    assert!(text.contains("has no end"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let count = Arc::new(Mutex::new(0));
    let host = Host::new(move |_| {
        *count.lock().unwrap() += 1;
        if *count.lock().unwrap() == 1 { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { session() }
    })
    .await;
    let player = Player::new("");
    let job = player.job(&host.payload("status", json!({})));
    run(&job).await.unwrap();
    assert!(job.log().contains("argocd login failed: the server answers 503"), "{}", job.log());
    assert_eq!(host.asked().len(), 2);
}

#[tokio::test]
async fn a_repository_and_a_rollback_go_to_the_server() {
    let host = Host::new(|path| if path.ends_with("/session") { session() } else { "{}".into_response() }).await;
    let player = Player::new("");
    let repository = json!({ "url": "https://git.example/a", "password": "geheim-of-a-test" });
    let job = player.job(&host.payload("repo", json!({ "application": null, "repository": repository })));
    run(&job).await.unwrap();
    let (path, authorization, body) = host.asked().pop().unwrap();
    assert_eq!((path.as_str(), authorization), ("/api/v1/repositories?upsert=true", format!("Bearer {SESSION}")));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["password"], &body["username"]), (&json!("geheim-of-a-test"), &json!("x-access-token")));
    assert!(!format!("{:?}", player.calls()).contains("geheim"));

    let history = json!([{ "id": 3, "revision": "r3" }, { "id": 4, "revision": "r4" }]);
    let before = json!({ "metadata": { "name": "web", "namespace": "argocd" }, "status": { "history": history,
                         "operationState": { "startedAt": "10:00", "phase": "Succeeded", "operation": { "sync": { "revision": "r3" } } } } });
    let mut after = before.clone();
    after["status"]["operationState"]["startedAt"] = json!("10:05");
    after["status"]["health"] = json!({ "status": "Healthy" });
    player.says("app", &before.to_string());
    player.says("rolled-back", &after.to_string());
    player.says("test", "case $2 in get) [ \"$(count get)\" = 4 ] && cp $here/rolled-back $here/app ;; esac");
    let job = player.job(&host.payload("rollback", json!({ "prune": true })));
    let outcome = run(&job).await.unwrap();
    assert_eq!(outcome.metadata["health_status"], "Healthy");
    let (path, _, body) = host.asked().pop().unwrap();
    assert_eq!(path, "/api/v1/applications/web/rollback");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&body).unwrap(),
        json!({ "id": 3, "prune": true, "appNamespace": "argocd" })
    );
}
