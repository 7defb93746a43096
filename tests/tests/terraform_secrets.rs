//! The secrets of a terraform job, through real processes: in no file of the plane, in no answer and in no log.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use system_tests::process::{find, missing};
use system_tests::rig::Rig;

/// Prints what it is given, and calls none of it sensitive. None of it is in the state.
const STACK: &str = r#"
variable "password" {}
resource "terraform_data" "it" {
  provisioner "local-exec" {
    command     = "echo token=$TOKEN password=$PASSWORD"
    environment = { PASSWORD = var.password }
  }
}
"#;

fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let has = |file: &PathBuf| fs::read(file).unwrap().windows(text.len()).any(|window| window == text.as_bytes());
    let below = folders.iter().flat_map(|folder| files_with(folder, text));
    below.chain(files.into_iter().filter(has)).collect()
}

#[tokio::test]
async fn secrets_are_in_no_file_of_the_plane_and_hidden_where_a_stack_prints_them() {
    if find("terraform").is_none() {
        return missing("terraform is not on the PATH");
    }
    let rig = Rig::plane().await.started().await;
    let env = json!({ "TOKEN": "token-canary" });
    let payload = |action: &str| {
        json!({ "action": action, "source": { "files": { "main.tf": STACK } }, "secret_env": env,
                "secret_variables": { "password": "password-canary" },
                "backend": { "type": "plane", "name": "net" } })
    };
    let at_once = rig.user.submit("terraform", &payload("apply")).await;
    let shown = rig.ended(&at_once).await;
    assert_eq!((&shown["status"], &shown["config_snapshot"]["secret_env"]), (&json!("SUCCESS"), &json!("(hidden)")));
    // What is planned is terraform's own file, and holds the variables.
    for secret in ["token-canary", "password-canary"] {
        assert_eq!(files_with(&rig.plane.data_dir(), secret), [""; 0].map(PathBuf::from), "{secret}");
    }

    rig.ended(&rig.user.submit("terraform", &payload("destroy")).await).await;
    let planned = rig.user.submit("terraform", &payload("plan")).await;
    assert_eq!(rig.ended(&planned).await["status"], "SUCCESS", "{}", rig.log(&planned).await);
    let apply = |payload: Value| json!({ "job_type": "terraform", "config_snapshot": payload, "plan_job_id": planned });
    let without = rig.user.submit_as(&apply(json!({ "action": "apply" }))).await;
    let refused = rig.ended(&without).await["error_message"].as_str().unwrap().to_owned();
    assert!(refused.starts_with("/secret_env: the plan of job"), "{refused}");
    let later = rig.user.submit_as(&apply(json!({ "action": "apply", "secret_env": env }))).await;
    for job in [&at_once, &later] {
        let (shown, log) = (rig.ended(job).await, rig.log(job).await);
        assert_eq!(shown["status"], "SUCCESS", "{shown}\n{log}");
        assert!(log.contains("token=*** password=***"), "{log}");
        assert!(!log.contains("canary") && !shown.to_string().contains("canary"), "{shown}\n{log}");
    }
}
