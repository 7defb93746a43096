//! The cloud and the account are the identity's, and a payload may only repeat them.

use executor_api::{CloudIdentity, ExecutorError};
use executor_provisioner::Snapshot;
use executor_provisioner::snapshot::Provider;
use serde_json::json;

use crate::environments::{PROVIDERS, smallest};
use crate::leaves::{with, without};

fn identity(provider: &str) -> CloudIdentity {
    let account = smallest(provider)["cloud_account_id"].as_str().unwrap().to_owned();
    let mut identity = CloudIdentity { provider: provider.to_owned(), ..CloudIdentity::default() };
    match provider {
        "aws" => identity.account_id = account,
        "gcp" => identity.project_id = account,
        _ => identity.subscription_id = account,
    }
    identity
}

fn pointer(payload: &serde_json::Value, identity: &CloudIdentity) -> String {
    match Snapshot::read(payload, Some(identity)) {
        Err(ExecutorError::InvalidInput { pointer, .. }) => pointer.unwrap_or_default(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_identity_says_which_cloud_and_which_account() {
    for provider in PROVIDERS {
        let payload = without(&without(&smallest(provider), "/provider"), "/cloud_account_id");
        let snapshot = Snapshot::read(&payload, Some(&identity(provider))).unwrap();
        assert_eq!(snapshot.provider.as_str(), provider);
        assert_eq!(json!(snapshot.account_id), smallest(provider)["cloud_account_id"]);
        assert_eq!(Snapshot::read(&smallest(provider), Some(&identity(provider))).unwrap(), snapshot);
    }
}

#[test]
fn an_account_follows_from_a_role_or_a_service_account() {
    let payload = |provider| without(&smallest(provider), "/cloud_account_id");
    let role = CloudIdentity {
        provider: "aws".to_owned(),
        role_arn: "arn:aws:iam::210987654321:role/deployer".to_owned(),
        ..CloudIdentity::default()
    };
    assert_eq!(Snapshot::read(&payload("aws"), Some(&role)).unwrap().account_id, "210987654321");
    let account = CloudIdentity {
        provider: "gcp".to_owned(),
        service_account_email: "deployer@shop-prod-1.iam.gserviceaccount.com".to_owned(),
        ..CloudIdentity::default()
    };
    assert_eq!(Snapshot::read(&payload("gcp"), Some(&account)).unwrap().account_id, "shop-prod-1");
}

#[test]
fn a_payload_that_names_another_cloud_or_account_is_refused() {
    let aws = identity("aws");
    assert_eq!(pointer(&with(&smallest("aws"), "/provider", json!("gcp")), &aws), "/provider");
    let flat = with(&without(&smallest("aws"), "/provider"), "/cloud_provider", json!("azure"));
    assert_eq!(pointer(&flat, &aws), "/cloud_provider");
    let other = with(&smallest("aws"), "/cloud_account_id", json!("999999999999"));
    assert_eq!(pointer(&other, &aws), "/cloud_account_id");
    let unknown = CloudIdentity { provider: "hetzner".to_owned(), ..CloudIdentity::default() };
    assert_eq!(pointer(&without(&smallest("aws"), "/provider"), &unknown), "/cloud_identity/provider");
}

#[test]
fn without_an_identity_the_account_is_needed_where_requests_must_name_it() {
    let nobody = |provider| Snapshot::read(&without(&smallest(provider), "/cloud_account_id"), None);
    assert_eq!(nobody("aws").unwrap().account_id, "");
    for provider in ["gcp", "azure"] {
        let error = nobody(provider).unwrap_err().to_string();
        assert!(error.starts_with("/cloud_account_id: is missing"), "{error}");
    }
    assert_eq!(Snapshot::read(&smallest("aws"), None).unwrap().provider, Provider::Aws);
}
