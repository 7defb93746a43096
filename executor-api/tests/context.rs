//! What a context promises to an executor, with real children.

use std::time::Duration;

use executor_api::testing::TestJob;
use executor_api::{
    Artifact, ArtifactBody, ExecutorError, Input, JobSettings, LogStream, Stop, StopReason, without_secrets_of,
};
use serde::Deserialize;
use serde_json::{Value, json};

fn job(payload: &Value) -> TestJob {
    TestJob::builder("test", payload).grace(Duration::from_secs(600)).build().unwrap()
}

fn sh(job: &TestJob, script: &str) -> executor_api::Command {
    job.context.command("/bin/sh").args(["-c", script])
}

#[tokio::test]
async fn both_streams_reach_the_log() {
    let job = job(&json!({}));
    let finished = job.context.run(sh(&job, "echo out; echo err >&2; exit 3")).await.unwrap();
    assert_eq!(finished.exit.code, Some(3));
    assert_eq!(finished.stderr_tail, "err\n");
    assert_eq!(job.log_of(LogStream::Stdout), b"out\n");
    assert_eq!(job.log_of(LogStream::Stderr), b"err\n");
}

#[tokio::test]
async fn what_is_captured_stays_out_of_the_log() {
    let job = job(&json!({}));
    let finished = job.context.capture(sh(&job, "echo document; echo warning >&2")).await.unwrap();
    assert_eq!(finished.stdout, b"document\n");
    assert_eq!(job.log(), "warning\n");
}

#[tokio::test]
async fn a_tool_that_failed_has_not_succeeded() {
    let job = job(&json!({}));
    let captured = job.context.capture(sh(&job, "echo document")).await.unwrap();
    assert_eq!(captured.succeeded("sh").unwrap(), b"document\n");
    let failed = job.context.run(sh(&job, "printf 'usage:\\nno such thing\\n\\n' >&2; exit 3")).await.unwrap();
    let error = failed.succeeded("sh").unwrap_err();
    assert!(matches!(&error, ExecutorError::ToolFailed { exit, .. } if exit.code == Some(3)), "{error:?}");
    assert_eq!(error.to_string(), "sh failed with exit code 3: no such thing");
}

#[tokio::test]
async fn an_artifact_keeps_its_name_to_itself() {
    let job = job(&json!({}));
    let keep = |name: &str, text: &str| {
        let (name, media_type, body) = (name.to_owned(), "text/plain".to_owned(), ArtifactBody::Bytes(text.into()));
        job.context.artifact(Artifact { name, media_type, body })
    };
    keep("report.txt", "first").await.unwrap();
    let again = keep("report.txt", "second").await.unwrap_err().to_string();
    assert!(again.contains("has kept an artifact \"report.txt\" already"), "{again}");
    assert_eq!(job.artifact("report.txt").unwrap(), b"first");
    let long = "x".repeat(65);
    for name in ["", ".hidden", "a/b", "a b", &long] {
        let error = keep(name, "text").await.unwrap_err().to_string();
        assert!(error.ends_with(wire::ARTIFACT_NAME_FORM), "{name}: {error}");
        assert!(job.artifact(name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_secret_is_hidden_from_log_error_text_and_metadata() {
    let job = job(&json!({}));
    job.context.mask("s3cr3t-value");
    job.context.mask("31415926");
    let finished = job.context.run(sh(&job, "echo a s3cr3t-value; echo b s3cr3t-value >&2")).await.unwrap();
    assert_eq!(finished.stderr_tail, "b ***\n");
    assert!(!job.log().contains("s3cr3t"));
    let metadata =
        json!({ "list": ["x s3cr3t-value"], "deep": { "value": "s3cr3t-value" }, "numbers": [31_415_926, 1] });
    let Value::Object(metadata) = metadata else { unreachable!() };
    job.context.progress(metadata).await.unwrap();
    let shown = json!({ "list": ["x ***"], "deep": { "value": "***" }, "numbers": ["***", 1] });
    assert_eq!(Value::Object(job.progress()), shown);
}

#[tokio::test]
async fn an_error_text_does_not_begin_in_the_middle_of_a_secret() {
    let job = job(&json!({}));
    let secret = "long and secret ".repeat(2000);
    job.context.mask(&secret);
    std::fs::write(job.context.work_dir().join("secret"), &secret).unwrap();
    let failed = job.context.run(sh(&job, "cat secret >&2; exit 1")).await.unwrap();
    assert_eq!(failed.succeeded("sh").unwrap_err().to_string(), "sh failed with exit code 1: ***");
    assert_eq!(job.log(), "***");
}

#[tokio::test]
async fn the_end_of_one_tool_does_not_show_the_half_of_a_secret_of_another() {
    let job = job(&json!({}));
    job.context.mask("s3cr3t-value");
    let slow = job.context.run(sh(&job, "mkfifo go; printf 'up s3cr'; read line <go; printf 3t-value"));
    let quick = async {
        while !job.log().contains("up ") {
            tokio::task::yield_now().await;
        }
        job.context.run(sh(&job, "echo quick")).await.unwrap().succeeded("sh").unwrap();
        std::fs::write(job.context.work_dir().join("go"), "\n").unwrap();
    };
    let (finished, ()) = tokio::join!(slow, quick);
    finished.unwrap().succeeded("sh").unwrap();
    assert_eq!(job.log(), "up quick\n***");
}

#[tokio::test]
async fn what_a_tool_has_said_is_in_the_log_when_nobody_waits_for_its_end() {
    let job = job(&json!({}));
    job.context.mask("s3cr3t-value");
    let command = sh(&job, "printf 'up s3cr'; while :; do sleep 0.1; done");
    let up = async {
        while !job.log().contains("up ") {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = job.context.run(command) => unreachable!("it does not end by itself"),
        () = up => {}
    }
    assert_eq!(job.log(), "up s3cr");
}

#[tokio::test]
async fn a_child_sees_its_own_folders_and_nothing_of_ours() {
    let job = job(&json!({}));
    let finished = job.context.capture(sh(&job, "/usr/bin/env; pwd")).await.unwrap();
    let text = String::from_utf8(finished.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    for name in names {
        assert!(["PATH", "HOME", "TMPDIR", "PWD", "SHLVL", "_", "OLDPWD"].contains(&name), "{name} was inherited");
    }
    assert!(text.contains(&format!("HOME={}", job.context.paths().home.display())));
    assert!(text.ends_with(&format!("{}\n", job.context.work_dir().display())));
}

#[tokio::test]
async fn a_stop_interrupts_the_command_and_is_what_it_returns() {
    let job = job(&json!({}));
    let command = sh(&job, "trap 'echo saved; exit 0' INT; echo up; while :; do sleep 0.1; done");
    let up = async {
        while !job.log().contains("up") {
            tokio::task::yield_now().await;
        }
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    };
    let (result, ()) = tokio::join!(job.context.run(command), up);
    assert!(matches!(result, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{result:?}");
    assert!(job.log().contains("saved"));
    let again = job.context.run(sh(&job, "echo again")).await;
    assert!(matches!(again, Err(ExecutorError::Stopped(_))), "nothing new starts after a stop");
    assert!(!job.log().contains("again"));
}

#[tokio::test]
async fn force_skips_the_grace() {
    let job = job(&json!({}));
    let command = sh(&job, "trap '' INT TERM; echo up; while :; do sleep 0.1; done");
    let up = async {
        while !job.log().contains("up") {
            tokio::task::yield_now().await;
        }
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: true });
    };
    let (result, ()) = tokio::join!(job.context.run(command), up);
    assert!(matches!(result, Err(ExecutorError::Stopped(_))), "{result:?}");
}

#[tokio::test]
async fn putting_in_order_runs_after_a_stop() {
    let job = job(&json!({}));
    job.stop.stop(Stop { reason: StopReason::TimedOut, force: false });
    let finished = job.context.clean_up(sh(&job, "echo unlocked"), Duration::from_secs(600)).await.unwrap();
    assert!(finished.exit.is_success());
    assert_eq!(job.log(), "unlocked\n");
}

#[tokio::test]
async fn after_a_stop_there_is_no_commit_point() {
    let job = job(&json!({}));
    job.stop.stop(Stop { reason: StopReason::LeaseLost, force: false });
    assert!(matches!(job.context.commit_point().await, Err(ExecutorError::Stopped(StopReason::LeaseLost))));
    assert_eq!(job.commits(), 0);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[expect(dead_code, reason = "only its reading matters")]
    nested: Vec<Nested>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nested {
    #[expect(dead_code, reason = "only its reading matters")]
    count: u32,
}

#[tokio::test]
async fn a_wrong_payload_is_named_with_its_place() {
    for (payload, expected) in [
        (
            json!({ "nested": [{ "count": 1 }, { "count": "x" }] }),
            "/nested/1/count: invalid type: string \"x\", expected u32",
        ),
        (json!({ "nested": [{ "cuont": 1 }] }), "/nested/0/cuont: unknown field `cuont`, expected `count`"),
        (json!({}), "missing field `nested`"),
    ] {
        let error = job(&payload).context.params::<Params>().unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn an_input_that_was_not_fetched_is_an_error() {
    let token = Input::GitToken { host: "git.example:8443".to_owned() };
    let job = TestJob::builder("test", &json!({})).input(token.clone(), "token").build().unwrap();
    assert_eq!(std::fs::read(job.context.input(&token).unwrap()).unwrap(), b"token");
    assert!(job.context.input(&Input::Source("x".to_owned())).is_err());
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Login {
    #[schemars(extend("writeOnly" = true))]
    #[expect(dead_code, reason = "only its schema matters here")]
    password: String,
}

struct Nothing;

#[async_trait::async_trait]
impl executor_api::Executor for Nothing {
    async fn execute(&self, _: &executor_api::JobContext) -> Result<executor_api::Outcome, ExecutorError> {
        Ok(executor_api::Outcome::success())
    }
}

executor_api::inventory::submit! { executor_api::ExecutorPlugin::new::<Login>("login", &Nothing) }

#[tokio::test]
async fn what_the_schema_calls_a_secret_is_hidden_without_a_word_of_the_executor() {
    let job = TestJob::builder("login", &json!({ "password": "hunter2-hunter2" })).build().unwrap();
    job.context.run(sh(&job, "echo the password is hunter2-hunter2")).await.unwrap().succeeded("sh").unwrap();
    assert_eq!(job.log(), "the password is ***\n");
    let settings = JobSettings { infracost_api_key: Some("a-key-of-the-runner".to_owned()), ..JobSettings::default() };
    let told = without_secrets_of(job.context.job(), &settings, "hunter2-hunter2 and a-key-of-the-runner");
    assert_eq!(told, "*** and ***", "also where no job runs");
}
