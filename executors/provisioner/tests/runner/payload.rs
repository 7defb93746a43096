//! What a payload may say: both spellings, and every wrong value refused with its place.

use executor_api::testing::TestJob;
use executor_api::{ExecutorRegistry, JobSettings};
use serde_json::{Value, json};

use crate::aws::{fresh_id, payload, run};

/// Refused before anything is looked up, let alone begun.
async fn refusal(kind: &str, payload: &Value) -> String {
    let states = tempfile::tempdir().unwrap();
    let settings = |settings: &mut JobSettings| settings.local_states = Some(states.path().to_owned());
    let job = TestJob::builder(kind, payload).settings(settings).build().unwrap();
    let error = run(&job.context).await.unwrap_err().to_string();
    assert_eq!(job.commits(), 0);
    assert!(std::fs::read_dir(job.context.work_dir()).unwrap().next().is_none(), "nothing was begun");
    error
}

#[tokio::test]
async fn a_wrong_value_is_refused_with_its_place() {
    let id = fresh_id();
    for (change, place) in [
        (json!({ "runner_id": null }), "/runner_id"),
        (json!({ "runner_id": "../x" }), "/runner_id"),
        (json!({ "worker_id": "another" }), "/worker_id"),
        (json!({ "runner_token": "short" }), "/runner_token"),
        (json!({ "runner_token": null, "worker_token": "a b c d e f g h i j k" }), "/worker_token"),
        (json!({ "runner_name": "a\nb" }), "/runner_name"),
        (json!({ "runner_mode": "rented" }), "/runner_mode"),
        (json!({ "cloud_provider": "gcp" }), "/cloud_provider"),
        (json!({ "region": null }), "/region"),
        (json!({ "region": "eu-north-1\" }" }), "/region"),
        (json!({ "alethia_url": null }), "/alethia_url"),
        (json!({ "alethia_url": null, "trellis_url": "http://plain.example" }), "/trellis_url"),
        (json!({ "image_repository": null }), "/image_repository"),
        (json!({ "image_repository": "https://x/y" }), "/image_repository"),
        (json!({ "image_tag": "a b" }), "/image_tag"),
        (json!({ "image_command": ["", "x"] }), "/image_command"),
        (json!({ "architecture": "RISCV" }), "/architecture"),
        (json!({ "cpu": 300 }), "/cpu"),
        (json!({ "cpu": "many" }), "/cpu"),
        (json!({ "memory": 100 }), "/memory"),
        (json!({ "slots": 0 }), "/slots"),
        (json!({ "labels": { "a/b": "x,y" } }), "/labels/a~1b"),
        (json!({ "subnet_ids": ["subnet-0a1b2c3d", "vpc-0a1b2c3d"] }), "/subnet_ids/1"),
        (json!({ "vpc_cidr": "10.0.0.0/28" }), "/vpc_cidr"),
        (json!({ "assumable_roles": ["arn:aws:iam::*:role/*"] }), "/assumable_roles/0"),
        (json!({ "storage": { "endpoint": "https://s.example" } }), "/storage/region"),
        (json!({ "log_retention_days": 31 }), "/log_retention_days"),
        (json!({ "desired_count": 2 }), "/desired_count"),
        (json!({ "idle_seconds": 5 }), "/idle_seconds"),
    ] {
        let error = refusal("DEPLOY_RUNNER", &payload(&id, &change)).await;
        assert!(error.starts_with(&format!("{place}: ")), "{change}: {error}");
        assert!(!error.contains("token-canary"), "{error}");
    }
}

#[tokio::test]
async fn a_destruction_needs_little_and_says_what() {
    let error = refusal("DESTROY_RUNNER", &json!({ "runner_id": "r-1" })).await;
    assert!(error.starts_with("/region: is missing") && error.contains("subnet_ids"), "{error}");
    let job = TestJob::builder("DESTROY_WORKER", &json!({ "worker_id": "r-1", "region": "eu-north-1" }));
    let job = job.job(|job| job.runner_id = Some("r-1".parse().unwrap())).build().unwrap();
    let error = run(&job.context).await.unwrap_err().to_string();
    assert!(error.starts_with("/runner_id: is the runner that has this job"), "{error}");
}

#[test]
fn both_spellings_of_a_kind_hide_the_token_and_work_on_one_thing() {
    let registry = ExecutorRegistry::from_linked().unwrap();
    for verb in ["DEPLOY", "UPDATE", "DESTROY"] {
        let keys = [("RUNNER", "runner"), ("WORKER", "worker")].map(|(spelling, field)| {
            let plugin = registry.get(&format!("{verb}_{spelling}")).unwrap();
            let payload = json!({ format!("{field}_id"): "r-1", format!("{field}_token"): "token-canary", "storage":
                                  { "endpoint": "e", "key_id": "id-canary", "secret_key": "key-canary" } });
            let mut secrets = plugin.secrets_in(&payload);
            secrets.sort();
            assert_eq!(secrets, ["id-canary", "key-canary", "token-canary"]);
            plugin.info().exclusive.unwrap().key(&payload).unwrap()
        });
        assert_eq!(keys[0], keys[1]);
        assert_eq!(keys[0], "runner [\"r-1\"]");
    }
}
