//! A runner is deployed, changed and taken away, and its secrets are nowhere but where they belong.

use std::fs;
use std::path::Path;

use executor_api::StorageSettings;
use executor_api::testing::{TestJob, missing};
use serde_json::{Value, json};

use crate::aws::{Aws, fresh_id, payload, run};

fn has_terraform(job: &TestJob) -> bool {
    let found = job.context.tool("terraform").is_ok();
    if !found {
        missing("no terraform on the PATH");
    }
    found
}

fn env(task: &Value, name: &str) -> Value {
    let of_task = task["containerDefinitions"][0]["environment"].as_array().unwrap();
    of_task.iter().find(|entry| entry["name"] == name).map(|entry| entry["value"].clone()).unwrap_or_default()
}

/// Whether a text stands in any file below, as it is or in base64.
fn stands_in(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            // Providers are no place of ours.
            true => !path.ends_with("providers") && stands_in(&path, text),
            false => fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)),
        }
    })
}

#[tokio::test]
async fn a_runner_is_deployed_changed_and_taken_away() {
    let Some(aws) = Aws::find() else { return };
    let id = fresh_id();
    let storage = StorageSettings {
        endpoint: "https://storage.example.com".to_owned(),
        region: "eu-north-1".to_owned(),
        key_id: "storage-id-canary".to_owned(),
        secret_key: "storage-key-canary".to_owned(),
        create_buckets: true,
    };
    let storage_of_payload = json!({ "endpoint": storage.endpoint, "region": storage.region,
                                     "key_id": storage.key_id, "secret_key": storage.secret_key,
                                     "create_buckets": false });
    let wanted = payload(
        &id,
        &json!({ "storage": storage_of_payload, "infracost_api_key": "infracost-canary",
                                       "labels": { "zone": "a" }, "scale_to_zero": true, "cpu": 1024, "memory": 2048 }),
    );
    let deployed = aws.job("DEPLOY_RUNNER", &wanted).build().unwrap();
    if !has_terraform(&deployed) {
        return;
    }
    let outcome = run(&deployed.context).await.unwrap_or_else(|error| panic!("{error}\n{}", deployed.log()));
    assert_eq!(deployed.commits(), 1);

    let (service, task) = aws.service(&id).await;
    assert_eq!((&service["desiredCount"], &service["status"]), (&json!(0), &json!("ACTIVE")));
    let container = &task["containerDefinitions"][0];
    assert_eq!(
        (&container["image"], &container["stopTimeout"]),
        (&json!("registry.example.com/alethia:latest"), &json!(120))
    );
    for (name, value) in [
        ("ALETHIA_WEB_ORIGIN", "https://alethia.example.com"),
        ("ALETHIA_WORKER_ID", &id),
        ("ALETHIA_DRAIN_TIMEOUT", "45s"),
        ("ALETHIA_LABELS", "zone=a"),
        ("SUPABASE_S3_ENDPOINT", "https://storage.example.com"),
        ("ALETHIA_STORAGE_AUTO_CREATE_BUCKETS", "false"),
    ] {
        assert_eq!(env(&task, name), value, "{task}");
    }
    let secrets: Vec<_> = container["secrets"].as_array().unwrap().iter().map(|secret| &secret["name"]).collect();
    assert_eq!(
        secrets,
        ["ALETHIA_WORKER_TOKEN", "INFRACOST_API_KEY", "SUPABASE_STORAGE_KEY_ID", "SUPABASE_STORAGE_SECRET_KEY"]
    );
    assert_eq!(aws.secret(&id, "token").await["SecretString"], "token-canary-0123456789");
    let kept: Value = serde_json::from_str(aws.secret(&id, "storage").await["SecretString"].as_str().unwrap()).unwrap();
    assert_eq!(kept, json!({ "key_id": "storage-id-canary", "secret_key": "storage-key-canary" }));

    assert_eq!(outcome.metadata["steps"].as_array().unwrap().len(), 3);
    let outputs = &outcome.metadata["runner_outputs"];
    for name in ["cluster_arn", "service_name", "task_definition_arn", "task_role_arn", "log_group"] {
        assert!(outputs[name].as_str().is_some_and(|value| value.contains(&id)), "{name}: {outputs}");
    }
    let config = deployed.progress()["deploy_config"].clone();
    for secret in ["token-canary", "storage-id-canary", "storage-key-canary", "infracost-canary"] {
        assert!(!task.to_string().contains(secret) && !service.to_string().contains(secret), "{secret}");
        assert!(!stands_in(aws.states.path(), secret) && !stands_in(deployed.context.work_dir(), secret), "{secret}");
        assert!(!stands_in(&deployed.context.paths().temp, secret), "{secret}: tfvars or plan");
        let said = format!("{}{}{:?}", deployed.log(), config, outcome.metadata);
        assert!(!said.contains(secret), "{secret}");
    }

    // Nothing has changed, so nothing is changed.
    let again = aws.job("DEPLOY_RUNNER", &wanted).build().unwrap();
    let outcome = run(&again.context).await.unwrap_or_else(|error| panic!("{error}\n{}", again.log()));
    // moto forgets one setting of the service, which AWS does not.
    let changed = outcome.metadata["plan_summary"]["resources"].as_array().unwrap();
    assert!(changed.iter().all(|change| change["address"] == "aws_ecs_service.runner"), "{}", again.log());
    assert_eq!(outcome.metadata["runner_outputs"]["task_definition_arn"], service["taskDefinition"]);

    // Another image, by what the plane remembers and without any secret.
    let mut change = config.clone();
    change
        .as_object_mut()
        .unwrap()
        .extend([("worker_id".to_owned(), json!(id)), ("image_tag".to_owned(), json!("v2"))]);
    // The key of the runner that does it is its own.
    let updated = aws.job("UPDATE_WORKER", &change);
    let updated = updated.settings(|settings| settings.infracost_api_key = Some("infracost-elsewhere".to_owned()));
    let updated = updated.build().unwrap();
    let outcome = run(&updated.context).await.unwrap_or_else(|error| panic!("{error}\n{}", updated.log()));
    let changed = outcome.metadata["plan_summary"]["resources"].to_string();
    assert!(!changed.contains("secretsmanager"), "what is not given stays: {changed}");
    let (_, task) = aws.service(&id).await;
    assert_eq!(task["containerDefinitions"][0]["image"], "registry.example.com/alethia:v2");
    assert_eq!(aws.secret(&id, "token").await["SecretString"], "token-canary-0123456789");

    // Another token is another task.
    let rotated = aws.job(
        "UPDATE_RUNNER",
        &payload(&id, &json!({ "runner_token": "rotated-canary-0123456789", "image_tag": "v2" })),
    );
    let rotated = rotated.build().unwrap();
    run(&rotated.context).await.unwrap_or_else(|error| panic!("{error}\n{}", rotated.log()));
    assert_eq!(aws.secret(&id, "token").await["SecretString"], "rotated-canary-0123456789");

    let mut end = config;
    end.as_object_mut().unwrap().insert("runner_id".to_owned(), json!(id));
    let destroyed = aws.job("DESTROY_RUNNER", &end).build().unwrap();
    let outcome = run(&destroyed.context).await.unwrap_or_else(|error| panic!("{error}\n{}", destroyed.log()));
    assert!(outcome.metadata["plan_summary"]["destroy"].as_u64().unwrap() > 20);
    assert_ne!(aws.service(&id).await.0["status"], "ACTIVE");
    assert!(aws.secret(&id, "token").await["SecretString"].is_null());

    // An attempt that was lost after the end is made again, and finds nothing.
    let again = aws.job("DESTROY_RUNNER", &end).build().unwrap();
    run(&again.context).await.unwrap();
    assert!(again.log().contains("nothing of the runner is left") && again.commits() == 0, "{}", again.log());
}

#[tokio::test]
async fn two_runners_that_begin_alike_share_nothing() {
    let Some(aws) = Aws::find() else { return };
    let prefix = "01a20c45-b488";
    let ids = [fresh_id(), fresh_id()].map(|id| format!("{prefix}{}", &id[prefix.len()..]));
    for id in &ids {
        let job = aws.job("DEPLOY_RUNNER", &payload(id, &json!({ "assign_public_ip": true }))).build().unwrap();
        if !has_terraform(&job) {
            return;
        }
        run(&job.context).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
    }
    let end = aws.job("DESTROY_RUNNER", &payload(&ids[0], &json!({}))).build().unwrap();
    run(&end.context).await.unwrap_or_else(|error| panic!("{error}\n{}", end.log()));
    assert_ne!(aws.service(&ids[0]).await.0["status"], "ACTIVE");
    assert_eq!(aws.service(&ids[1]).await.0["status"], "ACTIVE", "the other one is left");
    let end = aws.job("DESTROY_RUNNER", &payload(&ids[1], &json!({}))).build().unwrap();
    run(&end.context).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_neither_changed_nor_taken_for_taken_away() {
    let Some(aws) = Aws::find() else { return };
    let id = fresh_id();
    let update = aws.job("UPDATE_RUNNER", &payload(&id, &json!({}))).build().unwrap();
    if !has_terraform(&update) {
        return;
    }
    let error = run(&update.context).await.unwrap_err().to_string();
    assert!(error.contains("deploy it first") && update.commits() == 0, "{error}");
    assert_eq!(update.progress()["steps"][0]["name"], "terraform_init", "how long it took is known all the same");
    let destroy = aws.job("DESTROY_RUNNER", &payload(&id, &json!({}))).build().unwrap();
    let error = run(&destroy.context).await.unwrap_err().to_string();
    assert!(error.contains("by hand") && destroy.commits() == 0, "{error}");
    let elsewhere = json!({ "state": { "type": "s3", "bucket": "b", "key": "k" } });
    for kind in ["DEPLOY_RUNNER", "UPDATE_RUNNER", "DESTROY_RUNNER"] {
        let job = aws.job(kind, &payload(&id, &elsewhere)).build().unwrap();
        let error = run(&job.context).await.unwrap_err().to_string();
        assert!(error.starts_with("/state: ") && job.commits() == 0, "{error}");
    }
}

#[tokio::test]
async fn a_runner_for_all_organisations_gives_its_storage_to_nobody() {
    let Some(aws) = Aws::find() else { return };
    let id = fresh_id();
    let job = aws.job("DEPLOY_RUNNER", &payload(&id, &json!({ "assign_public_ip": true }))).settings(|settings| {
        settings.cloud.is_shared = true;
        settings.infracost_api_key = Some("infracost-of-the-platform".to_owned());
    });
    let job = job.build().unwrap();
    if !has_terraform(&job) {
        return;
    }
    run(&job.context).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
    let (_, task) = aws.service(&id).await;
    assert_eq!(task["containerDefinitions"][0]["secrets"].as_array().unwrap().len(), 1, "{task}");
    assert!(aws.secret(&id, "infracost").await["SecretString"].is_null());
    let end = aws.job("DESTROY_RUNNER", &payload(&id, &json!({}))).build().unwrap();
    run(&end.context).await.unwrap();
}

#[tokio::test]
async fn a_state_in_the_operators_storage_has_the_whole_id_and_the_new_runner_is_given_that_storage() {
    let Some(aws) = Aws::find() else { return };
    let id = fresh_id();
    let bucket = bucket_of(&aws, &id).await;
    let job = |kind: &str, payload: &Value| job_in_storage(&aws, &bucket, kind, payload);
    let deployed = job("DEPLOY_WORKER", &payload(&id, &json!({ "assign_public_ip": true })));
    if !has_terraform(&deployed) {
        return;
    }
    run(&deployed.context).await.unwrap_or_else(|error| panic!("{error}\n{}", deployed.log()));
    let state = aws.s3(reqwest::Method::GET, &format!("{bucket}/runners/{id}/terraform.tfstate")).await;
    assert!(state.status().is_success(), "{}", state.status());
    let state = state.text().await.unwrap();
    assert!(state.contains("aws_ecs_service") && !state.contains("canary"));
    let config = deployed.progress()["deploy_config"].clone();
    assert_eq!(config["state"]["key"], format!("runners/{id}/terraform.tfstate"));
    let (_, task) = aws.service(&id).await;
    assert_eq!(env(&task, "SUPABASE_S3_ENDPOINT"), aws.url);
    assert_eq!(env(&task, "ALETHIA_STATE_BUCKET"), bucket);
    assert_eq!(env(&task, "ALETHIA_STORAGE_AUTO_CREATE_BUCKETS"), "true");
    assert!(!stands_in(deployed.context.work_dir(), "canary") && !deployed.log().contains("canary"));

    // A runner without that storage would find nothing, and say that nothing is left.
    let mut end = config;
    end.as_object_mut().unwrap().insert("worker_id".to_owned(), json!(id));
    let elsewhere = aws.job("DESTROY_WORKER", &end).build().unwrap();
    let error = run(&elsewhere.context).await.unwrap_err().to_string();
    assert!(error.starts_with("/state: ") && error.contains(&bucket), "{error}");
    let destroyed = job("DESTROY_WORKER", &end);
    run(&destroyed.context).await.unwrap_or_else(|error| panic!("{error}\n{}", destroyed.log()));
    assert_ne!(aws.service(&id).await.0["status"], "ACTIVE");
}

#[tokio::test]
async fn an_update_moves_no_runner_to_the_storage_of_the_one_that_makes_it() {
    let Some(aws) = Aws::find() else { return };
    let id = fresh_id();
    let bucket = bucket_of(&aws, &id).await;
    let job = |kind: &str, payload: &Value| job_in_storage(&aws, &bucket, kind, payload);
    let other = json!({ "endpoint": "https://other.example.com", "region": "eu-north-1", "key_id": "other-id",
                        "secret_key": "other-key", "bucket": "others" });
    let wanted = payload(&id, &json!({ "assign_public_ip": true, "storage": other }));
    let deployed = job("DEPLOY_RUNNER", &wanted);
    if !has_terraform(&deployed) {
        return;
    }
    run(&deployed.context).await.unwrap_or_else(|error| panic!("{error}\n{}", deployed.log()));
    let change = payload(&id, &json!({ "assign_public_ip": true, "image_tag": "v2" }));
    let updated = job("UPDATE_RUNNER", &change);
    let outcome = run(&updated.context).await.unwrap_or_else(|error| panic!("{error}\n{}", updated.log()));
    let changed = outcome.metadata["plan_summary"]["resources"].to_string();
    assert!(!changed.contains("secretsmanager"), "{changed}");
    let (_, task) = aws.service(&id).await;
    assert_eq!(task["containerDefinitions"][0]["image"], "registry.example.com/alethia:v2");
    assert_eq!(env(&task, "SUPABASE_S3_ENDPOINT"), "https://other.example.com");
    assert_eq!(env(&task, "ALETHIA_STATE_BUCKET"), "others");
    let end = job("DESTROY_RUNNER", &payload(&id, &json!({})));
    run(&end.context).await.unwrap();
}

async fn bucket_of(aws: &Aws, id: &str) -> String {
    let bucket = format!("states-{id}");
    let made = aws.s3(reqwest::Method::PUT, &bucket).await;
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    bucket
}

/// A job of a runner that keeps states in a bucket.
fn job_in_storage(aws: &Aws, bucket: &str, kind: &str, payload: &Value) -> TestJob {
    let (endpoint, bucket) = (aws.url.clone(), bucket.to_owned());
    let job = aws.job(kind, payload).settings(move |settings| {
        let (key_id, secret_key) = ("AKIASTORAGE".to_owned(), "storage-key-canary".to_owned());
        let (region, create_buckets) = ("eu-north-1".to_owned(), true);
        settings.storage = Some(StorageSettings { endpoint, region, key_id, secret_key, create_buckets });
        settings.state_bucket = Some(bucket);
    });
    job.build().unwrap()
}
