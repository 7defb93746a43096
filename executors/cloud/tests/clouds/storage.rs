//! The operator's S3 storage, at a moto that checks every signature and every policy.

use executor_api::testing::{TestJob, tool};
use executor_api::{ExecutorRegistry, StorageSettings};
use executor_terraform as _;
use serde_json::json;

use crate::moto::{Moto, text_of};

const ALL_OF_S3: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

#[tokio::test]
async fn a_bucket_for_states_is_made_by_who_has_the_operators_key_and_by_nobody_else() {
    let Some(moto) = Moto::strict().await else { return };
    let account = Moto::account();
    let (user, bucket) = (format!("operator-{account}"), format!("states-{account}"));
    let iam = async |form: &[(&str, &str)]| moto.ask("AKIARUNNER", "us-east-1", "iam", form).await;
    iam(&[("Action", "CreateUser"), ("UserName", &user)]).await;
    let named = [("Action", "PutUserPolicy"), ("UserName", &user), ("PolicyName", "p")];
    iam(&[&named[..], &[("PolicyDocument", ALL_OF_S3)]].concat()).await;
    let keys = iam(&[("Action", "CreateAccessKey"), ("UserName", &user)]).await;
    let (key_id, secret) = (text_of(&keys, "AccessKeyId").unwrap(), text_of(&keys, "SecretAccessKey").unwrap());
    let job = |secret_key: &str| {
        let storage = StorageSettings {
            endpoint: moto.url.clone(),
            region: "eu-north-1".to_owned(),
            key_id: key_id.clone(),
            secret_key: secret_key.to_owned(),
            create_buckets: true,
        };
        let payload = json!({ "action": "apply", "source": { "files": { "main.tf": "output \"x\" { value = 1 }" } },
                              "backend": { "type": "s3", "bucket": bucket, "key": "a" } });
        TestJob::builder("terraform", &payload).settings(|settings| settings.storage = Some(storage)).build().unwrap()
    };
    let (wrong, right) = (job("wrong-secret-canary"), job(&secret));
    let Some(_) = tool("terraform") else { return };

    let registry = ExecutorRegistry::from_linked().unwrap();
    let terraform = registry.get("terraform").unwrap().executor();
    moto.check_everything().await;
    let refused = terraform.execute(&wrong.context).await;
    let done = terraform.execute(&right.context).await;
    moto.check_nothing().await;

    let error = refused.unwrap_err().to_string();
    assert!(error.starts_with("terraform init failed") && error.contains("403"), "{error}");
    assert!(!wrong.log().contains("made the bucket"), "{}", wrong.log());
    assert!(!error.contains("canary") && !wrong.log().contains("canary"), "{error}\n{}", wrong.log());
    done.unwrap_or_else(|error| panic!("{error}\n{}", right.log()));
    assert!(right.log().contains(&format!("made the bucket {bucket} for states")), "{}", right.log());
    assert!(!right.log().contains("keeps no old versions"), "{}", right.log());
    let state = moto.s3(reqwest::Method::GET, "AKIASTORAGE", &format!("{bucket}/a")).await;
    assert!(state.status().is_success(), "{}", state.status());
}
