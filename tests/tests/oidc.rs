//! The plane's word for who a job is, on its way to the job: fetched before the start, written anew for whoever adopts the
//! job, seen by nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use system_tests::plane::Plane;
use system_tests::process::eventually;
use system_tests::runner::{Identity, RunnerHome};
use system_tests::seed_plane::{RUNNER_ID, RUNNER_TOKEN, SeedDialect, SeedPlane};
use wire::JobStatus;

const AUDIENCE: &str = "sts.amazonaws.com";

/// What the job has said of its tokens, in order.
fn claims(log: &str) -> Vec<Value> {
    log.split("claims ").skip(1).map(|rest| serde_json::from_str(rest.lines().next().unwrap()).unwrap()).collect()
}

/// The whole of it, or its signature, which is what makes it worth anything.
fn has(bytes: &[u8], token: &str) -> bool {
    let signature = token.rsplit('.').next().unwrap();
    assert!(signature.len() > 300, "an RSA signature");
    bytes.windows(signature.len()).any(|window| window == signature.as_bytes())
}

fn is_below(folder: &Path, token: &str) -> bool {
    fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        let kind = entry.file_type().unwrap();
        let in_file = || kind.is_file() && has(&fs::read(entry.path()).unwrap(), token);
        if kind.is_dir() { is_below(&entry.path(), token) } else { in_file() }
    })
}

#[tokio::test]
async fn the_planes_word_reaches_its_job_over_a_crash_of_the_runner_and_nobody_else() {
    let plane = Plane::start_public("https://plane.example").await;
    let user = plane.client();
    let home = RunnerHome::new(&plane.origin, user.register("one").await);
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let mut runner = home.started().await;
    let job = user.submit("vouched", &json!({ "audience": AUDIENCE, "gate": gate })).await;
    let shown = eventually("the first look at the token", async || {
        let log = user.log(&job).await;
        log.ends_with(b"***").then_some(log)
    });
    shown.await;

    let [directory] = &home.job_dirs()[..] else { panic!("one job runs") };
    let file = directory.join("inputs/oidc-token");
    let first = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    runner.kill9().await;
    let messages = runner.said();
    let mut runner = home.started().await;
    let second = eventually("another token", async || {
        let token = fs::read_to_string(&file).unwrap();
        (token != first).then_some(token)
    });
    let second = second.await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&gate, "").unwrap();
    let ended = user.ended_as(&job, JobStatus::Success).await;

    let log = String::from_utf8(user.log(&job).await.to_vec()).unwrap();
    let [one, two] = &claims(&log)[..] else { panic!("{log}") };
    for claims in [one, two] {
        assert_eq!(claims["iss"], "https://plane.example");
        assert_eq!((&claims["aud"], &claims["job_id"]), (&json!(AUDIENCE), &json!(job)));
        assert_eq!(
            (&claims["org"], &claims["kind"], &claims["attempt"]),
            (&json!("default"), &json!("vouched"), &json!(1))
        );
        assert_eq!(claims["sub"], format!("org:default:kind:vouched:job:{job}"));
    }
    assert_ne!(one["jti"], two["jti"], "the second is another");
    assert_eq!(log.matches("***").count(), 2, "what a tool prints of them is hidden: {log}");

    runner.signal(rustix::process::Signal::TERM);
    assert!(runner.ended().await.success());
    for token in [&first, &second] {
        assert!(!is_below(home.state_dir(), token) && !is_below(&plane.data_dir(), token));
        for text in [&log, &messages, &runner.said(), &format!("{ended:?}")] {
            assert!(!has(text.as_bytes(), token), "{text}");
        }
    }
}

#[tokio::test]
async fn where_nobody_vouches_there_is_no_token() {
    let plane = Plane::start().await;
    let user = plane.client();
    let home = RunnerHome::new(&plane.origin, user.register("one").await);
    let _runner = home.started().await;
    let job = user.submit("vouched", &json!({ "audience": AUDIENCE })).await;
    user.ended_as(&job, JobStatus::Success).await;
    assert_eq!(user.log(&job).await, "no token\n");
}

#[tokio::test]
async fn a_plane_that_does_not_know_the_route_vouches_for_nobody() {
    for dialect in SeedDialect::ALL {
        let plane = SeedPlane::start(dialect).await;
        let identity = Identity { id: RUNNER_ID.to_owned(), token: RUNNER_TOKEN.to_owned() };
        let home = RunnerHome::new(&plane.origin, identity);
        plane.submit("j", "vouched", &json!({ "audience": AUDIENCE }));
        let _runner = home.started().await;
        let ended = plane.ended("j").await;
        assert_eq!((ended.status(), ended.log_of("SYSTEM").as_str()), (Some("SUCCESS"), "no token\n"));
    }
}
