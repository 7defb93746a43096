//! Stacks that name a backend of their own, with the real program: the job's counts, or nothing is done.

use std::path::Path;

use executor_api::testing::TestJob;
use executor_api::{ExecutorError, ExecutorRegistry, Outcome};
use executor_terraform as _;
use serde_json::{Value, json};

const STACK: &str = "terraform {\n  backend \"s3\" {}\n}\nresource \"terraform_data\" \"a\" {}\n";

fn job(state: &Path, files: &Value) -> TestJob {
    let mut all = json!({ "main.tf": STACK });
    all.as_object_mut().unwrap().extend(files.as_object().unwrap().clone());
    let payload =
        json!({ "action": "apply", "source": { "files": all }, "backend": { "type": "local", "path": state } });
    TestJob::builder("terraform", &payload).build().unwrap()
}

async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("terraform").unwrap().executor().execute(&job.context).await
}

#[tokio::test]
async fn the_state_goes_where_the_job_says_and_the_log_says_where() {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("backend_override.tf", "terraform {\n  backend \"local\" {}\n}\n"),
        ("override.tf.json", r#"{ "terraform": { "backend": { "gcs": { "bucket": "b" } } } }"#),
        ("cloud_override.tf", "terraform {\n  cloud {}\n}\n"),
    ] {
        let state = folder.path().join(file);
        let job = job(&state, &json!({ file: text }));
        run(&job).await.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(state.exists(), "{file}: {}", job.log());
        let place = format!("the state is {} on this machine; a backend that the stack names", state.display());
        assert!(job.log().contains(&place), "{}", job.log());
    }
}

#[tokio::test]
async fn nothing_is_done_with_another_backend_than_the_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    // Nothing comes after `~`, but more of it.
    let file = "~~_override.tf";
    for text in ["terraform {\n  backend \"local\" {}\n}\n", "terraform {\n  backend \"inmem\" {}\n}\n"] {
        let job = job(&state, &json!({ file: text }));
        let error = run(&job).await.expect_err(text).to_string();
        assert!(error.starts_with(&format!("/source: its override files ({file}) put the state elsewhere")), "{error}");
        assert_eq!(job.commits(), 0);
        assert!(!job.log().contains("will be created"), "{}", job.log());
    }
    assert!(!state.exists(), "something was made");
}
