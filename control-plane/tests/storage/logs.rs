//! Writing a log, in both dialects, and reading it back by page and by bytes.

use reqwest::Method;
use serde_json::{Value, json};
use wire::{JobStatus, LogAppended, LogPage};

use crate::plane::{Plane, frame, stdout};

async fn page(plane: &Plane, job: &str, after: &str) -> LogPage {
    let answer = plane.user("acme", Method::GET, &format!("/api/jobs/{job}/logs?after={after}")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_seeds_posts_are_pages_and_bytes() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    for (text, stream) in [("one\n", None), ("two €\n", Some("STDERR")), ("three\0\n", Some("SYSTEM"))] {
        let mut body = json!({ "log_chunk": text });
        if let Some(stream) = stream {
            body["stream_type"] = json!(stream);
        }
        let answer = plane.runner(Method::POST, "/api/jobs/j/logs").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "success": true }));
    }
    let logs = page(&plane, "j", "0").await.logs;
    let seen: Vec<_> = logs.iter().map(|entry| (entry.id, entry.log_chunk.as_str())).collect();
    assert_eq!(seen, [(4, "one\n"), (12, "two €\n"), (19, "three\0\n")]);
    assert_eq!(page(&plane, "j", "4").await.logs.len(), 2);
    assert!(page(&plane, "j", "99999").await.logs.is_empty());
    let raw = plane.user("acme", Method::GET, "/api/jobs/j/log").send().await.unwrap();
    assert_eq!(raw.bytes().await.unwrap(), "one\ntwo €\nthree\0\n");
}

#[tokio::test]
async fn a_bad_post_is_refused_and_stores_nothing() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    for (body, status, pointer) in [
        (r#"{"log_chunk":""}"#, 400, Some("/log_chunk")),
        (r#"{"log_chunk":"x","stream_type":"stdout"}"#, 422, Some("/stream_type")),
        (r#"{"log_chunk":7}"#, 422, Some("/log_chunk")),
        (r#"{}"#, 422, None),
        ("not json", 400, None),
        (r#"{"log_chunk":"x"#, 400, None),
    ] {
        let answer = plane.runner(Method::POST, "/api/jobs/j/logs").body(body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        let error: wire::ErrorBody = answer.json().await.unwrap();
        if let Some(pointer) = pointer {
            assert_eq!(error.pointer.as_deref(), Some(pointer), "{body}");
        }
    }
    for after in ["-1", "abc", "18446744073709551616"] {
        let path = format!("/api/jobs/j/logs?after={after}");
        assert_eq!(plane.user("acme", Method::GET, &path).send().await.unwrap().status(), 422, "{after}");
    }
    assert!(page(&plane, "j", "0").await.logs.is_empty());
}

#[tokio::test]
async fn an_append_is_acknowledged_at_its_offset_or_not_at_all() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    for (offset, frames, status, wanted) in [
        (0, stdout(0, b"hello\n"), 200, 6),
        (9, stdout(9, b"gap\n"), 416, 6),
        (0, stdout(0, b"hello\n"), 416, 6),
        (6, [stdout(6, b"a"), frame(wire::LogStream::Stderr, 7, b"b")].concat(), 200, 8),
        (8, Vec::new(), 200, 8),
    ] {
        let answer = plane.append("j", offset, frames).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[wire::paths::LOG_OFFSET], wanted.to_string());
        assert_eq!(answer.json::<LogAppended>().await.unwrap(), LogAppended { offset: wanted });
    }
    let mut damaged = stdout(8, b"damaged");
    damaged[35] ^= 1;
    assert_eq!(plane.append("j", 8, damaged).await.status(), 408, "it was damaged on its way; it is sent again");
    assert_eq!(plane.append("j", 8, vec![0; (1 << 20) + 1]).await.status(), 413);
    let unframed = plane.runner(Method::POST, "/api/jobs/j/log?offset=8").body("text").send().await.unwrap();
    assert_eq!(unframed.status(), 415);
    let raw = plane.user("acme", Method::GET, "/api/jobs/j/log").send().await.unwrap();
    assert_eq!(raw.text().await.unwrap(), "hello\nab");
}

#[tokio::test]
async fn after_the_end_a_repeat_is_told_so_and_more_is_refused() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    plane.append("j", 0, stdout(0, b"all of it\n")).await;
    plane.rules.end("j", JobStatus::Success);
    let repeat = plane.append("j", 0, stdout(0, b"all of it\n")).await;
    assert_eq!((repeat.status().as_u16(), repeat.json::<LogAppended>().await.unwrap().offset), (416, 10));
    assert_eq!(plane.append("j", 10, stdout(10, b"more")).await.status(), 409);
    let post = plane.runner(Method::POST, "/api/jobs/j/logs").json(&json!({ "log_chunk": "more" })).send().await;
    assert_eq!(post.unwrap().status(), 409);
}

#[tokio::test]
async fn any_range_of_the_bytes_can_be_downloaded() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let bytes: Vec<u8> = (0..700_000_u32).flat_map(|number| (number % 251).to_le_bytes()[..1].to_vec()).collect();
    assert_eq!(plane.append("j", 0, stdout(0, &bytes)).await.status(), 200);
    let get = |range: Option<&str>| {
        let request = plane.user("acme", Method::GET, "/api/jobs/j/log");
        match range {
            Some(range) => request.header("range", range),
            None => request,
        }
        .send()
    };
    let whole = get(None).await.unwrap();
    assert_eq!(whole.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(whole.headers()["x-content-type-options"], "nosniff");
    assert_eq!(whole.headers()["content-disposition"], "attachment; filename=\"j.log\"");
    assert_eq!(whole.bytes().await.unwrap(), bytes);
    for (range, from, to) in [("bytes=0-0", 0, 1), ("bytes=1000-", 1000, 700_000), ("bytes=-5", 699_995, 700_000)] {
        let answer = get(Some(range)).await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(answer.bytes().await.unwrap(), &bytes[from..to], "{range}");
    }
    assert_eq!(get(Some("bytes=700000-")).await.unwrap().status(), 416);
    assert_eq!(get(Some("bytes=0-1,5-6")).await.unwrap().status(), 400);
}

#[tokio::test]
async fn only_who_may_see_a_job_sees_its_log() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    plane.append("j", 0, stdout(0, b"secret\n")).await;
    for path in ["/api/jobs/j/log", "/api/jobs/j/logs", "/api/jobs/j/logs/stream"] {
        let foreign = plane.user("other", Method::GET, path).send().await.unwrap();
        let absent = plane.user("other", Method::GET, &path.replace("/j/", "/none/")).send().await.unwrap();
        assert_eq!((foreign.status(), absent.status()), (404.try_into().unwrap(), 404.try_into().unwrap()));
        assert_eq!(foreign.text().await.unwrap(), absent.text().await.unwrap());
        assert_eq!(plane.client.get(plane.url(path)).send().await.unwrap().status(), 401);
    }
    for id in ["..", "%2e%2e%2fx", "';drop", &"x".repeat(4096)] {
        let answer = plane.user("acme", Method::GET, &format!("/api/jobs/{id}/log")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{id}");
    }
}
