//! What the kinds publish.

use executor_api::{ExecutorRegistry, Input, Job, JobId, LossPolicy};
use executor_provisioner as _;
use serde_json::{Value, json};

use crate::harness::payload;

fn job(kind: &str, payload: &Value, plan: Option<&str>) -> Job {
    let fields = json!({ "id": JobId::generate(), "job_type": kind, "status": "CLAIMED", "config_snapshot": payload,
                         "plan_job_id": plan });
    serde_json::from_value(fields).unwrap()
}

#[test]
fn two_jobs_on_one_environment_never_run_at_once() {
    let registry = ExecutorRegistry::from_linked().unwrap();
    let key = |kind: &str, more: &Value| {
        let info = registry.get(kind).unwrap().info();
        info.exclusive.unwrap().key(&payload(more)).expect("every environment has a key")
    };
    let keys = ["PLAN", "DEPLOY", "DESTROY", "BOOTSTRAP"].map(|kind| key(kind, &json!({})));
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(key("PLAN", &json!({ "zone_id": "default" })), keys[0], "a zone that is not said is a zone, too");
    assert_ne!(key("PLAN", &json!({ "region": "eu-west-1" })), keys[0]);
}

#[test]
fn only_a_plan_is_run_again_whatever_happens() {
    let registry = ExecutorRegistry::from_linked().unwrap();
    for (kind, loss) in [
        ("PLAN", LossPolicy::Requeue),
        ("DEPLOY", LossPolicy::RequeueBeforeCommit),
        ("DESTROY", LossPolicy::RequeueBeforeCommit),
        ("BOOTSTRAP", LossPolicy::RequeueBeforeCommit),
    ] {
        let plugin = registry.get(kind).unwrap();
        assert_eq!(plugin.loss_policy(), loss, "{kind}");
        assert_eq!((plugin.default_timeout().as_secs(), plugin.cancel_grace().as_secs()), (7200, 600), "{kind}");
    }
}

#[test]
fn a_deploy_of_a_plan_asks_for_it() {
    let registry = ExecutorRegistry::from_linked().unwrap();
    let inputs =
        |kind: &str, plan| registry.get(kind).unwrap().executor().inputs(&job(kind, &payload(&json!({})), plan));
    assert_eq!(inputs("PLAN", None).unwrap(), []);
    assert_eq!(inputs("DEPLOY", None).unwrap(), []);
    let plan: JobId = "p".parse().unwrap();
    assert_eq!(inputs("DEPLOY", Some("p")).unwrap()[0], Input::JobRecord(plan));
    assert_eq!(inputs("DEPLOY", Some("p")).unwrap().len(), 3);
    assert!(inputs("PLAN", Some("p")).is_err());
}

#[test]
fn the_token_of_the_repository_is_asked_for_whoever_the_job_is() {
    let registry = ExecutorRegistry::from_linked().unwrap();
    let inputs = |of: &Value| registry.get("DEPLOY").unwrap().executor().inputs(&job("DEPLOY", of, None)).unwrap();
    let token = [Input::GitToken { host: "git.example.com".to_owned() }];
    let url = "https://git.example.com/shop/apps";
    for repository in
        [json!({ "repositories": { "apps_destination_repo": url } }), json!({ "apps_destination_repo": url })]
    {
        assert_eq!(inputs(&repository), token);
        let without = |name: &str, field: Value| {
            let mut of = repository.clone();
            of[name] = field;
            inputs(&of)
        };
        assert_eq!(without("git_access_token", json!("token-of-the-snapshot")), []);
        assert_eq!(without("argocd", json!({ "enabled": false })), []);
        assert_eq!(without("applications", json!({ "enabled": false })), []);
    }
}
