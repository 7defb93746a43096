//! The state in the operator's S3 storage, with its native lock. Moto plays S3.

use executor_api::StorageSettings;
use executor_api::testing::{TestJob, TestJobBuilder, moto, tool};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Place, payload, seen};
use crate::killed::{endless, run_and_kill};

const KEY: &str = "default/shop-staging-eu-north-1/terraform.tfstate";
const CANARY: &str = "storage-secret-canary";

/// A bucket of a moto that checks no signature.
struct Bucket {
    moto: String,
    name: String,
}

impl Bucket {
    async fn ask(&self, method: Method, key: &str, body: String) -> reqwest::Response {
        let signed = "AWS4-HMAC-SHA256 Credential=AKIASTORAGE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
        let url = format!("{}/{}/{key}", self.moto, self.name);
        reqwest::Client::new().request(method, url).header("authorization", signed).body(body).send().await.unwrap()
    }

    fn job(&self, place: &Place, kind: &str, payload: &Value) -> TestJob {
        self.builder(place, kind, payload, true).build().unwrap()
    }

    fn builder(&self, place: &Place, kind: &str, payload: &Value, create_buckets: bool) -> TestJobBuilder {
        place.builder(kind, payload).settings(|settings| {
            settings.state_bucket = Some(self.name.clone());
            settings.storage = Some(StorageSettings {
                endpoint: self.moto.clone(),
                region: "us-east-1".to_owned(),
                key_id: "AKIASTORAGE".to_owned(),
                secret_key: CANARY.to_owned(),
                create_buckets,
            });
        })
    }
}

#[tokio::test]
async fn the_state_is_where_the_contract_says_and_its_lock_is_respected() {
    let (Some(moto), Some(_)) = (moto(), tool("terraform")) else { return };
    let place = Place::new();
    let name = format!("states-{}", executor_api::JobId::generate());
    let bucket = Bucket { moto, name };
    let nowhere = bucket.builder(&place, "PLAN", &payload(&json!({})), false).build().unwrap();
    let error = place.refused(&nowhere).await;
    assert!(error.contains("does not exist") && error.contains("ALETHIA_STATE_BUCKET"), "{error}");

    let deployed = bucket.job(&place, "DEPLOY", &payload(&json!({})));
    place.done(&deployed).await;
    assert!(deployed.log().contains(&format!("made the bucket {} for states", bucket.name)), "{}", deployed.log());
    let state: Value = bucket.ask(Method::GET, KEY, String::new()).await.json().await.unwrap();
    assert_eq!(state["resources"].as_array().unwrap().len(), 2);
    assert!(!place.state().exists(), "there is one state");

    let held = json!({ "ID": "6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10", "Operation": "OperationTypeApply", "Info": "",
                       "Who": "deploy@build-7", "Version": "1.11.4", "Created": "2020-01-01T00:00:00Z",
                       "Path": format!("{}/{KEY}", bucket.name) });
    let lock = format!("{KEY}.tflock");
    assert!(bucket.ask(Method::PUT, &lock, held.to_string()).await.status().is_success());
    let locked = bucket.job(&place, "DESTROY", &payload(&json!({})));
    let error = place.refused(&locked).await;
    assert_eq!(locked.commits(), 0, "nothing goes while somebody else is at it");
    for part in ["the state is locked by deploy@build-7 since 2020-01-01", "years", "6a4ce2a1-8a4e-2b0e-7f3c"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let left = bucket.ask(Method::GET, &lock, String::new()).await;
    assert!(left.status().is_success(), "nobody else's lock is broken");
    bucket.ask(Method::DELETE, &lock, String::new()).await;

    let destroyed = bucket.job(&place, "DESTROY", &payload(&json!({})));
    place.done(&destroyed).await;
    let state: Value = bucket.ask(Method::GET, KEY, String::new()).await.json().await.unwrap();
    assert_eq!(state["resources"], json!([]), "the state stays in its place, empty");
    for job in [&deployed, &locked, &destroyed] {
        assert!(!seen(job, None).contains(CANARY));
    }
}

#[tokio::test]
async fn the_lock_of_an_apply_that_was_killed_is_named_and_left_to_a_person() {
    let (Some(moto), Some(_)) = (moto(), tool("terraform")) else { return };
    let place = Place::new();
    let bucket = Bucket { moto, name: format!("states-{}", executor_api::JobId::generate()) };
    bucket.ask(Method::PUT, "", String::new()).await;
    let pipe = endless(&place);
    run_and_kill(&place, &bucket.job(&place, "DEPLOY", &payload(&json!({}))), &pipe).await;
    let next = bucket.job(&place, "DEPLOY", &payload(&json!({})));
    let error = place.refused(&next).await;
    let lock = bucket.ask(Method::GET, &format!("{KEY}.tflock"), String::new()).await;
    let lock: Value = lock.json().await.unwrap();
    assert!(error.contains("the state is locked by ") && error.contains(lock["ID"].as_str().unwrap()), "{error}");
    assert!(error.contains("if that process is dead for certain, unlock it by that id"), "{error}");
    assert_eq!(next.commits(), 0);
}
