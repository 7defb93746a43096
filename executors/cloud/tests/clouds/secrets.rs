//! Nothing of a job's credentials is where another job, of another identity, could find it.

use executor_api::testing::TestJob;
use serde_json::json;

use crate::harness::{Runner, role};
use crate::stand_in::{StandIn, sts};

async fn aws() -> (StandIn, Runner) {
    let stand_in = StandIn::start(|asked| sts(asked, 3600).unwrap()).await;
    let runner = Runner::default()
        .with("AWS_ENDPOINT_URL", &stand_in.url)
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNERKEY")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret-canary")
        .with("AWS_SESSION_TOKEN", "runner-token-canary")
        .with("AWS_PROFILE", "runner-profile-canary")
        .with("AWS_REGION", "eu-north-1");
    (stand_in, runner)
}

/// All that a tool of this job sees: its environment, and what lies in every file that it can reach by its own folders.
async fn look(runner: &Runner, job: &TestJob, folders: &str, name: &str) -> String {
    let script = format!(
        "/usr/bin/env; cat /proc/self/environ; grep -rasoE '(secret|token)-(of-ASIA[0-9A-F]+|canary)' {folders} || true"
    );
    let identity = role(&format!("arn:aws:iam::111122223333:role/{name}"), "");
    let seen =
        runner.run_under(job, identity, async |job| job.capture(job.command("/bin/sh").args(["-c", &script])).await);
    String::from_utf8_lossy(&seen.await.unwrap().stdout).into_owned()
}

#[tokio::test]
async fn a_second_job_looks_for_the_first_ones_credentials_and_finds_none() {
    let (_stand_in, runner) = aws().await;
    let first = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let own = look(&runner, &first, &first.folder().display().to_string(), "first").await;
    assert!(own.contains("secret-of-ASIA"), "it has its own: {own}");
    for canary in ["runner-secret-canary", "runner-token-canary", "runner-profile-canary", "AKIARUNNERKEY"] {
        assert!(!own.contains(canary), "the runner's own identity is none of its: {own}");
    }
    let mine: Vec<_> = own
        .split_whitespace()
        .filter(|word| word.contains("-of-ASIA"))
        .map(|word| word.rsplit(':').next().unwrap().to_owned())
        .collect();

    let second = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    // The first one's folder is still there: its log and result may be on their way.
    let folders = format!("{} {}", first.folder().display(), second.folder().display());
    let seen = look(&runner, &second, &folders, "second").await;
    assert!(seen.contains("secret-of-ASIA"), "it has its own: {seen}");
    for secret in mine {
        assert!(!seen.contains(&secret), "{secret} of the first job: {seen}");
    }
    assert!(!first.log().contains("-of-ASIA") && !second.log().contains("-of-ASIA"));
}

#[tokio::test]
async fn a_tool_that_prints_its_credentials_prints_stars() {
    let (_stand_in, runner) = aws().await;
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let identity = role("arn:aws:iam::111122223333:role/x", "");
    let script = "set -e; command=$(sed -n 's/^credential_process = //p' \"$AWS_CONFIG_FILE\"); sh -c \"$command\"; sh -c \"$command\" >&2";
    let finished =
        runner.run_under(&job, identity, async |job| job.run(job.command("/bin/sh").args(["-c", script])).await);
    let finished = finished.await.unwrap();
    assert!(finished.exit.is_success(), "{}", job.log());
    let log = job.log();
    assert!(log.contains("\"SecretAccessKey\":\"***\"") && log.contains("\"SessionToken\":\"***\""), "{log}");
    assert!(!log.contains("-of-ASIA") && !finished.stderr_tail.contains("-of-ASIA"), "{log}");
}

#[tokio::test]
async fn after_the_job_its_credentials_are_gone_and_say_so() {
    let (_stand_in, runner) = aws().await;
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let identity = role("arn:aws:iam::111122223333:role/x", "");
    let failed: Result<(), _> = runner
        .run_under(&job, identity, async |job| {
            assert!(job.credentials().unwrap().folder().join("aws.json").exists());
            Err(executor_api::ExecutorError::Other("it failed".to_owned()))
        })
        .await;
    assert_eq!(failed.unwrap_err().to_string(), "it failed");
    let folder = executor_api::credential_folder(job.context.paths());
    assert!(!folder.exists());
    let verb = job.context.command(crate::harness::verbs()).arg("__aws-credential").arg(folder.join("aws.json"));
    let finished = job.context.capture(verb).await.unwrap();
    assert!(
        !finished.exit.is_success() && finished.stderr_tail.contains("has the job ended?"),
        "{}",
        finished.stderr_tail
    );
}
