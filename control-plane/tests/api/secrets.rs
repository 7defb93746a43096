//! Secrets of a payload: for the runner that claims the job, and for nobody else.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::Plane;

const SECRET: &str = "hunter2-hunter2";

fn body() -> Value {
    json!({ "job_type": "read", "config_snapshot": { "count": 1, "token": SECRET } })
}

fn hidden() -> Value {
    json!({ "count": 1, "token": "(hidden)" })
}

#[tokio::test]
async fn a_secret_of_a_payload_reaches_its_runner_and_nobody_else() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let answer = plane.user(Method::POST, "/api/jobs").json(&body()).send().await.unwrap();
    let submitted: Value = answer.json().await.unwrap();
    assert_eq!(submitted["job"]["config_snapshot"], hidden());
    let job = submitted["job"]["id"].as_str().unwrap().to_owned();
    assert_eq!(plane.job(&job).await["config_snapshot"], hidden());
    assert_eq!(plane.get("/api/jobs").await["jobs"][0]["config_snapshot"], hidden());

    let request = json!({ "request_id": wire::JobId::generate() });
    for _ in 0..2 {
        // The second time as after a lost answer.
        let claimed = runner.claim(request.clone()).await.job.unwrap();
        assert_eq!(claimed.config_snapshot, json!({ "count": 1, "token": SECRET }));
    }
    assert_eq!(plane.job(&job).await["config_snapshot"], hidden());
    let other = plane.register("two").await;
    let seen = other.call(Method::GET, &format!("/api/jobs/{job}")).send().await.unwrap();
    assert_eq!(seen.status(), StatusCode::NOT_FOUND);

    assert_eq!(runner.status(&job, 1, json!({ "status": "FAILED" })).await, StatusCode::OK);
    let again: Value =
        plane.user(Method::POST, &format!("/api/jobs/{job}/retry")).send().await.unwrap().json().await.unwrap();
    assert_eq!(again["job"]["config_snapshot"], hidden());
    let claimed = runner.claim(json!({ "request_id": wire::JobId::generate() })).await.job.unwrap();
    assert_eq!(claimed.config_snapshot["token"], SECRET, "the same work again has the same secret");

    let folder = plane.stop().await;
    crate::plane::each_file(folder.path(), &mut |file, bytes| {
        assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()), "{} holds the secret", file.display());
    });
}

#[tokio::test]
async fn what_one_runner_calls_a_secret_is_one_whoever_was_heard_last() {
    let plane = Plane::start().await;
    let (old, new) = (plane.register("old").await, plane.register("new").await);
    let publish = async |runner: &crate::plane::Runner, token: Value| {
        let schema = json!({ "type": "object", "properties": { "token": token } });
        let kind = json!({ "kind": "app", "summary": "s", "schema": schema, "loss": "requeue", "timeout_s": 60,
                           "grace_s": 1 });
        assert_eq!(runner.heartbeat(json!({ "protocol": 2, "kinds": [kind] })).await["success"], true);
    };
    publish(&old, json!({ "type": "string" })).await;
    publish(&new, json!({ "type": "string", "writeOnly": true })).await;
    let hidden = json!({ "token": "(hidden)" });
    for last in [&old, &new] {
        last.heartbeat(json!({ "protocol": 2 })).await;
        let job = plane.submit_as(json!({ "job_type": "app", "config_snapshot": { "token": SECRET } })).await;
        assert_eq!(plane.job(&job).await["config_snapshot"], hidden);
        let claimed = last.claim(json!({ "request_id": wire::JobId::generate() })).await.job.unwrap();
        assert_eq!(claimed.config_snapshot["token"], SECRET);
        assert_eq!(last.status(&job, 1, json!({ "status": "FAILED" })).await, StatusCode::OK);
        let retry = format!("/api/jobs/{job}/retry");
        let again = plane.ask(&plane.admin, Method::POST, &retry, &Value::Null).await.1;
        assert_eq!(again["job"]["config_snapshot"], hidden);
        last.claim_id().await;
    }
    let folder = plane.stop().await;
    crate::plane::each_file(folder.path(), &mut |file, bytes| {
        assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()), "{} holds the secret", file.display());
    });
}

#[tokio::test]
async fn the_secrets_of_a_job_are_used_again_by_who_submitted_it_alone() {
    let plane = Plane::start().await;
    let bob = plane.add_user("bob", "default").await;
    let runner = plane.register("one").await;
    let (with, without) = (plane.submit_as(body()).await, plane.submit("read").await);
    for job in [&with, &without] {
        runner.claim_id().await;
        assert_eq!(runner.status(job, 1, json!({ "status": "FAILED" })).await, StatusCode::OK);
    }
    let retry = async |token: &str, job: &str| {
        plane.ask(token, Method::POST, &format!("/api/jobs/{job}/retry"), &Value::Null).await
    };
    let (status, refused) = retry(&bob, &with).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(refused["error"].as_str().unwrap().contains("submit it anew"), "{refused}");
    assert_eq!(plane.get("/api/jobs").await["total"], 2, "nothing was submitted");
    assert_eq!(retry(&bob, &without).await.0, StatusCode::OK, "what has no secrets he could submit himself");
    assert_eq!(retry(&plane.admin, &with).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_claim_that_was_parked_gets_the_secret_too() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let parked = runner.clone();
    let claim =
        tokio::spawn(async move { parked.claim(json!({ "request_id": wire::JobId::generate(), "wait_s": 9 })).await });
    plane.heard_of(&runner).await;
    plane.submit_as(body()).await;
    assert_eq!(claim.await.unwrap().job.unwrap().config_snapshot["token"], SECRET);
}

#[tokio::test]
async fn what_stands_for_a_secret_is_not_taken_for_one() {
    let plane = Plane::start().await;
    let body = json!({ "job_type": "read", "config_snapshot": { "token": "(hidden)" } });
    let answer = plane.user(Method::POST, "/api/jobs").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.json::<Value>().await.unwrap()["pointer"], "/config_snapshot/token");
}

#[tokio::test]
async fn a_refused_payload_is_not_repeated() {
    let plane = Plane::start().await;
    let words = json!([{ "const": "a" }, { "const": "b" }]);
    let forms = json!([{ "type": "string" }, { "properties": { "token": { "type": "string" } } }]);
    let schema = json!({ "properties": { "word": { "oneOf": words }, "form": { "oneOf": forms }, "short": { "maxLength": 3 },
        "choice": { "enum": ["a", "b"] }, "token": { "type": "string", "writeOnly": true } } });
    let kind = json!({ "kind": "own", "summary": "s", "schema": schema, "loss": "fail", "timeout_s": 1, "grace_s": 1 });
    plane.register("one").await.heartbeat(json!({ "protocol": 2, "kinds": [kind] })).await;
    for (name, value, says) in [
        ("token", json!([SECRET]), "\"string\""),
        ("token", json!({ "token": SECRET }), "\"string\""),
        ("word", json!(SECRET), "\"a\", \"b\""),
        ("form", json!({ "token": [SECRET] }), "\"string\""),
        ("short", json!(SECRET), "3 characters"),
        ("choice", json!({ "token": SECRET }), "\"a\" or \"b\""),
    ] {
        let body = json!({ "job_type": "own", "config_snapshot": { name: value } });
        let answer = plane.user(Method::POST, "/api/jobs").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["pointer"], format!("/config_snapshot/{name}"));
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(says) && !error.contains(SECRET), "{error}");
    }
}

/// What is logged while it is kept. The plane of a test runs on the test's own thread.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn keep(&self) -> tracing::subscriber::DefaultGuard {
        let logged = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || logged.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_token_in_the_place_of_the_id_is_not_logged() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let logged = Logged::default();
    let kept = logged.keep();
    for (id, token) in [(&runner.token, &runner.id), (&runner.id, &"wrong".to_owned())] {
        let answer = plane.runner(id, token).call(Method::POST, "/api/jobs/claim").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    drop(kept);
    let logged = logged.text();
    assert_eq!(logged.matches("refused a runner").count(), 2, "{logged}");
    assert!(!logged.contains(&runner.token) && logged.contains(&runner.id), "{logged}");
}

#[tokio::test]
async fn a_git_token_goes_to_the_runner_of_a_job_that_names_its_host() {
    let plane = Plane::start().await;
    let (runner, other) = (plane.register("one").await, plane.register("two").await);
    let eve = plane.add_user("eve", "other").await;
    let put = async |token: &str, host: &str, secret: &str| {
        let call = plane.user_with(token, Method::PUT, &format!("/api/git-credentials/{host}"));
        call.json(&json!({ "token": secret })).send().await.unwrap().status()
    };
    assert_eq!(put(&plane.admin, "git.example", SECRET).await, StatusCode::OK);
    assert_eq!(put(&eve, "git.example", "hers-and-not-ours").await, StatusCode::OK);
    assert_eq!(put(&plane.admin, "other.example:8443", "another-token").await, StatusCode::OK);
    for (host, token) in [
        ("a b", SECRET),
        ("user@git.example", SECRET),
        ("git.example%3Fx=1", SECRET),
        ("git.example%23x", SECRET),
        ("git.example", "short"),
        ("git.example", "a\nbcdefg"),
    ] {
        assert_eq!(put(&plane.admin, host, token).await, StatusCode::BAD_REQUEST, "{host:?} {token:?}");
    }
    let listed = plane.get("/api/git-credentials").await;
    assert_eq!(listed["git_credentials"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(SECRET));

    let body = json!({ "job_type": "read", "config_snapshot": { "list": ["https://git.example/a/b.git"] } });
    let job = plane.submit_as(body).await;
    runner.claim_id().await;
    let ask = async |who: &crate::plane::Runner, body: Value| {
        let call = who.call(Method::POST, &format!("/api/jobs/{job}/git-token")).header("X-Job-Attempt", 1);
        let answer = call.json(&body).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap()["token"].clone())
    };
    assert_eq!(ask(&other, json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&runner, json!({})).await, (StatusCode::OK, json!(SECRET)));
    assert_eq!(ask(&runner, json!({ "host": "git.example" })).await.1, json!(SECRET));
    let elsewhere = ask(&runner, json!({ "host": "other.example:8443" })).await.1;
    assert_eq!(elsewhere, Value::Null, "the job does not name that host");

    // One who names two hosts must say which: a token must not go to the other.
    let two = json!({ "job_type": "read", "config_snapshot": { "list": ["https://evil.example/x", "https://git.example/a"] } });
    let two = plane.submit_as(two).await;
    runner.claim_id().await;
    let ask_two = async |body: Value| {
        let call = runner.call(Method::POST, &format!("/api/jobs/{two}/git-token")).header("X-Job-Attempt", 1);
        call.json(&body).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(ask_two(json!({})).await["token"], Value::Null);
    assert_eq!(ask_two(json!({ "host": "evil.example" })).await["token"], Value::Null);
    assert_eq!(ask_two(json!({ "host": "git.example" })).await, json!({ "token": SECRET, "host": "git.example" }));

    let remove = plane.user(Method::DELETE, "/api/git-credentials/git.example").send().await.unwrap();
    assert_eq!(remove.status(), StatusCode::OK);
    assert_eq!(ask(&runner, json!({})).await.1, Value::Null);
    assert_eq!(
        plane.user(Method::DELETE, "/api/git-credentials/git.example").send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_secret_that_a_job_hands_over_is_for_who_submitted_it() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let colleague = plane.add_user("bob", "default").await;
    let eve = plane.add_user("eve", "other").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    let path = format!("/api/jobs/{job}/artifacts/password");
    let put = async |secret: &str| {
        let call = runner.call(Method::PUT, &path).header("X-Job-Attempt", 1);
        let call = call.header("Content-Type", wire::SECRET_MEDIA_TYPE).body(secret.to_owned());
        call.send().await.unwrap()
    };
    for _ in 0..2 {
        let answer = put(SECRET).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.unwrap()["sha256"], crate::plane::sha256(SECRET));
    }
    assert_eq!(put(&"x".repeat(65 << 10)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let get = async |token: &str| plane.user_with(token, Method::GET, &path).send().await.unwrap();
    let mine = get(&plane.admin).await;
    assert_eq!(mine.headers()["cache-control"], "no-store");
    assert_eq!(mine.text().await.unwrap(), SECRET);
    assert_eq!(get(&colleague).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(get(&eve).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(runner.call(Method::GET, &path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let listed = plane.user_with(&colleague, Method::GET, &format!("/api/jobs/{job}/artifacts")).send().await.unwrap();
    let listed = listed.text().await.unwrap();
    assert!(listed.contains("password") && !listed.contains(&crate::plane::sha256(SECRET)), "{listed}");

    let folder = plane.stop().await;
    crate::plane::each_file(folder.path(), &mut |file, bytes| {
        assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()), "{} holds the secret", file.display());
    });
}
