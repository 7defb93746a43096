//! A real runner and its real job process, at a plane of the seed's contract that a stand-in plays.

use std::sync::atomic::{AtomicBool, Ordering};

use executor_api::testing::TestJob;
use serde_json::{Value, json};

use crate::harness::verbs;
use crate::moto::Moto;
use crate::stand_in::{Answer, StandIn, sts};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// How a job ended at the plane, and its log.
struct Reported {
    status: Value,
    log: String,
}

/// Runs one job in a runner that has this environment and nothing else.
async fn run(kind: &str, payload: &Value, identity: &Value, env: &[(&str, &str)]) -> Reported {
    let given = AtomicBool::new(false);
    let id = executor_api::JobId::generate();
    let job = json!({ "id": id, "job_type": kind, "config_snapshot": payload, "status": "CLAIMED" });
    let claim = json!({ "job": job, "cloud_identity": identity });
    let plane = StandIn::start(move |asked| match asked.path.ends_with("/claim") {
        true if !given.swap(true, Ordering::SeqCst) => Answer::json(&claim),
        true => Answer::json(&json!({ "job": null })),
        false if asked.path.ends_with("/logs") => Answer::new(201, "application/json", "{\"success\":true}"),
        false => Answer::json(&json!({ "success": true })),
    })
    .await;
    let scene = TestJob::builder("test", &json!({})).build().unwrap();
    let mut command = scene.context.command(verbs()).args(["start", "--once"]);
    let state = scene.folder().join("state").display().to_string();
    let own = [
        ("ALETHIA_WEB_ORIGIN", plane.url.as_str()),
        ("ALETHIA_WORKER_ID", "runner-1"),
        ("ALETHIA_WORKER_TOKEN", TOKEN),
        ("ALETHIA_STATE_DIR", &state),
    ];
    for (name, value) in own.iter().chain(env) {
        command = command.env(name, value);
    }
    let finished = scene.context.run(command).await.unwrap();
    assert!(finished.exit.is_success(), "{}", scene.log());
    let asked = plane.asked();
    // A plane of the seed's contract merges metadata key by key.
    let (mut status, mut metadata) = (Value::Null, serde_json::Map::new());
    for report in asked.iter().filter(|asked| asked.path.ends_with("/status")) {
        status = serde_json::from_str(&report.body).unwrap();
        metadata.extend(status["execution_metadata"].as_object().cloned().unwrap_or_default());
    }
    status["execution_metadata"] = Value::Object(metadata);
    let chunks = asked.iter().filter(|asked| asked.path.ends_with("/logs"));
    let chunks = chunks.filter_map(|asked| serde_json::from_str::<Value>(&asked.body).ok());
    let log = chunks.filter_map(|chunk| chunk["log_chunk"].as_str().map(str::to_owned)).collect();
    Reported { status, log }
}

#[tokio::test]
async fn a_connection_test_runs_under_the_identity_of_its_claim() {
    let Some(moto) = Moto::lenient().await else { return };
    let account = Moto::account();
    let identity = json!({ "provider": "aws", "role_arn": format!("arn:aws:iam::{account}:role/deployer"), "external_id": "ext-1",
                           "account_id": account, "project_id": "", "service_account_email": "", "wif_config": "",
                           "tenant_id": "", "client_id": "", "subscription_id": "" });
    let env = [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("AWS_REGION", "eu-north-1"),
        ("AWS_ACCESS_KEY_ID", "AKIARUNNER"),
        ("AWS_SECRET_ACCESS_KEY", "runner-secret-canary"),
    ];
    let reported = run("CONNECTION_TEST", &json!({ "regions": ["eu-north-1"] }), &identity, &env).await;
    assert_eq!(reported.status["status"], "SUCCESS", "{}\n{}", reported.status, reported.log);
    assert_eq!(reported.status["execution_metadata"]["connection"]["account"], account);
    assert!(reported.log.contains("works: you are arn:aws:sts::"), "{}", reported.log);
}

/// The tool of a job looks into its own environment, into that of every process, and into the job's directory.
#[tokio::test]
async fn no_tool_finds_out_who_the_runner_is() {
    // A word of its own: a process of another test may have theirs.
    let stand_in = StandIn::start(|asked| sts(asked, 3600).unwrap()).await;
    let script = "/usr/bin/env; for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done 2>/dev/null | grep -a nightingale; \
                  grep -ras nightingale \"$HOME/..\"; echo \"config: $AWS_CONFIG_FILE\"; true";
    let identity = json!({ "provider": "aws", "role_arn": "arn:aws:iam::111122223333:role/x" });
    let env = [
        ("AWS_ENDPOINT_URL", stand_in.url.as_str()),
        ("AWS_REGION", "eu-north-1"),
        ("AWS_ACCESS_KEY_ID", "AKIA-key-nightingale"),
        ("AWS_SECRET_ACCESS_KEY", "runner-secret-nightingale"),
        ("AWS_SESSION_TOKEN", "runner-token-nightingale"),
        ("AZURE_CLIENT_SECRET", "azure-secret-nightingale"),
    ];
    let reported = run("probe", &json!({ "script": script }), &identity, &env).await;
    assert_eq!(reported.status["status"], "SUCCESS", "{}\n{}", reported.status, reported.log);
    let printed = reported.status["execution_metadata"]["printed"].as_str().unwrap();
    assert!(!printed.contains("-nightingale"), "{printed}");
    assert!(printed.contains("config: /") && printed.contains("AWS_REGION=eu-north-1"), "{printed}");
    assert!(stand_in.asked()[0].header("authorization").contains("AKIA-key-nightingale"), "the runner itself asked");
    // Without an identity a tool is nobody, and the same is hidden.
    let reported = run("probe", &json!({ "script": script }), &Value::Null, &env).await;
    let printed = reported.status["execution_metadata"]["printed"].as_str().unwrap();
    assert!(!printed.contains("-nightingale") && !printed.lines().any(|line| line.starts_with("AWS_")), "{printed}");
}

#[tokio::test]
async fn an_identity_that_is_refused_fails_the_job_before_its_executor_runs() {
    let identity = json!({ "provider": "aws", "role_arn": "arn:aws:iam::111122223333:role/x\n" });
    let reported = run("probe", &json!({ "script": "echo it ran" }), &identity, &[]).await;
    assert_eq!(reported.status["status"], "FAILED");
    let error = reported.status["error_message"].as_str().unwrap();
    assert!(error.starts_with("/cloud_identity/role_arn: "), "{error}");
    assert!(!reported.log.contains("it ran"));
}
