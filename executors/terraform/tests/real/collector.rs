//! How much garbage terraform may leave lying, seen by a program that stands before the real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::{builder, payload, run};

/// What each verb of an apply was told.
async fn told(operators: Option<&str>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (program, told) = (folder.path().join("terraform"), folder.path().join("told"));
    let script = format!("#!/bin/sh\necho \"$1 $GOGC\" >>{}\nexec terraform \"$@\"\n", told.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let payload = payload("apply", &folder.path().join("terraform.tfstate"), &json!({}));
    let job = builder(&payload).settings(|settings| {
        settings.tools.insert("terraform".to_owned(), program);
        settings.env.extend(operators.map(|value| ("GOGC".to_owned(), value.to_owned())));
    });
    run(&job.build().unwrap()).await.unwrap();
    fs::read_to_string(told).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_apply_gets_no_more_memory_than_it_needs() {
    let told = told(None).await;
    for verb in ["init 200", "plan 200", "show 200", "apply ", "output 200"] {
        assert!(told.iter().any(|line| line == verb), "{verb}: {told:?}");
    }
}

#[tokio::test]
async fn what_the_operator_passes_on_counts() {
    let told = told(Some("50")).await;
    assert!(told.iter().any(|line| line == "apply 50"), "{told:?}");
    assert!(told.iter().all(|line| line.ends_with(" 50")), "{told:?}");
}
