//! AWS as moto plays it.

use serde_json::{Value, json};

use crate::harness::{Runner, role};
use crate::moto::{Moto, text_of};

#[tokio::test]
async fn a_connection_test_says_who_and_what() {
    let Some(moto) = Moto::lenient().await else { return };
    let account = Moto::account();
    let arn = format!("arn:aws:iam::{account}:role/deployer");
    let ended = moto.runner().run("CONNECTION_TEST", &json!({}), Some(role(&arn, "ext-1"))).await;
    let metadata = ended.metadata();
    let connection = &metadata["connection"];
    assert_eq!(connection["account"], account);
    let who = connection["who"].as_str().unwrap();
    let session = format!("alethia-{}", ended.job.context.job().id);
    assert_eq!(who, format!("arn:aws:sts::{account}:assumed-role/deployer/{session}"));
    assert_eq!(connection["remedy"], Value::Null);
    let actions: Vec<_> = connection["reads"].as_array().unwrap().iter().map(|read| &read["action"]).collect();
    assert_eq!(
        json!(actions),
        json!([
            "ec2:DescribeRegions",
            "ec2:DescribeVpcs",
            "ec2:DescribeSubnets",
            "route53:ListHostedZones",
            "iam:ListUsers"
        ])
    );
    assert_eq!(metadata["errors"], json!([]));
    assert!(
        ended.job.log().contains(&format!("works: you are {who}, in account {account}; allowed: ec2:")),
        "{}",
        ended.job.log()
    );
}

#[tokio::test]
async fn resources_have_the_shape_of_the_contract_and_one_order() {
    let Some(moto) = Moto::lenient().await else { return };
    let account = Moto::account();
    let key = moto.key(&account).await;
    let vpc = moto.make_vpc(&key, "eu-west-1", "10.1.0.0/16").await;
    let tag =
        [("Action", "CreateTags"), ("ResourceId.1", &vpc), ("Tag.1.Key", "Name"), ("Tag.1.Value", "a & b <main>")];
    moto.ask(&key, "eu-west-1", "ec2", &tag).await;
    let subnet =
        [("Action", "CreateSubnet"), ("VpcId", &vpc), ("CidrBlock", "10.1.1.0/24"), ("AvailabilityZone", "eu-west-1a")];
    let subnet = text_of(&moto.ask(&key, "eu-west-1", "ec2", &subnet).await, "subnetId").unwrap();
    for name in ["b.example.com.", "a.example.com."] {
        let zone = format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{name}</Name><CallerReference>{name}</CallerReference></CreateHostedZoneRequest>"
        );
        moto.ask_json(&key, "us-east-1", "route53", "/2013-04-01/hostedzone", zone).await;
    }
    for name in ["zoe", "ada"] {
        moto.ask(&key, "us-east-1", "iam", &[("Action", "CreateUser"), ("UserName", name), ("Path", "/people/")]).await;
    }
    let identity = role(&format!("arn:aws:iam::{account}:role/deployer"), "");
    let payload = json!({ "regions": ["eu-west-1", "eu-north-1"] });
    let found = moto.runner().run("FETCH_RESOURCES", &payload, Some(identity.clone())).await.metadata();
    let cached = &found["cached_resources"];
    assert_eq!(cached["regions"], json!(["eu-north-1", "eu-west-1"]));
    let mine = cached["vpcs"]["eu-west-1"].as_array().unwrap().iter().find(|one| one["ID"] == vpc.as_str()).unwrap();
    assert_eq!(*mine, json!({ "ID": vpc, "CIDR": "10.1.0.0/16", "Name": "a & b <main>", "IsDefault": false }));
    assert!(cached["vpcs"]["eu-north-1"].as_array().unwrap().iter().any(|one| one["IsDefault"] == true));
    assert_eq!(
        cached["subnets"]["eu-west-1"][&vpc],
        json!([{ "ID": subnet, "CIDR": "10.1.1.0/24", "AvailabilityZone": "eu-west-1a", "VpcID": vpc, "MapPublicIpOnLaunch": false }])
    );
    let zones: Vec<_> = cached["hosted_zones"].as_array().unwrap().iter().map(|zone| &zone["Name"]).collect();
    assert_eq!(json!(zones), json!(["a.example.com.", "b.example.com."]));
    assert_eq!(cached["hosted_zones"][0]["IsPrivate"], false);
    assert_eq!(cached["hosted_zones"][0]["RecordCount"], 2);
    assert!(!cached["hosted_zones"][0]["ID"].as_str().unwrap().contains('/'));
    assert_eq!(
        cached["iam_users"],
        json!([
            { "username": "ada", "arn": format!("arn:aws:iam::{account}:user/people/ada"), "path": "/people/" },
            { "username": "zoe", "arn": format!("arn:aws:iam::{account}:user/people/zoe"), "path": "/people/" },
        ])
    );
    let again = moto.runner().run("FETCH_RESOURCES", &payload, Some(identity)).await.metadata();
    assert_eq!(found.to_string(), again.to_string());
}

/// moto checks what IAM checks: signatures, policies, trust with its external id.
#[tokio::test]
async fn what_iam_refuses_is_said_with_what_mends_it() {
    let Some(moto) = Moto::strict().await else { return };
    let suffix = Moto::account();
    let (user, name, denied) = (format!("runner-{suffix}"), format!("deployer-{suffix}"), format!("other-{suffix}"));
    let (key, secret, arn) = prepare(&moto, &user, &name).await;
    prepare_role(&moto, &denied, "arn:aws:iam::123456789012:user/somebody-else", "", "ec2:*").await;
    moto.check_everything().await;
    let runner = moto.runner_as(&key, &secret);

    let wrong_id = runner.run("CONNECTION_TEST", &json!({}), Some(role(&arn, "wrong-id"))).await;
    let not_trusted = format!("arn:aws:iam::123456789012:role/{denied}");
    let not_trusted = runner.run("CONNECTION_TEST", &json!({}), Some(role(&not_trusted, ""))).await;
    let half = runner.run("CONNECTION_TEST", &json!({ "regions": ["eu-north-1"] }), Some(role(&arn, "right-id"))).await;
    let bad_key =
        moto.runner_as(&key, "wrong-secret").run("CONNECTION_TEST", &json!({}), Some(role(&arn, "right-id"))).await;
    moto.check_nothing().await;

    let error = wrong_id.error();
    assert!(error.starts_with("/cloud_identity/role_arn: cannot be assumed: the external id \"wrong-id\""), "{error}");
    assert!(
        error.contains(&format!("arn:aws:iam::123456789012:user/{user}")) && error.contains("sts:ExternalId"),
        "{error}"
    );
    let error = not_trusted.error();
    assert!(error.starts_with("/cloud_identity/external_id: is empty, which is wrong if"), "{error}");
    assert!(error.contains("sts:AssumeRole") && error.contains(&user), "{error}");
    let metadata = half.metadata();
    let remedy = metadata["connection"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("\"route53:ListHostedZones\"") && remedy.contains("\"iam:ListUsers\""), "{remedy}");
    assert!(!remedy.contains("ec2:"), "{remedy}");
    let services: Vec<_> = metadata["errors"].as_array().unwrap().iter().map(|error| &error["service"]).collect();
    assert_eq!(json!(services), json!(["iam", "route53"]));
    assert_eq!(metadata["cached_resources"]["iam_users"], Value::Null);
    assert!(half.job.log().contains("not allowed: route53:ListHostedZones, iam:ListUsers"), "{}", half.job.log());
    let error = bad_key.error();
    assert!(error.contains("signature") && error.contains("secret key"), "{error}");
}

/// A user that may assume a role, and a role that may read EC2 and nothing else.
async fn prepare(moto: &Moto, user: &str, name: &str) -> (String, String, String) {
    let iam = async |form: &[(&str, &str)]| moto.ask("AKIARUNNER", "us-east-1", "iam", form).await;
    iam(&[("Action", "CreateUser"), ("UserName", user)]).await;
    let policy =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "sts:*", "Resource": "*" }] });
    let policy = policy.to_string();
    iam(&[("Action", "PutUserPolicy"), ("UserName", user), ("PolicyName", "p"), ("PolicyDocument", &policy)]).await;
    let keys = iam(&[("Action", "CreateAccessKey"), ("UserName", user)]).await;
    let trusted = format!("arn:aws:iam::123456789012:user/{user}");
    let arn = prepare_role(moto, name, &trusted, "right-id", "ec2:*").await;
    (text_of(&keys, "AccessKeyId").unwrap(), text_of(&keys, "SecretAccessKey").unwrap(), arn)
}

async fn prepare_role(moto: &Moto, name: &str, trusted: &str, external_id: &str, allowed: &str) -> String {
    let iam = async |form: &[(&str, &str)]| moto.ask("AKIARUNNER", "us-east-1", "iam", form).await;
    let mut trust = json!({ "Effect": "Allow", "Principal": { "AWS": trusted }, "Action": "sts:AssumeRole" });
    if !external_id.is_empty() {
        trust["Condition"] = json!({ "StringEquals": { "sts:ExternalId": external_id } });
    }
    let trust = json!({ "Version": "2012-10-17", "Statement": [trust] }).to_string();
    iam(&[("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", &trust)]).await;
    let policy =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": allowed, "Resource": "*" }] });
    let policy = policy.to_string();
    iam(&[("Action", "PutRolePolicy"), ("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", &policy)]).await;
    format!("arn:aws:iam::123456789012:role/{name}")
}

#[tokio::test]
async fn without_a_role_a_job_is_the_runner_only_where_that_is_allowed() {
    let Some(moto) = Moto::lenient().await else { return };
    let refused = moto.runner().run("CONNECTION_TEST", &json!({}), Some(role("", ""))).await;
    assert!(refused.error().starts_with("/cloud_identity/role_arn: is missing"), "{}", refused.error());
    let allowed: Runner = moto.runner().lends_itself();
    let ended = allowed.run("CONNECTION_TEST", &json!({ "regions": ["eu-north-1"] }), Some(role("", ""))).await;
    assert_eq!(ended.metadata()["connection"]["account"], "123456789012");
}

/// As `alethia run` takes it: the payload says who the job is.
#[tokio::test]
async fn the_example_payloads_work_as_written() {
    let Some(moto) = Moto::lenient().await else { return };
    for (kind, text) in [
        ("CONNECTION_TEST", include_str!("../../../../examples/payloads/CONNECTION_TEST.json")),
        ("FETCH_RESOURCES", include_str!("../../../../examples/payloads/FETCH_RESOURCES.json")),
    ] {
        let runner = moto.runner().lends_itself();
        let job = runner.job(kind, &serde_json::from_str(text).unwrap()).build().unwrap();
        let executor = executor_api::ExecutorRegistry::from_linked().unwrap().get(kind).unwrap().executor();
        let identity = executor.identity(job.context.job()).unwrap();
        let outcome = runner.run_job(&job, identity).await.unwrap();
        assert!(outcome.metadata["cached_resources"]["regions"].as_array().unwrap().contains(&json!("eu-north-1")));
    }
}
