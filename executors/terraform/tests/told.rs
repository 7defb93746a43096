//! What an apply tells of itself that does not come to the end of its job.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use executor_api::ExecutorRegistry;
use executor_api::testing::TestJob;
use executor_terraform as _;
use serde_json::json;

/// Applies a stack with the real program, but for `verb`: that is what `instead` does. The job, and why it failed.
async fn failed(verb: &str, instead: &str) -> (TestJob, String) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("terraform");
    let script = format!("#!/bin/sh\nif [ \"$1\" = {verb} ]; then {instead}; exit 1; fi\nexec terraform \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let payload = json!({ "action": "apply", "source": { "files": { "main.tf": "resource \"terraform_data\" \"a\" {}" } },
                          "backend": { "type": "local", "path": folder.path().join("terraform.tfstate") } });
    let job = TestJob::builder("terraform", &payload)
        .settings(|settings| drop(settings.tools.insert("terraform".to_owned(), program)));
    let job = job.build().unwrap();
    let registry = ExecutorRegistry::from_linked().unwrap();
    let error = registry.get("terraform").unwrap().executor().execute(&job.context).await.unwrap_err().to_string();
    (job, error)
}

#[tokio::test]
async fn what_was_applied_is_told_although_the_outputs_cannot_be_read() {
    let (job, error) = failed("output", ":").await;
    assert!(error.starts_with("terraform output"), "{error}");
    let told = job.progress();
    assert_eq!((&told["apply_completed"], &told["plan_summary"]["add"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn a_state_that_could_not_be_saved_is_handed_over() {
    let (job, error) = failed("apply", "echo 'all that is known' > errored.tfstate").await;
    assert!(error.starts_with("terraform apply"), "{error}");
    assert_eq!(job.artifact("errored.tfstate").unwrap(), b"all that is known\n");
    assert!(job.log().contains("it is handed over as the artifact errored.tfstate: push it"), "{}", job.log());
}
