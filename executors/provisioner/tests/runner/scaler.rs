//! The function that scales to zero, in the Python that has moto: against moto and a stand-in for the plane, whose answers the
//! test decides.

use std::path::{Path, PathBuf};

use executor_api::testing::{TestJob, missing, variable};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::aws::{Aws, REGION, fresh_id, payload, run};

/// A Python with boto3: `ALETHIA_TEST_PYTHON`, or where `cargo xtask tools` puts moto.
fn python() -> Option<PathBuf> {
    let kept = || {
        let cache = variable("XTASK_CACHE").or_else(|| Some(format!("{}/.cache/alethia-xtask", variable("HOME")?)))?;
        let folders = std::fs::read_dir(cache).ok()?.map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = folders.filter(|path| path.to_string_lossy().contains("/moto-")).collect();
        found.sort();
        Some(found.pop()?.join("bin/python"))
    };
    let found = variable("ALETHIA_TEST_PYTHON").map(PathBuf::from).or_else(kept).filter(|python| python.exists());
    if found.is_none() {
        missing("no Python with boto3; `cargo xtask tools` makes one, or set ALETHIA_TEST_PYTHON");
    }
    found
}

/// Answers one question with `work`, and returns what was asked.
async fn plane(listener: &TcpListener, work: &Value) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
    }
    let body = work.to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(asked).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn it_follows_what_waits_and_what_runs() {
    let Some(aws) = Aws::find() else { return };
    let Some(python) = python() else { return };
    let id = fresh_id();
    let wanted = payload(&id, &json!({ "scale_to_zero": true, "assign_public_ip": true }));
    let job = aws.job("DEPLOY_RUNNER", &wanted).build().unwrap();
    if job.context.tool("terraform").is_err() {
        return missing("no terraform on the PATH");
    }
    run(&job.context).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let ask = async |work: Value| {
        let (asked, said) = tokio::join!(plane(&listener, &work), scale(&job, &aws, &python, &id, &origin, "false"));
        assert!(
            asked.starts_with("post /api/platform/queue ") && asked.contains(&format!("x-worker-id: {id}")),
            "{asked}"
        );
        assert!(asked.contains("x-worker-token: token-canary-0123456789"), "{asked}");
        assert!(!said.contains("canary"), "{said}");
        aws.service(&id).await.0["desiredCount"].as_u64().unwrap()
    };
    let work =
        |queued: u64, running: u64, idle_s: u64| json!({ "queued": queued, "running": running, "idle_s": idle_s });
    assert_eq!(ask(work(0, 0, 1_000)).await, 0, "nothing to do");
    assert_eq!(ask(work(1, 0, 0)).await, 1, "a job waits");
    assert_eq!(ask(work(0, 1, 0)).await, 1, "a long job with an empty queue is work");
    assert_eq!(ask(work(0, 0, 299)).await, 1, "not for long enough");
    assert_eq!(ask(work(0, 0, 300)).await, 0);

    // It shall run always from now on: it was stopped, and what stopped it starts it.
    let always = aws.job("UPDATE_RUNNER", &payload(&id, &json!({ "assign_public_ip": true }))).build().unwrap();
    run(&always.context).await.unwrap_or_else(|error| panic!("{error}\n{}", always.log()));
    let told = aws.environment_of_scaler(&id).await["ALWAYS"].as_str().unwrap().to_owned();
    scale(&job, &aws, &python, &id, "http://nobody.invalid", &told).await;
    assert_eq!(aws.service(&id).await.0["desiredCount"], 1);
    let end = aws.job("DESTROY_RUNNER", &payload(&id, &json!({}))).build().unwrap();
    run(&end.context).await.unwrap();
}

async fn scale(job: &TestJob, aws: &Aws, python: &Path, id: &str, origin: &str, always: &str) -> String {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates/runner/aws");
    let command = job.context.command(python).args(["-B", "-c", "import scaler; scaler.handle(None, None)"]);
    let name = format!("alethia-runner-{id}");
    let command = command.env("PYTHONPATH", template).env("AWS_DEFAULT_REGION", REGION).env("ALETHIA_URL", origin);
    let command = command.env("RUNNER_ID", id).env("TOKEN_SECRET", format!("{name}/token")).env("IDLE_SECONDS", "300");
    let command = command.env("CLUSTER", &name).env("SERVICE", &name).env("AWS_ENDPOINT_URL", &aws.url);
    let command = command.env("ALWAYS", always);
    let finished = job.context.tee(command).await.unwrap();
    assert!(finished.exit.is_success(), "{}", finished.stderr_tail);
    String::from_utf8(finished.stdout).unwrap()
}
