//! Jobs without a control plane: how long they may take, and who they are.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use system_tests::process::{aws_provider, moto, tool};

use crate::desk::Desk;

const ENDLESS: &str = r#"
resource "terraform_data" "endless" {
  provisioner "local-exec" { command = "exec sleep 3600" }
}
"#;

#[tokio::test]
async fn a_run_out_of_time_has_failed_and_says_so() {
    let Some(_) = tool("terraform") else { return };
    let desk = Desk::new();
    let dir = desk.stack("endless", ENDLESS);
    let args = ["run", "terraform", "--dir", &dir, "--action", "apply", "--timeout", "2s"];
    let said = desk.run(&args).await.expect(1);
    assert!(said.out.contains("FAILED: stopped: the job ran longer than its timeout"), "{}\n{}", said.out, said.err);
    let document = desk.run(&[&args[..], &["--json"]].concat()).await.expect(1).json();
    assert_eq!(document["status"], "FAILED");
    assert_eq!(document["error_message"], "stopped: the job ran longer than its timeout");
}

/// It would write the clipboard and hide what it says.
const RUDE: &str = r#"
resource "terraform_data" "rude" {
  provisioner "local-exec" { command = "printf '\\033]52;c;cm0gLXJm\\007\\033[8mto see\\033[0m\\n'" }
}
output "rude" { value = "\u001b]0;title\u0007to read" }
"#;

#[tokio::test]
async fn a_tool_does_nothing_to_the_terminal_of_who_reads_its_log() {
    let Some(_) = tool("terraform") else { return };
    let mut desk = Desk::new();
    desk.set("CLICOLOR_FORCE", "1");
    let dir = desk.stack("rude", RUDE);
    let said = desk.run(&["run", "terraform", "--dir", &dir, "--action", "apply"]).await.expect(0);
    assert!(said.out.contains("to see") && said.out.contains("to read"), "{}", said.out);
    assert!(said.out.contains("\u{1b}[") && !said.out.contains("\u{1b}]"), "colours, and nothing else: {:?}", said.out);
    assert!(!said.out.contains("\u{1b}[8m"), "{:?}", said.out);
}

#[tokio::test]
async fn a_role_is_assumed_from_a_file_or_by_flags() {
    let Some(moto) = moto() else { return };
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

const SMALL: &str = r#"
variable "text" { default = "one" }
resource "terraform_data" "a" { input = var.text }
"#;

#[tokio::test]
async fn a_plan_that_one_run_kept_is_applied_by_another_and_by_nobody_if_it_was_changed() {
    let Some(_) = tool("terraform") else { return };
    let desk = Desk::new();
    let dir = desk.stack("small", SMALL);
    let planned = desk.run(&["run", "terraform", "--dir", &dir, "--artifacts", "kept"]).await.expect(0);
    let state = fs::canonicalize(&dir).unwrap().join("terraform.tfstate").display().to_string();
    let note = format!("state: {state}; one at the control plane is another\n");
    assert!(planned.err.contains(&note), "{}", planned.err);
    for name in ["terraform.plan.out", "job.json"] {
        let mode = fs::metadata(desk.path("kept").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is for nobody else");
    }
    let apply = ["run", "terraform", "--plan"];
    let nowhere = desk.run(&[&apply[..], &["nowhere"]].concat()).await.expect(2);
    assert!(nowhere.err.contains("--plan: cannot read nowhere/job.json"), "{}", nowhere.err);

    fs::create_dir(desk.path("flipped")).unwrap();
    for name in ["terraform.plan.out", "workspace.tar.gz", "job.json"] {
        fs::copy(desk.path("kept").join(name), desk.path("flipped").join(name)).unwrap();
    }
    let mut bytes = fs::read(desk.path("flipped/terraform.plan.out")).unwrap();
    bytes[100] ^= 1;
    fs::write(desk.path("flipped/terraform.plan.out"), bytes).unwrap();
    let flipped = desk.run(&[&apply[..], &["flipped"]].concat()).await.expect(1);
    assert!(flipped.out.contains("is not the one that was reviewed"), "{}{}", flipped.out, flipped.err);

    let applied = desk.run(&[&apply[..], &["kept"]].concat()).await.expect(0);
    assert!(applied.out.contains("Resources: 1 added"), "{}", applied.out);
    let again = desk.run(&[&apply[..], &["kept"]].concat()).await.expect(1);
    assert!(again.out.contains("the state has changed since the plan was made"), "{}", again.out);
}

#[tokio::test]
async fn an_environment_lives_without_a_control_plane() {
    let (Some(moto), Some(providers)) = (moto(), aws_provider()) else { return };
    let mut desk = Desk::new();
    desk.set("AWS_ENDPOINT_URL", &moto);
    desk.set("AWS_ACCESS_KEY_ID", "AKIARUNNER");
    desk.set("AWS_SECRET_ACCESS_KEY", "runner-secret");
    desk.set("AWS_REGION", "eu-north-1");
    desk.set("ALETHIA_PROVIDER_MIRROR", providers.to_str().unwrap());
    let data = desk.arg("data");
    desk.set("XDG_DATA_HOME", &data);
    let env = |cidr: &str| {
        json!({ "project_name": "local", "environment_stage": "development", "region": "eu-north-1",
                "network": { "cidr_block": cidr }, "cluster": { "provision": false }, "argocd": { "enabled": false },
                "queues": [{ "name": "orders" }] })
    };
    fs::write(desk.path("env.json"), env("10.61.0.0/16").to_string()).unwrap();
    fs::write(desk.path("other.json"), env("10.62.0.0/16").to_string()).unwrap();
    let role = ["--role-arn", "arn:aws:iam::310987654321:role/deployer"];
    let with = |kind: &'static str, file: &'static str, more: &[&'static str]| {
        [&["run", kind, "--payload", file][..], &role, more].concat()
    };
    desk.run(&with("PLAN", "env.json", &["--artifacts", "kept"])).await.expect(0);
    let refused = desk.run(&with("DEPLOY", "other.json", &["--plan", "kept"])).await.expect(1);
    let says = "configuration has changed since the plan: /network/cidr_block; plan again";
    assert!(refused.out.contains(says), "{}", refused.out);
    let deployed = desk.document(&with("DEPLOY", "env.json", &["--plan", "kept"])).await;
    let outputs = &deployed["execution_metadata"]["outputs"];
    assert!(outputs["vpc_id"].as_str().is_some_and(|id| id.starts_with("vpc-")), "{deployed}");
    let state = desk.path("data/alethia/environments/environment_default_local-development-eu-north-1.tfstate");
    assert!(fs::read_to_string(&state).unwrap().contains("aws_vpc"));
    let destroyed = desk.document(&with("DESTROY", "env.json", &[])).await;
    assert_eq!(destroyed["execution_metadata"]["destroyed"], true, "{destroyed}");
    assert!(!fs::read_to_string(&state).unwrap().contains("aws_vpc"));
}
