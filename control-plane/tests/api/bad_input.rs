//! What nobody should send. Each is refused with a clear answer, changes nothing, and leaves the plane well.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plane::{Plane, Runner, SOON};

/// Sends bytes as they are, and returns the first line of the answer. None if the connection was closed instead.
async fn raw(plane: &Plane, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(plane.origin.strip_prefix("http://").unwrap()).await.unwrap();
    // The plane may refuse before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = vec![];
    let mut buffer = [0; 4096];
    let first_line = async {
        while !answer.windows(2).any(|pair| pair == b"\r\n") {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
            }
        }
        String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
    };
    tokio::time::timeout(SOON, first_line).await.expect("there is an answer")
}

fn runner_headers(runner: &Runner) -> String {
    format!("host: plane\r\nx-worker-id: {}\r\nx-worker-token: {}\r\n", runner.id, runner.token)
}

async fn refusal(answer: reqwest::Response) -> (StatusCode, Value) {
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    assert!(body.len() <= 1024, "a refusal is short");
    (status, serde_json::from_slice(&body).expect("a refusal is JSON"))
}

/// A plane, a runner, and a job that it holds.
async fn with_a_job() -> (Plane, Runner, String) {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    (plane, runner, job)
}

/// Nothing of what came before has changed the job, and it can end as it should.
async fn is_well(plane: &Plane, runner: &Runner, job: &str) {
    let shown = plane.job(job).await;
    assert_eq!((&shown["status"], &shown["execution_metadata"]), (&json!("CLAIMED"), &Value::Null));
    assert_eq!(runner.status(job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
}

#[tokio::test]
async fn c1_to_c3_tokens() {
    let (plane, runner, job) = with_a_job().await;
    let other = plane.register("two").await;
    let long = "a".repeat(10 << 20);
    let bodies: Vec<_> = [
        (&runner.id, ""),
        (&runner.id, "x"),
        (&runner.id, &runner.token.to_uppercase()),
        (&runner.id, &runner.token[1..]),
        (&runner.id, &other.token),
        (&"no-such-runner".to_owned(), &runner.token),
        (&"../x".to_owned(), &runner.token),
    ]
    .map(|(id, token)| plane.runner(id, token))
    .into();
    let mut texts = vec![];
    for thief in &bodies {
        let call = thief.call(Method::PUT, &format!("/api/jobs/{job}/status")).json(&json!({ "status": "SUCCESS" }));
        let (status, body) = refusal(call.send().await.unwrap()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{:?}", thief.token);
        texts.push(body.to_string());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "which half was wrong is not told: {texts:?}");
    let none =
        runner.client.put(format!("{}/api/jobs/{job}/status", plane.origin)).json(&json!({ "status": "SUCCESS" }));
    assert_eq!(none.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for token in ["", "x", &plane.admin.to_uppercase(), &runner.token] {
        let answer = plane.user_with(token, Method::GET, "/api/jobs").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{token:?}");
    }
    let request = format!("GET /api/jobs HTTP/1.1\r\nhost: plane\r\nauthorization: Bearer {long}\r\n\r\n");
    assert!(matches!(raw(&plane, request.as_bytes()).await, Some(431) | None));
    for forged in [format!("{}\0", runner.token), format!("{}\n x", runner.token)] {
        let headers = runner_headers(&plane.runner(&runner.id, &forged));
        let answer = raw(&plane, format!("POST /api/jobs/claim HTTP/1.1\r\n{headers}\r\n").as_bytes()).await;
        assert!(matches!(answer, Some(400 | 401) | None), "{answer:?}");
    }
    is_well(&plane, &runner, &job).await;
}

#[tokio::test]
async fn c5_to_c8_bodies() {
    let (plane, runner, job) = with_a_job().await;
    let put = |body: String| runner.call(Method::PUT, &format!("/api/jobs/{job}/status")).body(body).send();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for (body, expected) in [
        ("".to_owned(), 400),
        ("nonsense".to_owned(), 400),
        (r#"{"status":"SUCC"#.to_owned(), 400),
        (format!(r#"{{"status":"SUCCESS","execution_metadata":{deep}}}"#), 400),
        (r#"{"status":"SUCCESS","status":"FAILED"}"#.to_owned(), 400),
        ("[]".to_owned(), 422),
        ("{}".to_owned(), 422),
        (r#"{"status":"success"}"#.to_owned(), 422),
        (r#"{"status":"SUCCESS "}"#.to_owned(), 422),
        (r#"{"status":"DONE"}"#.to_owned(), 422),
        (r#"{"status":null}"#.to_owned(), 422),
        (r#"{"status":7}"#.to_owned(), 422),
        (r#"{"status":"SUCCESS","phase":"sideways"}"#.to_owned(), 422),
        (r#"{"status":"SUCCESS","log":{"length":-1,"sha256":""}}"#.to_owned(), 422),
        (r#"{"status":"SUCCESS","execution_metadata":[1]}"#.to_owned(), 422),
        (r#"{"status":"QUEUED"}"#.to_owned(), 400),
        (r#"{"status":"CLAIMED"}"#.to_owned(), 400),
    ] {
        let shown: String = body.chars().take(60).collect();
        let (status, answer) = refusal(put(body).await.unwrap()).await;
        assert_eq!(status.as_u16(), expected, "{shown}: {answer}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    let (_, answer) = refusal(put(r#"{"status":"DONE"}"#.to_owned()).await.unwrap()).await;
    assert_eq!(answer["pointer"], "/status");
    let submit = |body: String| plane.user(Method::POST, "/api/jobs").body(body).send();
    assert_eq!(submit(" ".repeat((2 << 20) + 1)).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(submit(deep).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let heartbeat = runner.call(Method::POST, "/api/workers/heartbeat").body(" ".repeat((2 << 20) + 1));
    let status = heartbeat.send().await.unwrap().status();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "what it links stays in memory");
    is_well(&plane, &runner, &job).await;
}

#[tokio::test]
async fn what_was_sent_is_not_sent_back() {
    let (plane, runner, job) = with_a_job().await;
    let long = "z".repeat(1 << 20);
    let status = format!("/api/jobs/{job}/status");
    let key = json!({ "job_type": "read", "config_snapshot": { &long: 1 } });
    let labels = json!({ "job_type": "read", "labels": { &long: 1 }, "config_snapshot": { "list": 1 } });
    for call in [
        plane.user(Method::POST, "/api/jobs").json(&json!({ "job_type": long })),
        plane.user(Method::POST, "/api/jobs").json(&key),
        plane.user(Method::POST, "/api/jobs").json(&labels),
        plane.user(Method::POST, "/api/jobs").body(format!("{{\"{long}\"")),
        runner.call(Method::PUT, &status).json(&json!({ "status": "z".repeat(15 << 20) })),
        runner.call(Method::PUT, &status).json(&json!({ "status": "SUCCESS", "phase": long })),
    ] {
        // It looks at the length, too.
        let (status, answer) = refusal(call.send().await.unwrap()).await;
        assert!(status.is_client_error(), "{answer}");
    }
    is_well(&plane, &runner, &job).await;
}

#[tokio::test]
async fn c9_to_c10_reports_out_of_turn() {
    let (plane, runner, job) = with_a_job().await;
    let queued = plane.submit("read").await;
    for status in ["PROCESSING", "SUCCESS", "FAILED", "CANCELLED"] {
        assert_eq!(runner.status(&queued, 1, json!({ "status": status })).await, StatusCode::CONFLICT);
    }
    for attempt in ["0", "-1", "9223372036854775808", "4294967296", "x", "1.0", ""] {
        let call = runner.call(Method::PUT, &format!("/api/jobs/{job}/status")).header("X-Job-Attempt", attempt);
        let answer = call.json(&json!({ "status": "SUCCESS" })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{attempt}");
    }
    assert_eq!(runner.status(&job, 2, json!({ "status": "SUCCESS" })).await, StatusCode::CONFLICT);
    is_well(&plane, &runner, &job).await;
    for status in ["PROCESSING", "FAILED", "CANCELLED"] {
        assert_eq!(runner.status(&job, 1, json!({ "status": status })).await, StatusCode::CONFLICT, "{status}");
    }
    assert_eq!(plane.job(&queued).await["status"], "QUEUED");
}

#[tokio::test]
async fn c12_to_c17_logs_and_artifacts() {
    let (plane, runner, job) = with_a_job().await;
    let post = |body: Value| runner.call(Method::POST, &format!("/api/jobs/{job}/logs")).json(&body).send();
    for (body, expected) in [
        (json!({ "log_chunk": "" }), 400),
        (json!({ "log_chunk": "x", "stream_type": "stdout" }), 422),
        (json!({ "log_chunk": "x".repeat((4 << 20) + 1) }), 413),
        (json!({}), 422),
    ] {
        assert_eq!(post(body).await.unwrap().status().as_u16(), expected);
    }
    // Not ours to unpack: what says that it is packed is read as it is.
    let bomb = runner.call(Method::POST, &format!("/api/jobs/{job}/logs")).header("content-encoding", "gzip");
    assert_eq!(bomb.body(vec![0x1f, 0x8b, 8, 0]).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    for after in ["-1", "abc", "18446744073709551616"] {
        let answer = plane.user(Method::GET, &format!("/api/jobs/{job}/logs?after={after}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{after}");
    }
    assert_eq!(plane.get(&format!("/api/jobs/{job}/logs?after=99999")).await["logs"], json!([]));
    assert_eq!(plane.get(&format!("/api/jobs/{job}")).await["log_length"], 0);
    runner.status(&job, 1, json!({ "status": "SUCCESS" })).await;
    assert_eq!(post(json!({ "log_chunk": "late" })).await.unwrap().status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn c18_ids_in_paths() {
    let (plane, runner, job) = with_a_job().await;
    for id in ["%2e%2e%2f", "..%2fadmin-token", "'%3b%20drop%20table%20jobs", "%00", "%ff", &"x".repeat(4096)] {
        for (method, path) in [
            ("GET", ""),
            ("GET", "/log"),
            ("GET", "/logs"),
            ("GET", "/explain"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
        ] {
            let call = plane.user(method.parse().unwrap(), &format!("/api/jobs/{id}{path}"));
            let status = call.send().await.unwrap().status().as_u16();
            assert!(matches!(status, 400 | 404), "{id} {path}: {status}");
        }
        for path in [format!("/api/runners/{id}"), format!("/api/sources/{id}"), format!("/api/kinds/{id}/schema")] {
            let status = plane.user(Method::GET, &path).send().await.unwrap().status().as_u16();
            assert!(matches!(status, 400 | 404), "{path}: {status}");
        }
    }
    let request = format!("GET /api/jobs/../../admin-token HTTP/1.1\r\n{}\r\n", runner_headers(&runner));
    assert_eq!(raw(&plane, request.as_bytes()).await, Some(404));
    for (method, path, expected) in [(Method::GET, "/api/nothing", 404), (Method::DELETE, "/api/jobs", 405)] {
        let (status, body) = refusal(plane.user(method, path).send().await.unwrap()).await;
        assert_eq!(status.as_u16(), expected);
        assert!(body["error"].is_string());
    }
    is_well(&plane, &runner, &job).await;
}

#[tokio::test]
async fn c19_names_of_runners() {
    let plane = Plane::start().await;
    plane.register("one").await;
    let long = "n".repeat(65);
    let huge = "n".repeat(10 << 10);
    for name in ["", "  ", &long, &huge, "a\u{7}b", "a\u{202e}b", "a\u{2066}b", "a\nb"] {
        let call = plane.user(Method::POST, "/api/runners/register").json(&json!({ "name": name }));
        let (status, body) = refusal(call.send().await.unwrap()).await;
        assert_eq!((status, &body["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/name")), "{name:?}");
    }
    let twice = plane.user(Method::POST, "/api/runners/register").json(&json!({ "name": "one" })).send().await.unwrap();
    assert_eq!(twice.status(), StatusCode::CONFLICT);
    let mode = json!({ "name": "two", "mode": "sideways" });
    let mode = plane.user(Method::POST, "/api/runners/register").json(&mode).send().await.unwrap();
    assert_eq!(mode.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(plane.get("/api/runners").await["runners"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn c20_requests_that_are_none() {
    let (plane, runner, job) = with_a_job().await;
    let many: String = (0..10_000).map(|number| format!("x-{number}: y\r\n")).collect();
    assert!(matches!(
        raw(&plane, format!("GET /healthz HTTP/1.1\r\nhost: plane\r\n{many}\r\n").as_bytes()).await,
        Some(431) | None
    ));
    assert!(matches!(
        raw(&plane, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03nonsense\r\n\r\n").await,
        Some(400) | None
    ));
    // Of two lengths one must not become a second request: the body is the chunks, and the connection ends.
    let smuggled = format!(
        "POST /api/jobs/claim HTTP/1.1\r\n{}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\
         DELETE /api/runners/{} HTTP/1.1\r\n{}\r\n",
        runner_headers(&runner),
        runner.id,
        runner_headers(&runner)
    );
    let mut stream = TcpStream::connect(plane.origin.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(smuggled.as_bytes()).await.unwrap();
    let mut answers = String::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_string(&mut answers)).await.expect("the connection ends");
    assert!(answers.matches("HTTP/1.1 ").count() <= 1, "{answers}");
    is_well(&plane, &runner, &job).await;
}

#[tokio::test]
async fn a_submission_is_refused_with_the_place() {
    let plane = Plane::start().await;
    for (body, pointer, text) in [
        (json!({ "job_type": "nope" }), "/job_type", "known are: CONNECTION_TEST, change, read"),
        (json!({ "job_type": "read", "config_snapshot": { "count": "x" } }), "/config_snapshot/count", "integer"),
        (json!({ "job_type": "read", "config_snapshot": { "list": ["a", 1] } }), "/config_snapshot/list/1", "string"),
        (json!({ "job_type": "read", "config_snapshot": { "cuont": 1 } }), "/config_snapshot", "cuont"),
        (json!({ "job_type": "read", "config_snapshot": {}, "plan_job_id": "none" }), "/plan_job_id", "no job none"),
        (
            json!({ "job_type": "read", "config_snapshot": {}, "assigned_runner_id": "none" }),
            "/assigned_runner_id",
            "no runner",
        ),
        (json!({ "job_type": "read", "config_snapshot": {}, "timeout_s": 0 }), "/timeout_s", "at least"),
    ] {
        let (status, answer) = refusal(plane.user(Method::POST, "/api/jobs").json(&body).send().await.unwrap()).await;
        assert_eq!((status, &answer["pointer"]), (StatusCode::BAD_REQUEST, &json!(pointer)), "{body}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(text), "{answer}");
    }
    for query in ["status=done", "limit=x", "offset=-1"] {
        let answer = plane.user(Method::GET, &format!("/api/jobs?{query}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
    assert_eq!(plane.get("/api/jobs").await["total"], 0);
}
