//! Callers that hold back the body of a request until they are nobody any more. What they may do then is nothing.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::endpoints::writes;
use crate::plane::{Plane, Runner, SOON};

/// A request whose caller was let in, and whose body the plane waits for.
struct HeldBack(TcpStream);

impl HeldBack {
    async fn begin(plane: &Plane, line: &str, caller: &str, body: &[u8]) -> Self {
        let mut stream = TcpStream::connect(plane.origin.strip_prefix("http://").unwrap()).await.unwrap();
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: plane\r\n{caller}expect: 100-continue\r\nconnection: close\r\n\
                            content-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut goes_on = [0; 25];
        let asked_for = tokio::time::timeout(SOON, stream.read_exact(&mut goes_on)).await;
        asked_for.expect("the body is asked for").unwrap();
        assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(stream)
    }

    async fn end(mut self, body: &[u8]) -> String {
        self.0.write_all(body).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(SOON, self.0.read_to_string(&mut answer)).await;
        read.expect("there is an answer").unwrap();
        answer
    }
}

fn runner_headers(runner: &Runner) -> String {
    format!("x-worker-id: {}\r\nx-worker-token: {}\r\n", runner.id, runner.token)
}

async fn each_is_refused(plane: &Plane, caller: &str, requests: &[(String, String, Vec<u8>)], end: impl AsyncFnOnce()) {
    let mut begun = vec![];
    for (line, headers, body) in requests {
        begun.push(HeldBack::begin(plane, line, &format!("{caller}{headers}"), body).await);
    }
    end().await;
    for (begun, (line, _, body)) in begun.into_iter().zip(requests) {
        let answer = begun.end(body).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{line}: {answer}");
    }
}

#[tokio::test]
async fn a_runner_whose_token_was_replaced() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    let waits = plane.submit("read").await;
    let text = |body: Value| body.to_string().into_bytes();
    let mut requests: Vec<_> =
        writes(&job).into_iter().map(|write| (write.to_string(), write.headers(), write.body)).collect();
    requests.extend(
        [
            ("POST /api/jobs/claim".to_owned(), text(json!({ "request_id": "q" }))),
            ("POST /api/workers/heartbeat".to_owned(), text(json!({ "protocol": 2, "version": "stolen" }))),
            (format!("PATCH /api/runners/{}/metadata", runner.id), text(json!({ "stolen": true }))),
        ]
        .map(|(line, body)| (line, String::new(), body)),
    );
    let rotate = async || {
        let path = format!("/api/runners/{}/rotate-token?force=true", runner.id);
        assert_eq!(plane.post(&path).await, StatusCode::OK);
    };
    each_is_refused(&plane, &runner_headers(&runner), &requests, rotate).await;
    let (held, waits) = (plane.job(&job).await, plane.job(&waits).await);
    assert_eq!((&held["log_length"], &waits["status"]), (&json!(0), &json!("QUEUED")));
    assert_ne!(held["status"], "SUCCESS");
    assert_eq!(plane.get(&format!("/api/jobs/{job}/artifacts")).await["artifacts"], json!([]));
    let shown = plane.get(&format!("/api/runners/{}", runner.id)).await;
    assert!(!shown.to_string().contains("stolen"), "{shown}");
}

#[tokio::test]
async fn a_person_who_was_removed() {
    let plane = Plane::start().await;
    let hal = plane.add_user("hal", "default").await;
    let text = |body: Value| body.to_string().into_bytes();
    let requests = [
        ("POST /api/jobs".to_owned(), text(json!({ "job_type": "read", "config_snapshot": {} }))),
        ("POST /api/runners/register".to_owned(), text(json!({ "name": "his" }))),
        ("POST /api/workers/register".to_owned(), text(json!({ "name": "his" }))),
        ("POST /api/cli/providers/aws/init".to_owned(), text(json!({}))),
        ("PUT /api/git-credentials/git.example".to_owned(), text(json!({ "token": "his-token" }))),
        ("POST /api/sources".to_owned(), vec![0x1f, 0x8b, 8, 0]),
        ("POST /api/state/his".to_owned(), text(json!({ "version": 4, "serial": 1, "lineage": "l" }))),
        ("PUT /api/state/his/lock".to_owned(), text(json!({ "ID": "l" }))),
    ]
    .map(|(line, body)| (line, String::new(), body));
    let remove = async || {
        let removed = plane.user(Method::DELETE, "/api/users/hal").send().await.unwrap();
        assert_eq!(removed.status(), StatusCode::OK);
    };
    each_is_refused(&plane, &format!("authorization: Bearer {hal}\r\n"), &requests, remove).await;
    assert_eq!(plane.get("/api/jobs").await["total"], 0);
    assert_eq!(plane.get("/api/runners").await["runners"], json!([]));
    assert_eq!(plane.get("/api/cloud-identities").await["cloud_identities"], json!([]));
    assert_eq!(plane.get("/api/git-credentials").await["git_credentials"], json!([]));
    for path in ["/api/state/his", "/api/state/his/lock"] {
        assert_eq!(plane.user(Method::GET, path).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}
