//! Runners that jobs start and end, from the command line. The cloud is a stand-in: the kinds' own tests have the real one.

use serde_json::{Value, json};

use crate::desk::{Desk, leaves};
use crate::stand_in::StandIn;

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
const KINDS: [&str; 3] = ["CONNECTION_TEST", "DEPLOY_RUNNER", "DESTROY_RUNNER"];

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
    let server = desk.serve_with(&["--public-url", "https://plane.example"]).await;
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
    let gone = desk.run(&["runner", "show", "fresh"]).await.expect(2);
    assert!(gone.err.contains("no runner \"fresh\""), "{}", gone.err);
    leaves(server).await;
}

#[tokio::test]
async fn what_cannot_be_deployed_is_said_at_once() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = StandIn::hire_for(&desk, &KINDS).await;
    identity(&desk, &runner).await;
    let deploy =
        ["runner", "deploy", "--name", "fresh", "--identity", "prod", "--region", "eu-north-1", "--image", "x:v1"];
    for (more, code, says) in [
        (vec![], 1, "/alethia_url: is missing"),
        (vec!["--plane-url", "https://p.example", "--mode", "rented"], 2, "self-hosted or cloud-hosted"),
        (vec!["--plane-url", "https://p.example", "--assigned-runner", "nobody"], 2, "no runner \"nobody\""),
    ] {
        let said = desk.run(&[&deploy[..], &more].concat()).await.expect(code);
        assert!(said.err.contains(says), "{more:?}: {}", said.err);
    }
    let names: Vec<Value> = desk.document(&["runner", "list"]).await["runners"].as_array().unwrap().clone();
    assert_eq!(names.len(), 1, "no runner is left behind: {names:?}");
    let unknown = desk.run(&["runner", "destroy", "nobody"]).await.expect(2);
    assert!(unknown.err.contains("see `alethia runner list`"), "{}", unknown.err);
    let by_hand = desk.run(&["runner", "destroy", "stand-in"]).await.expect(1);
    assert!(by_hand.err.contains("/config_snapshot/region: nobody knows where"), "{}", by_hand.err);
    leaves(server).await;
}
