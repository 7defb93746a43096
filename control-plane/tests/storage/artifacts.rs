//! Artifacts and sources: whole or not at all, never changed, seen only by those who may.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::paths::CONTENT_SHA256;

use crate::plane::Plane;

const LIMIT: usize = 1 << 20;

fn stored_files(plane: &Plane) -> usize {
    let shelves = fs::read_dir(plane.dir.path().join("artifacts")).unwrap();
    shelves.map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test]
async fn an_artifact_comes_back_as_it_was_and_never_changes() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let put = |bytes: &'static [u8]| plane.runner(Method::PUT, "/api/jobs/j/artifacts/plan").body(bytes).send();
    let digest = hex::encode(Sha256::digest(b"the plan"));
    for _ in 0..2 {
        let answer = put(b"the plan").await.unwrap();
        assert_eq!(answer.status(), 200);
        let expected = json!({ "name": "plan", "sha256": digest, "size_bytes": 8 });
        assert_eq!(answer.json::<Value>().await.unwrap(), expected);
    }
    assert_eq!(put(b"another plan").await.unwrap().status(), 409);
    let answer = plane.user("acme", Method::GET, "/api/jobs/j/artifacts/plan").send().await.unwrap();
    assert_eq!(answer.headers()[CONTENT_SHA256], digest);
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"plan\"");
    assert_eq!(answer.bytes().await.unwrap(), "the plan");
    plane.rules.change("j", |progress| progress.attempt = 2);
    assert_eq!(put(b"the plan of attempt 2").await.unwrap().status(), 200);
    let answer = plane.user("acme", Method::GET, "/api/jobs/j/artifacts/plan").send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), "the plan of attempt 2");
    let list: Value =
        plane.user("acme", Method::GET, "/api/jobs/j/artifacts").send().await.unwrap().json().await.unwrap();
    let attempts: Vec<_> = list["artifacts"].as_array().unwrap().iter().map(|artifact| &artifact["attempt"]).collect();
    assert_eq!(attempts, [1, 2]);
    plane.rules.end("j", wire::JobStatus::Success);
    assert_eq!(put(b"late").await.unwrap().status(), 409);
}

#[tokio::test]
async fn the_seeds_plan_artifact_is_a_name() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let path = "/api/jobs/j/plan-artifact";
    assert_eq!(plane.user("acme", Method::GET, path).send().await.unwrap().status(), 404);
    assert_eq!(plane.runner(Method::POST, path).send().await.unwrap().status(), 400);
    let answer = plane.runner(Method::POST, path).body("PK plan").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "key": "j/terraform.plan.out" }));
    assert_eq!(plane.runner(Method::GET, path).send().await.unwrap().text().await.unwrap(), "PK plan");
    let named = plane.runner(Method::GET, "/api/jobs/j/artifacts/terraform.plan.out").send().await.unwrap();
    assert_eq!(named.text().await.unwrap(), "PK plan");
}

#[tokio::test]
async fn what_is_too_large_or_not_what_it_says_is_not_stored() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let put = || plane.runner(Method::PUT, "/api/jobs/j/artifacts/a");
    assert_eq!(put().body(vec![7; LIMIT]).send().await.unwrap().status(), 200);
    let before = stored_files(&plane);
    let put = || plane.runner(Method::PUT, "/api/jobs/j/artifacts/b");
    assert_eq!(put().body(vec![7; LIMIT + 1]).send().await.unwrap().status(), 413);
    let wrong = put().header(CONTENT_SHA256, "0".repeat(64)).body("x").send().await.unwrap();
    assert_eq!(wrong.status(), 408, "it was damaged on its way; it is sent again");
    assert_eq!(put().header(CONTENT_SHA256, "rubbish").body("x").send().await.unwrap().status(), 400);
    assert_eq!(put().body("").send().await.unwrap().status(), 400);
    assert_eq!(stored_files(&plane), before);
    let right = hex::encode(Sha256::digest(b"x"));
    assert_eq!(put().header(CONTENT_SHA256, right).body("x").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_upload_that_is_cut_off_leaves_nothing_and_can_be_sent_again() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let head = "PUT /api/jobs/j/artifacts/a HTTP/1.1\r\nhost: x\r\nx-worker-id: runner-1\r\n";
    for sent in [0, 1, 50_000, 99_000, 99_999] {
        let mut socket = tokio::net::TcpStream::connect(plane.address).await.unwrap();
        socket.write_all(format!("{head}content-length: 100000\r\n\r\n").as_bytes()).await.unwrap();
        socket.write_all(&vec![b'x'; sent]).await.unwrap();
        socket.shutdown().await.unwrap();
        // The end of the answer, if there is one, comes after the request was dealt with.
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert_eq!(plane.storage.artifacts.list(&"j".parse().unwrap()).await.unwrap(), []);
    }
    let whole = plane.runner(Method::PUT, "/api/jobs/j/artifacts/a").body(vec![b'x'; 100_000]).send().await.unwrap();
    assert_eq!(whole.status(), 200);
}

#[tokio::test]
async fn a_name_is_safe_or_refused() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let long = "a".repeat(300);
    for name in ["%22%3E%3Cscript%3E", "a%0D%0Ab", "..", ".hidden", "a%2Fb", "a%20b", &long] {
        let path = format!("/api/jobs/j/artifacts/{name}");
        let status = plane.runner(Method::PUT, &path).body("x").send().await.unwrap().status().as_u16();
        assert!([404, 405, 422].contains(&status), "{name}: {status}");
        let status = plane.runner(Method::GET, &path).send().await.unwrap().status().as_u16();
        assert!(status == 404 || name == "..", "{name}: {status}");
    }
    assert_eq!(plane.runner(Method::PUT, "/api/jobs/j/artifacts/con").body("x").send().await.unwrap().status(), 200);
    let foreign = plane.user("other", Method::GET, "/api/jobs/j/artifacts/con").send().await.unwrap();
    let absent = plane.user("other", Method::GET, "/api/jobs/none/artifacts/con").send().await.unwrap();
    assert_eq!((foreign.status().as_u16(), absent.status().as_u16()), (404, 404));
    assert_eq!(foreign.text().await.unwrap(), absent.text().await.unwrap());
}

#[tokio::test]
async fn a_source_is_an_archive_of_its_organisation() {
    let plane = Plane::start().await;
    let archive = b"\x1F\x8B\x08rest".as_slice();
    let post = |org: &str, bytes: Vec<u8>| plane.user(org, Method::POST, "/api/sources").body(bytes).send();
    let answer = post("acme", archive.to_vec()).await.unwrap();
    assert_eq!(answer.status(), 201);
    let source: wire::SourceAnswer = answer.json().await.unwrap();
    assert_eq!((source.id.clone(), source.size_bytes), (hex::encode(Sha256::digest(archive)), 7));
    assert_eq!(post("acme", archive.to_vec()).await.unwrap().status(), 201);
    assert_eq!(post("acme", b"PK not gzip".to_vec()).await.unwrap().status(), 400);
    assert_eq!(post("acme", Vec::new()).await.unwrap().status(), 400);
    assert_eq!(post("acme", [archive, &vec![0; LIMIT]].concat()).await.unwrap().status(), 413);
    let get = |org: &str, id: &str| plane.user(org, Method::GET, &format!("/api/sources/{id}")).send();
    assert_eq!(get("acme", &source.id).await.unwrap().bytes().await.unwrap(), archive);
    for (org, id) in [("other", source.id.as_str()), ("acme", "nonsense"), ("acme", &"0".repeat(64))] {
        assert_eq!(get(org, id).await.unwrap().status(), 404, "{org} {id}");
    }
    assert_eq!(post("other", archive.to_vec()).await.unwrap().status(), 201);
    assert_eq!(get("other", &source.id).await.unwrap().status(), 200);
}
