//! The tools that people use, under a job's identity: the AWS CLI, a tool that outlives its session, terraform.

use std::path::Path;
use std::sync::OnceLock;

use chrono::Utc;
use executor_api::JobContext;
use executor_api::testing::{aws_provider, tool};
use serde_json::json;

use crate::harness::{Runner, role};
use crate::moto::Moto;
use crate::stand_in::{Answer, StandIn, sts};

#[tokio::test]
async fn the_aws_cli_is_who_the_job_is() {
    let Some(moto) = Moto::lenient().await else { return };
    let account = Moto::account();
    let runner = moto.runner();
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let Some(aws) = tool("aws") else { return };
    let identity = role(&format!("arn:aws:iam::{account}:role/deployer"), "ext-1");
    let printed = runner
        .run_under(&job, identity, async |job| job.capture(job.command(aws).args(["sts", "get-caller-identity"])).await)
        .await
        .unwrap();
    assert!(printed.exit.is_success(), "{}", printed.stderr_tail);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains(&format!("assumed-role/deployer/alethia-{}", job.context.job().id)), "{printed}");
}

/// A stand-in whose sessions live half a minute, and that knows no key which has expired. It says when the first has.
#[tokio::test]
async fn a_tool_outlives_the_session_that_it_began_with() {
    const LIFE_SECONDS: i64 = 30;
    let first = OnceLock::new();
    let stand_in = StandIn::start(move |asked| {
        if asked.body.contains("Action=AssumeRole") {
            first.get_or_init(Utc::now);
            return sts(asked, LIFE_SECONDS).unwrap();
        }
        let signed = asked.header("authorization").to_owned();
        let key = signed.split_once("Credential=").unwrap().1.split('/').next().unwrap().to_owned();
        let made = i64::from_str_radix(key.strip_prefix("ASIA").unwrap(), 16).unwrap();
        if Utc::now().timestamp_micros() - made > LIFE_SECONDS * 1_000_000 {
            let body = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>";
            return Answer::new(403, "text/xml", body);
        }
        let is_over = Utc::now().signed_duration_since(first.get().unwrap()).num_seconds() > LIFE_SECONDS;
        let name = if is_over { "past-the-first" } else { "in-the-first" };
        let arn = format!("arn:aws:sts::111122223333:assumed-role/deployer/{name}");
        Answer::xml(format!("<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>A</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"))
    })
    .await;
    let runner = Runner::default()
        .with("AWS_ENDPOINT_URL", &stand_in.url)
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNER")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret")
        .with("AWS_REGION", "eu-north-1");
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let Some(_) = tool("aws") else { return };
    let script = "while :; do \
                    who=$(aws sts get-caller-identity --query Arn --output text) || exit 1; \
                    case \"$who\" in *past-the-first) echo it goes on; exit 0;; esac; \
                    sleep 2; \
                  done";
    let finished = runner
        .run_under(&job, role("arn:aws:iam::111122223333:role/deployer", ""), async |job| {
            job.run(job.command("/bin/sh").args(["-c", script])).await
        })
        .await
        .unwrap();
    assert!(finished.exit.is_success() && job.log().contains("it goes on"), "{}", job.log());
    assert!(stand_in.asked().iter().filter(|asked| asked.body.contains("Action=AssumeRole")).count() >= 2);
}

#[tokio::test]
async fn terraforms_aws_provider_and_its_s3_backend_are_who_the_job_is() {
    let Some(moto) = Moto::lenient().await else { return };
    let Some(mirror) = aws_provider() else { return };
    let account = Moto::account();
    let key = moto.key(&account).await;
    make_bucket(&moto, &key, &format!("state-{account}")).await;
    let runner = moto.runner();
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let Some(terraform) = tool("terraform") else { return };
    write_stack(&job.context, &mirror, &format!("state-{account}"), &account);
    let config = job.context.paths().temp.join("terraformrc");
    let identity = role(&format!("arn:aws:iam::{account}:role/deployer"), "");
    let printed = runner
        .run_under(&job, identity, async |job| {
            for args in [&["init", "-no-color", "-input=false"][..], &["apply", "-no-color", "-auto-approve"]] {
                let command = job.command(&terraform).env("TF_CLI_CONFIG_FILE", &config).args(args);
                let finished = job.run(command).await?;
                assert!(finished.exit.is_success(), "{}", finished.stderr_tail);
            }
            let output = job.command(&terraform).env("TF_CLI_CONFIG_FILE", &config).args(["output", "-raw", "who"]);
            Ok(String::from_utf8(job.capture(output).await?.stdout).unwrap())
        })
        .await
        .unwrap();
    assert!(printed.contains(&format!("arn:aws:sts::{account}:assumed-role/deployer/alethia-")), "{printed}");
    let listed = moto.ask(&moto.key(&account).await, "eu-north-1", "ec2", &[("Action", "DescribeVpcs")]).await;
    assert!(listed.contains("10.77.0.0/16"), "{listed}");
}

pub(crate) async fn make_bucket(moto: &Moto, key: &str, name: &str) {
    let made = moto.s3(reqwest::Method::PUT, key, name).await;
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
}

fn write_stack(job: &JobContext, mirror: &Path, bucket: &str, account: &str) {
    let stack = format!(
        "terraform {{\n  required_providers {{ aws = {{ source = \"hashicorp/aws\" }} }}\n  backend \"s3\" {{\n\
         bucket = \"{bucket}\"\n key = \"x\"\n region = \"us-east-1\"\n use_path_style = true\n use_lockfile = true\n  }}\n}}\n\
         provider \"aws\" {{\n  region = \"eu-north-1\"\n  allowed_account_ids = [\"{account}\"]\n}}\n\
         data \"aws_caller_identity\" \"me\" {{}}\n\
         resource \"aws_vpc\" \"main\" {{ cidr_block = \"10.77.0.0/16\" }}\n\
         output \"who\" {{ value = data.aws_caller_identity.me.arn }}\n"
    );
    std::fs::write(job.work_dir().join("main.tf"), stack).unwrap();
    let config = format!("provider_installation {{ filesystem_mirror {{ path = \"{}\" }} }}\n", mirror.display());
    std::fs::write(job.paths().temp.join("terraformrc"), config).unwrap();
}
