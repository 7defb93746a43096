//! Runners that jobs start and end, from the command line: with a stand-in for the runner that does it, and with the real one
//! against moto, which plays AWS.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Client;
use serde_json::{Value, json};
use system_tests::process::{aws_provider, moto};

use crate::desk::{Desk, leaves};
use crate::stand_in::StandIn;

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
const KINDS: [&str; 4] = ["CONNECTION_TEST", "DEPLOY_RUNNER", "UPDATE_RUNNER", "DESTROY_RUNNER"];

/// Somebody at AWS, as the plane knows them.
async fn identity(desk: &Desk, runner: &StandIn) {
    desk.run(&["identity", "init", "aws", "--label", "prod"]).await.expect(0);
    let connect = ["identity", "connect", "aws", "--role-arn", ROLE];
    let tested = async {
        let job = runner.claim().await;
        runner.end(&job, "tested", &json!({ "status": "SUCCESS", "execution_metadata": {} })).await;
    };
    let (said, ()) = tokio::join!(desk.run(&connect), tested);
    said.expect(0);
}

#[tokio::test]
async fn a_runner_is_deployed_and_destroyed_by_its_name() {
    let mut desk = Desk::new();
    let ours = "ours.example/alethia:v9";
    let server = desk.serve_with(&["--public-url", "https://plane.example", "--runner-image", ours]).await;
    let runner = StandIn::hire_for(&desk, &KINDS).await;
    identity(&desk, &runner).await;

    let image = "registry.example:5000/alethia:v1";
    let deploy =
        ["runner", "deploy", "--name", "fresh", "--identity", "prod", "--region", "eu-north-1", "--image", image];
    let more = ["--subnets", "subnet-0a1b2c3d,subnet-0a1b2c3e", "--label", "zone=a", "--assigned-runner", "stand-in"];
    let answer = desk.document(&[&deploy[..], &more].concat()).await;
    let payload = &answer["job"]["config_snapshot"];
    assert_eq!(
        (&payload["runner_token"], &payload["alethia_url"]),
        (&json!("(hidden)"), &json!("https://plane.example"))
    );
    assert_eq!(
        (&payload["image_repository"], &payload["image_tag"]),
        (&json!("registry.example:5000/alethia"), &json!("v1"))
    );
    assert_eq!(payload["subnet_ids"], json!(["subnet-0a1b2c3d", "subnet-0a1b2c3e"]));
    assert_eq!((&payload["region"], &payload["labels"]), (&json!("eu-north-1"), &json!({ "zone": "a" })));
    let job = runner.claim().await;
    let token = job.config_snapshot["runner_token"].as_str().unwrap().to_owned();
    assert!(token.len() == 64 && !answer.to_string().contains(&token));
    let config = json!({ "region": "eu-north-1", "image_tag": "v1" });
    let report = json!({ "status": "SUCCESS", "execution_metadata": { "deploy_config": config } });
    runner.end(&job, "made", &report).await;
    let shown = desk.document(&["runner", "show", "fresh"]).await;
    assert_eq!((&shown["deploy_config"], &shown["labels"]), (&config, &json!({ "zone": "a" })));

    for (more, repository, tag) in [
        (vec![], json!("ours.example/alethia"), "v9"),
        (vec!["--image", "other.example:5000/alethia"], json!("other.example:5000/alethia"), "latest"),
        (vec!["--tag", "v2"], Value::Null, "v2"),
    ] {
        let updated = async {
            let job = runner.claim().await;
            let payload = &job.config_snapshot;
            assert_eq!((job.job_type.as_str(), &payload["region"]), ("UPDATE_RUNNER", &json!("eu-north-1")));
            assert_eq!((&payload["image_repository"], &payload["image_tag"]), (&repository, &json!(tag)), "{more:?}");
            runner.end(&job, "replaced", &json!({ "status": "SUCCESS" })).await;
        };
        let update = [&["runner", "update", "fresh", "--follow"][..], &more].concat();
        let (said, ()) = tokio::join!(desk.run(&update), updated);
        assert!(said.expect(0).out.contains("replaced"));
    }

    let refused = desk.run(&["runner", "remove", "fresh"]).await.expect(1);
    assert!(refused.err.contains("alethia runner destroy"), "{}", refused.err);
    let destroyed = async {
        let job = runner.claim().await;
        assert_eq!((job.job_type.as_str(), &job.config_snapshot["region"]), ("DESTROY_RUNNER", &json!("eu-north-1")));
        let twice = desk.run(&["runner", "destroy", "fresh"]).await.expect(1);
        assert!(twice.err.contains("takes runner \"fresh\" away already"), "{}", twice.err);
        runner.end(&job, "taken away", &json!({ "status": "SUCCESS" })).await;
    };
    let (said, ()) = tokio::join!(desk.run(&["runner", "destroy", "fresh", "--follow"]), destroyed);
    assert!(said.expect(0).out.contains("taken away"));
    let gone = desk.run(&["runner", "show", "fresh"]).await.expect(1);
    assert!(gone.err.contains("no runner \"fresh\""), "{}", gone.err);
    leaves(server).await;
}

#[tokio::test]
async fn what_cannot_be_deployed_is_said_at_once() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = StandIn::hire_for(&desk, &KINDS).await;
    identity(&desk, &runner).await;
    let deploy = ["runner", "deploy", "--name", "fresh", "--identity", "prod", "--region", "eu-north-1"];
    let known = ["--plane-url", "https://p.example", "--image", "x:v1"];
    let known_and = |more: [&'static str; 2]| [&known[..], &more].concat();
    for (more, code, says) in [
        (vec!["--image", "x:v1"], 1, "/alethia_url: is missing"),
        (vec!["--plane-url", "https://p.example"], 1, "start the control plane with --runner-image"),
        (vec!["--image", "https://x/alethia"], 2, "give an image without scheme"),
        (known_and(["--mode", "rented"]), 2, "self-hosted or cloud-hosted"),
        (known_and(["--assigned-runner", "nobody"]), 1, "no runner \"nobody\""),
    ] {
        let said = desk.run(&[&deploy[..], &more].concat()).await.expect(code);
        assert!(said.err.contains(says), "{more:?}: {}", said.err);
    }
    let names: Vec<Value> = desk.document(&["runner", "list"]).await["runners"].as_array().unwrap().clone();
    assert_eq!(names.len(), 1, "no runner is left behind: {names:?}");
    let unknown = desk.run(&["runner", "destroy", "nobody"]).await.expect(1);
    assert!(unknown.err.contains("see `alethia runner list`"), "{}", unknown.err);
    let by_hand = desk.run(&["runner", "update", "stand-in", "--tag", "v2"]).await.expect(1);
    assert!(by_hand.err.contains("no job has deployed this runner yet"), "{}", by_hand.err);
    let both = desk.run(&["runner", "update", "stand-in", "--tag", "v2", "--image", "x:v1"]).await.expect(2);
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
    let by_hand = desk.run(&["runner", "destroy", "stand-in"]).await.expect(1);
    assert!(by_hand.err.contains("/config_snapshot/region: nobody knows where"), "{}", by_hand.err);
    assert!(by_hand.err.contains("`alethia runner remove stand-in`"), "{}", by_hand.err);
    desk.run(&["runner", "remove", "stand-in", "--force"]).await.expect(0);
    leaves(server).await;
}

/// What plays AWS, and a folder of provider packages.
fn aws() -> Option<(String, PathBuf)> {
    Some((moto()?, aws_provider()?))
}

/// A call that moto does not check.
async fn ask(moto: &str, key: &str, service: &str, target: &str, body: String) -> String {
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/eu-north-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
    );
    let kind = if target.is_empty() { "application/x-www-form-urlencoded" } else { "application/x-amz-json-1.1" };
    let asked = Client::new().post(moto).header("authorization", signed).header("content-type", kind).body(body);
    asked.header("x-amz-target", target).send().await.unwrap().text().await.unwrap()
}

/// The token of a runner, as its task would be given it.
async fn token_in_aws(moto: &str, account: &str, runner: &str) -> String {
    let assume =
        format!("Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::{account}:role/x&RoleSessionName=test");
    let answer = ask(moto, "AKIARUNNER", "sts", "", assume).await;
    let key = answer.split_once("<AccessKeyId>").unwrap().1.split_once('<').unwrap().0.to_owned();
    let secret = json!({ "SecretId": format!("alethia-runner-{runner}/token") }).to_string();
    let answer = ask(moto, &key, "secretsmanager", "secretsmanager.GetSecretValue", secret).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["SecretString"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn stands_in(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        if path.is_dir() { stands_in(&path, text) } else { fs::read(&path).is_ok_and(|bytes| contains(&bytes, text)) }
    })
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_real_runner_deploys_another_and_takes_it_away() {
    let Some((moto, providers)) = aws() else { return };
    let mut desk = Desk::new();
    let server = desk.serve().await;
    for (name, value) in [
        ("AWS_ENDPOINT_URL", moto.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIARUNNER"),
        ("AWS_SECRET_ACCESS_KEY", "runner-secret"),
        ("AWS_REGION", "eu-north-1"),
        ("ALETHIA_PROVIDER_MIRROR", &providers.display().to_string()),
    ] {
        desk.set(name, value);
    }
    let runner = desk.hire().await;
    let account = format!("{:012}", std::process::id());
    let role = format!("arn:aws:iam::{account}:role/AlethiaProvisionerRole-test");
    desk.run(&["identity", "init", "aws", "--label", "prod"]).await.expect(0);
    desk.run(&["identity", "connect", "aws", "--role-arn", &role]).await.expect(0);

    let deploy =
        ["runner", "deploy", "--name", "fresh", "--identity", "prod", "--region", "eu-north-1", "--image", "x/y:v1"];
    let more = ["--plane-url", "https://plane.example", "--public-ip", "--no-wait", "--scale-to-zero", "--follow"];
    let said = desk.run(&[&deploy[..], &more].concat()).await.expect(0);
    assert!(said.out.contains("Apply complete!") && said.out.contains("task_role_arn"), "{}", said.out);
    let shown = desk.document(&["runner", "show", "fresh"]).await;
    let id = shown["id"].as_str().unwrap().to_owned();
    assert_eq!(shown["deploy_config"]["state"], json!({ "type": "plane", "name": format!("runners.{id}") }));

    let token = token_in_aws(&moto, &account, &id).await;
    assert!(token.len() == 64 && !said.out.contains(&token) && !said.err.contains(&token));
    assert!(!stands_in(desk.folder.path(), &token), "neither at the plane nor at the runner");
    let origin = desk.env.iter().find(|(name, _)| name == "ALETHIA_WEB_ORIGIN").unwrap().1.clone();
    let asked = Client::new().post(format!("{origin}/api/platform/queue"));
    let asked = asked.header("X-Worker-ID", &id).header("X-Worker-Token", &token).send().await.unwrap();
    assert!(asked.status().is_success(), "the new runner is known by it: {}", asked.status());

    let said = desk.run(&["runner", "destroy", "fresh", "--follow"]).await.expect(0);
    assert!(said.out.contains("Apply complete!") && said.out.contains(" destroyed"), "{}", said.out);
    desk.run(&["runner", "show", "fresh"]).await.expect(1);
    leaves(runner).await;
    leaves(server).await;
}
