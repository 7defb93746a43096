//! What nobody should send: refused before anybody is asked, with the field's name.

use executor_api::CloudIdentity;
use serde_json::{Value, json};

use crate::harness::{Runner, role};
use crate::stand_in::{Answer, StandIn};

/// A runner whose clouds all fail the test when they are asked.
async fn untouched() -> (StandIn, Runner) {
    let stand_in = StandIn::start(|_| Answer::html()).await;
    let mut runner = Runner::default()
        .with("AWS_ENDPOINT_URL", &stand_in.url)
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNER")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret")
        .with("AWS_REGION", "eu-north-1");
    for name in ["gcp.sts", "gcp.iamcredentials", "azure.login", "azure.management"] {
        runner = runner.endpoint(name, &stand_in.url);
    }
    (stand_in, runner)
}

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

fn azure(tenant: &str) -> CloudIdentity {
    CloudIdentity {
        provider: "azure".to_owned(),
        tenant_id: tenant.to_owned(),
        client_id: GUID.to_owned(),
        subscription_id: GUID.to_owned(),
        ..CloudIdentity::default()
    }
}

#[tokio::test]
async fn a_wrong_identity_is_refused_by_its_field_before_anybody_is_asked() {
    let (stand_in, runner) = untouched().await;
    let arn = "arn:aws:iam::111122223333:role/deployer";
    let wif = json!({ "type": "external_account", "credential_source": { "executable": { "command": "id" } },
                      "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                      "subject_token_type": "t", "token_url": "https://sts.googleapis.com/v1/token" });
    let gcp =
        |wif: &str| CloudIdentity { provider: "gcp".into(), wif_config: wif.to_owned(), ..CloudIdentity::default() };
    let cases: Vec<(&str, CloudIdentity)> = vec![
        ("role_arn", role(&format!("{arn}\naws_access_key_id = x"), "")),
        ("role_arn", role("arn:aws-cn:iam::111122223333:role/deployer", "")),
        ("role_arn", role("", "ext-1")),
        ("external_id", role(arn, "a\n[profile x]")),
        ("account_id", CloudIdentity { account_id: "1".into(), ..role(arn, "") }),
        ("tenant_id", CloudIdentity { tenant_id: GUID.into(), ..role(arn, "") }),
        ("wif_config", CloudIdentity { wif_config: wif.to_string(), ..role(arn, "") }),
        ("wif_config/credential_source/executable", gcp(&wif.to_string())),
        ("wif_config", gcp("not json")),
        ("wif_config", gcp("")),
        ("wif_config", gcp(&"x".repeat(100_000))),
        ("tenant_id", azure("contoso.onmicrosoft.com")),
        ("tenant_id", azure("common/../../x")),
        ("provider", CloudIdentity { provider: "alibaba".into(), ..CloudIdentity::default() }),
        ("provider", CloudIdentity::default()),
    ];
    for (field, identity) in cases {
        let ended = runner.run("CONNECTION_TEST", &json!({}), Some(identity.clone())).await;
        let error = ended.error();
        assert!(error.starts_with(&format!("/cloud_identity/{field}: ")), "{field}: {error}");
        assert!(error.len() < 600 && !ended.job.log().contains("running as"), "{error}");
    }
    assert_eq!(stand_in.asked().len(), 0, "{:?}", stand_in.asked());
}

#[tokio::test]
async fn without_an_identity_there_is_a_remedy() {
    let (_stand_in, runner) = untouched().await;
    let error = runner.run("FETCH_RESOURCES", &json!({}), None).await.error();
    assert!(error.starts_with("/cloud_identity: the job has no cloud identity; connect one"), "{error}");
}

/// Who a job is, the plane says: a payload can only repeat it.
#[tokio::test]
async fn a_payload_does_not_choose_another_identity() {
    let stand_in = StandIn::start(|asked| crate::stand_in::sts(asked, 3600).unwrap()).await;
    let runner = Runner::default()
        .with("AWS_ENDPOINT_URL", &stand_in.url)
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNER")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret");
    let payload = json!({ "role_arn": "arn:aws:iam::444455556666:role/somebody-elses" });
    let ended = runner.run("CONNECTION_TEST", &payload, Some(role("arn:aws:iam::111122223333:role/mine", ""))).await;
    assert!(ended.error().starts_with("/role_arn: is not what the job's cloud identity says"), "{}", ended.error());
    let ended = runner.run("CONNECTION_TEST", &payload, None).await;
    assert!(ended.error().starts_with("/cloud_identity: "), "{}", ended.error());
    assert!(!stand_in.asked().iter().any(|asked| asked.body.contains("444455556666")));
}

#[tokio::test]
async fn hostile_values_of_the_payload_are_refused_or_ignored() {
    let (_stand_in, runner) = untouched().await;
    let long = "x".repeat(100_000);
    for value in ["--profile", "a,b={c}", "@/etc/passwd", "a\nb", "a\0b", "$(id)", "`id`", long.as_str()] {
        for (payload, place) in [
            (json!({ "provider": "aws", "role_arn": value }), "/cloud_identity/role_arn"),
            (json!({ "provider": value }), "/cloud_identity/provider"),
            (json!({ "provider": "gcp", "wif_config": value }), "/cloud_identity/wif_config"),
            (
                json!({ "provider": "azure", "tenant_id": value, "client_id": GUID, "subscription_id": GUID }),
                "/cloud_identity/tenant_id",
            ),
            (json!({ "provider": "aws", "regions": [value] }), "/regions/0"),
        ] {
            // Here the payload says who the job is, as with `alethia run`.
            let lending = runner.clone().lends_itself();
            let job = lending.job("CONNECTION_TEST", &payload).build().unwrap();
            let registry = executor_api::ExecutorRegistry::from_linked().unwrap();
            let named = registry.get("CONNECTION_TEST").unwrap().executor().identity(job.context.job());
            let error = match named {
                Err(error) => error.to_string(),
                Ok(identity) => lending.run_job(&job, identity).await.unwrap_err().to_string(),
            };
            assert!(error.starts_with(&format!("{place}: ")), "{place} {value:?}: {error}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_a_metadata_address_is_refused_by_its_setting() {
    let runner = Runner::default()
        .with("AWS_ENDPOINT_URL", "http://[::ffff:169.254.169.254]/")
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNER")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret");
    let identity = role("arn:aws:iam::111122223333:role/x", "");
    let error = runner.run("CONNECTION_TEST", &json!({}), Some(identity)).await.error();
    assert!(error.starts_with("AWS_ENDPOINT_URL is the address of a metadata service"), "{error}");
    let runner =
        Runner::default().endpoint("azure.login", "http://2852039166/").with("AZURE_FEDERATED_TOKEN_FILE", "/dev/null");
    let error = runner.run("CONNECTION_TEST", &json!({}), Some(azure(GUID))).await.error();
    assert!(error.starts_with("ALETHIA_CLOUD_ENDPOINTS (azure.login) is the address"), "{error}");
}

#[test]
fn the_schema_names_every_field() {
    let registry = executor_api::ExecutorRegistry::from_linked().unwrap();
    for kind in ["CONNECTION_TEST", "FETCH_RESOURCES"] {
        let info = registry.get(kind).unwrap().info();
        assert_eq!(info.loss, executor_api::LossPolicy::Requeue);
        let properties = info.schema["properties"].as_object().unwrap();
        assert!(properties.values().all(|field| field["description"] != Value::Null), "{properties:?}");
    }
}
