//! The kind by itself: no runner, no control plane.

use std::os::unix::fs::PermissionsExt;

use executor_api::ExecutorRegistry;
use executor_api::testing::TestJob;
use hello_executor as _;
use serde_json::json;
use wire::Reason;

#[tokio::test]
async fn a_greeting_that_failed_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let echo = folder.path().join("echo");
    std::fs::write(&echo, "#!/bin/sh\nexec >&2\necho nobody is there\nexit 3\n").unwrap();
    std::fs::set_permissions(&echo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let job = TestJob::builder("hello", &json!({ "name": "you" }))
        .settings(|settings| drop(settings.tools.insert("echo".to_owned(), echo)))
        .build()
        .unwrap();
    let hello = ExecutorRegistry::from_linked().unwrap().get("hello").unwrap().executor();
    let error = hello.execute(&job.context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ToolFailed);
    assert_eq!(error.to_string(), "echo failed with exit code 3: nobody is there");
}
