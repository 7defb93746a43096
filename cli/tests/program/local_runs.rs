//! Jobs without a control plane: how long they may take, and who they are.

use std::fs;

use serde_json::json;
use system_tests::process::{find, skipped, variable};

use crate::desk::Desk;

const ENDLESS: &str = r#"
resource "terraform_data" "endless" {
  provisioner "local-exec" { command = "exec sleep 3600" }
}
"#;

#[tokio::test]
async fn a_run_out_of_time_has_failed_and_says_so() {
    if find("terraform").is_none() {
        return skipped("terraform is not on PATH");
    }
    let desk = Desk::new();
    let dir = desk.stack("endless", ENDLESS);
    let args = ["run", "terraform", "--dir", &dir, "--action", "apply", "--timeout", "2s"];
    let said = desk.run(&args).await.expect(1);
    assert!(said.out.contains("FAILED: stopped: the job ran longer than its timeout"), "{}\n{}", said.out, said.err);
    let document = desk.run(&[&args[..], &["--json"]].concat()).await.expect(1).json();
    assert_eq!(document["status"], "FAILED");
    assert_eq!(document["error_message"], "stopped: the job ran longer than its timeout");
}

#[tokio::test]
async fn a_role_is_assumed_from_a_file_or_by_flags() {
    let Some(moto) = variable("ALETHIA_TEST_MOTO") else {
        return skipped(
            "no moto; start `python -m moto.server -p PORT` and set ALETHIA_TEST_MOTO=http://127.0.0.1:PORT",
        );
    };
    let mut desk = Desk::new();
    desk.set("AWS_ENDPOINT_URL", &moto);
    desk.set("AWS_ACCESS_KEY_ID", "AKIARUNNER");
    desk.set("AWS_SECRET_ACCESS_KEY", "runner-secret");
    desk.set("AWS_REGION", "eu-north-1");
    let role = "arn:aws:iam::210987654321:role/deployer";
    let file = desk.arg("aws-role.json");
    fs::write(&file, json!({ "provider": "aws", "role_arn": role, "external_id": "e-1" }).to_string()).unwrap();
    fs::write(desk.path("regions.json"), r#"{ "regions": ["eu-north-1"] }"#).unwrap();
    let test = ["run", "CONNECTION_TEST", "--payload", "regions.json"];
    for who in [&["--identity", &file][..], &["--role-arn", role, "--external-id", "e-1"]] {
        let document = desk.document(&[&test[..], who].concat()).await;
        assert_eq!(document["status"], "SUCCESS", "{document}");
        let connection = &document["execution_metadata"]["connection"];
        assert_eq!(connection["account"], "210987654321", "{document}");
        assert!(connection["who"].as_str().unwrap().contains("assumed-role/deployer/"), "{document}");
    }
    let said = desk.run(&[&test[..], &["--identity", &file]].concat()).await.expect(0);
    assert!(said.out.contains("works: you are arn:aws:sts::210987654321:assumed-role/deployer/"), "{}", said.out);
}

#[tokio::test]
async fn a_wrong_identity_is_refused_before_anything_runs() {
    let desk = Desk::new();
    fs::write(desk.path("role.json"), r#"{ "provider": "aws", "role_arn": "arn:aws:iam::1:user/x" }"#).unwrap();
    for (args, says) in [
        (vec!["--identity", "role.json"], "--identity role.json: /role_arn"),
        (vec!["--identity", "nowhere.json"], "cannot read --identity nowhere.json"),
        (vec!["--role-arn", "nobody"], "--role-arn"),
        (vec!["--tenant-id", "t"], "--client-id <GUID>"),
    ] {
        let said = desk.run(&[&["run", "CONNECTION_TEST"], &args[..]].concat()).await;
        assert!([1, 2].contains(&said.code) && said.err.contains(says), "{args:?}: {} {}", said.code, said.err);
    }
}
