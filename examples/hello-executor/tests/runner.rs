//! This team's runner, as it is installed, against a control plane that has never heard of its kind.

use std::path::Path;

use control_plane::{Config, ControlPlane, Limits, SecretReaders, Timings};
use rustix::process::Signal;
use serde_json::{Value, json};
use system_tests::client::Client;
use system_tests::process::{Process, variable};
use system_tests::runner::Identity;
use tokio_util::sync::CancellationToken;
use wire::JobStatus;

/// A control plane in this process, and its first user.
async fn plane(data: &Path) -> (ControlPlane, Client) {
    let listen = "127.0.0.1:0".parse().unwrap();
    let (timings, limits) = (Timings::default(), Limits::default());
    let config = Config {
        listen,
        data_dir: data.to_owned(),
        kinds: vec![],
        timings,
        limits,
        secret_readers: SecretReaders::default(),
        public_url: None,
        runner_image: None,
    };
    let plane = control_plane::start(config).await.unwrap();
    let token = std::fs::read_to_string(plane.admin_token_file()).unwrap();
    let user = Client::new(&format!("http://{}", plane.address()), token.trim());
    (plane, user)
}

fn start(origin: &str, identity: &Identity, state: &Path) -> Process {
    let settings = [
        ("PATH", variable("PATH").unwrap_or_default()),
        ("ALETHIA_WEB_ORIGIN", origin.to_owned()),
        ("ALETHIA_WORKER_ID", identity.id.clone()),
        ("ALETHIA_WORKER_TOKEN", identity.token.clone()),
        ("ALETHIA_STATE_DIR", state.display().to_string()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    Process::start(Path::new(env!("CARGO_BIN_EXE_hello-executor")), &["start".to_owned()], &settings)
}

async fn submit(user: &Client, payload: Value) -> (u16, Value) {
    let submission = json!({ "job_type": "hello", "config_snapshot": payload });
    let call = user.call("POST".parse().unwrap(), wire::paths::JOBS).json(&submission);
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_team_brings_its_kind_with_its_runner() {
    let folder = tempfile::tempdir().unwrap();
    let (plane, user) = plane(&folder.path().join("plane")).await;
    let origin = format!("http://{}", plane.address());
    let close = CancellationToken::new();
    let serving = tokio::spawn(plane.run(close.clone()));

    let (status, refused) = submit(&user, json!({ "name": "you" })).await;
    assert_eq!((status, &refused["pointer"]), (400, &json!("/job_type")), "{refused}");

    let identity = user.register("ours").await;
    let mut runner = start(&origin, &identity, &folder.path().join("runner"));
    runner.until_said("ready for jobs").await;

    let (status, refused) = submit(&user, json!({ "nmae": "you" })).await;
    assert_eq!(status, 400, "its schema is known now: {refused}");
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains("nmae") && error.contains("\"name\" is a required property"), "{refused}");

    let job = user.submit("hello", &json!({ "name": "$(id) --you", "times": 3 })).await;
    let ended = user.ended_as(&job, JobStatus::Success).await;
    assert_eq!(user.log(&job).await, "hello, $(id) --you\n".repeat(3));
    assert_eq!((ended.execution_metadata.unwrap()["greeted"].as_u64(), ended.log_complete), (Some(3), Some(true)));

    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    close.cancel();
    serving.await.unwrap().unwrap();
}

/// What the README says of this crate beside its code.
#[tokio::test]
async fn the_readme_shows_what_it_depends_on_and_how_it_is_asked() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (readme, manifest) = (read("../../README.md"), read("Cargo.toml"));
    let (_, shown) = readme.split_once("```toml\n[dependencies]\n").expect("the README shows dependencies");
    let shown = shown.split("```").next().unwrap();
    let (_, needed) = manifest.split_once("[dependencies]\n").unwrap();
    let needed = needed.lines().take_while(|line| !line.is_empty()).map(|line| line.split('.').next().unwrap());
    let names: Vec<_> = shown.lines().map(|line| line.split(" = ").next().unwrap()).collect();
    assert_eq!(names, needed.collect::<Vec<_>>());

    let (_, verb) = readme.split_once("$ target/release/hello-executor ").expect("the README asks it for its kinds");
    let verb = verb.lines().next().unwrap().to_owned();
    let mut asked = Process::start(Path::new(env!("CARGO_BIN_EXE_hello-executor")), &[verb], &[]);
    assert!(asked.ended().await.success());
    asked.until_said("hello").await;
}
