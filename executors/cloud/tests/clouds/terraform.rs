//! The seed's way: the state in the operator's S3 storage, the stack's provider as who the job is. Two AWS accounts.

use executor_api::testing::{TestJob, aws_provider, tool};
use executor_api::{Input, JobStatus, StorageSettings};
use executor_terraform as _;
use serde_json::{Value, json};

use crate::aws_tools::make_bucket;
use crate::harness::role;
use crate::moto::Moto;

const STACK: &str = r#"
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" { region = "eu-north-1" }
data "aws_caller_identity" "me" {}
resource "aws_vpc" "main" { cidr_block = "10.78.0.0/16" }
output "account" { value = data.aws_caller_identity.me.account_id }
"#;

#[tokio::test]
async fn a_plan_and_its_apply_keep_state_and_provider_apart() {
    let Some(moto) = Moto::lenient().await else { return };
    let Some(mirror) = aws_provider() else { return };
    let account = Moto::account();
    let bucket = format!("operators-{account}");
    make_bucket(&moto, "AKIASTORAGE", &bucket).await;
    let runner = moto.runner();
    let payload = json!({ "action": "plan", "source": { "files": { "main.tf": STACK } },
                          "backend": { "type": "s3", "bucket": bucket, "key": "stacks/network" } });
    let prepare = |payload: &Value| {
        runner.job("terraform", payload).settings(|settings| {
            let key_id = "AKIASTORAGE".to_owned();
            let secret_key = "storage-secret-canary".to_owned();
            let region = "eu-north-1".to_owned();
            let (endpoint, create_buckets) = (moto.url.clone(), true);
            settings.storage = Some(StorageSettings { endpoint, region, key_id, secret_key, create_buckets });
        })
    };
    let planned = prepare(&payload).build().unwrap();
    let Some(_) = tool("terraform") else { return };
    let identity = role(&format!("arn:aws:iam::{account}:role/deployer"), "ext-1");
    from_mirror(&planned, &mirror);
    let plan = runner
        .run_job(&planned, Some(identity.clone()))
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", planned.log()));

    let mut record = planned.context.job().clone();
    record.status = JobStatus::Success;
    record.execution_metadata = Some(Value::Object(plan.metadata));
    let id = record.id.clone();
    let artifact = |name: &str| Input::Artifact { job_id: id.clone(), name: name.to_owned() };
    let applied = prepare(&json!({ "action": "apply" }))
        .input(Input::JobRecord(id.clone()), serde_json::to_vec(&record).unwrap())
        .input(artifact("terraform.plan.out"), planned.artifact("terraform.plan.out").unwrap())
        .input(artifact("workspace.tar.gz"), planned.artifact("workspace.tar.gz").unwrap())
        .job(|job| job.plan_job_id = Some(id.clone()))
        .build()
        .unwrap();
    from_mirror(&applied, &mirror);
    let outcome =
        runner.run_job(&applied, Some(identity)).await.unwrap_or_else(|error| panic!("{error}\n{}", applied.log()));
    assert_eq!(outcome.metadata["outputs"]["account"], account);

    let key = moto.key(&account).await;
    let made = moto.ask(&key, "eu-north-1", "ec2", &[("Action", "DescribeVpcs"), ("Version", "2016-11-15")]).await;
    assert!(made.contains("10.78.0.0/16"), "the provider is who the job is: {made}");
    let state = moto.s3(reqwest::Method::GET, "AKIASTORAGE", &format!("{bucket}/stacks/network")).await;
    assert!(state.status().is_success(), "the state is the operator's");
    let plan_file = planned.artifact("terraform.plan.out").unwrap();
    assert!(!String::from_utf8_lossy(&plan_file).contains("storage-secret-canary"));
    assert!(!planned.log().contains("canary") && !applied.log().contains("canary"));
}

/// Terraform looks into HOME for its own settings.
fn from_mirror(job: &TestJob, mirror: &std::path::Path) {
    let config = format!("provider_installation {{ filesystem_mirror {{ path = \"{}\" }} }}\n", mirror.display());
    std::fs::write(job.context.paths().home.join(".terraformrc"), config).unwrap();
}
