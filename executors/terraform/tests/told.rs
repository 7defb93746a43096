//! What an apply tells of itself that does not come to the end of its job.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use executor_api::ExecutorRegistry;
use executor_api::testing::TestJob;
use executor_terraform as _;
use serde_json::json;

#[tokio::test]
async fn what_was_applied_is_told_although_the_outputs_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    // The real program, but for its outputs.
    let program = folder.path().join("terraform");
    fs::write(&program, "#!/bin/sh\nif [ \"$1\" = output ]; then exit 1; fi\nexec terraform \"$@\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let payload = json!({ "action": "apply", "source": { "files": { "main.tf": "resource \"terraform_data\" \"a\" {}" } },
                          "backend": { "type": "local", "path": folder.path().join("terraform.tfstate") } });
    let job = TestJob::builder("terraform", &payload)
        .settings(|settings| drop(settings.tools.insert("terraform".to_owned(), program)));
    let job = job.build().unwrap();
    let registry = ExecutorRegistry::from_linked().unwrap();
    let error = registry.get("terraform").unwrap().executor().execute(&job.context).await.unwrap_err().to_string();
    assert!(error.starts_with("terraform output"), "{error}");
    let told = job.progress();
    assert_eq!((&told["apply_completed"], &told["plan_summary"]["add"]), (&json!(true), &json!(1)));
}
