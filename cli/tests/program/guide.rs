//! The guide to cloud identities says what the program does: its documents are those of the program, its subjects those
//! of real tokens, its commands ones that exist.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::desk::{Desk, leaves};
use crate::stand_in::StandIn;

const ISSUER: &str = "https://alethia.example.com";

fn guide() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cloud-identities.md");
    std::fs::read_to_string(file).unwrap()
}

/// The blocks of one language.
fn blocks<'a>(guide: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    guide.split(&begin).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

fn documents(guide: &str) -> Vec<Value> {
    let read = |text: &&str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    blocks(guide, "json").iter().map(read).collect()
}

#[test]
fn its_documents_are_json_and_its_commands_exist() {
    let guide = guide();
    assert!(documents(&guide).len() >= 5);
    let mut commands = 0;
    for line in blocks(&guide, "console").iter().flat_map(|block| block.lines()) {
        let Some(command) = line.strip_prefix("$ alethia ") else { continue };
        let args = command.split_whitespace().chain(["--help"]);
        let help = std::process::Stdio::null;
        #[expect(clippy::disallowed_methods, reason = "a test calls the program as a person would")]
        let mut program = std::process::Command::new(crate::desk::alethia());
        let status = program.args(args).stdout(help()).status().unwrap();
        assert!(status.success(), "{command}");
        commands += 1;
    }
    assert!(commands >= 8, "only {commands} were found");
}

#[tokio::test]
async fn what_is_to_be_pasted_is_what_the_program_prints() {
    let mut desk = Desk::new();
    let server = desk.serve_with(&["--public-url", ISSUER]).await;
    let runners = "arn:aws:iam::111122223333:role/alethia-runner";
    let guide = guide().replace("ORG", "default");
    let documents = documents(&guide);
    for (args, name) in [
        (vec!["aws", "--principal", runners], "trust_policy"),
        (vec!["aws", "--web-identity", "--account-id", "123456789012"], "trust_policy"),
        (vec!["azure"], "federated_credential"),
        (vec!["gcp"], "pool_provider"),
    ] {
        let made = desk.document(&[&["identity", "init"], &args[..]].concat()).await;
        let text = made[name].to_string().replace(made["identity"]["id"].as_str().unwrap(), "IDENTITY");
        let external_id = made["identity"]["external_id"].as_str().unwrap_or("none");
        let printed: Value = serde_json::from_str(&text.replace(external_id, "EXTERNAL_ID")).unwrap();
        assert!(documents.contains(&printed), "{args:?}: the guide does not show {printed:#}");
        if name == "pool_provider" {
            let condition = printed["attributeCondition"].as_str().unwrap();
            assert!(guide.contains(&format!("--attribute-condition='{condition}'")), "{condition}");
            let mapping = printed["attributeMapping"].as_object().unwrap().iter();
            let mapping: Vec<_> = mapping.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
            assert!(guide.contains(&format!("--attribute-mapping='{}'", mapping.join(","))), "{mapping:?}");
        }
    }
    leaves(server).await;
}

/// What a token says.
fn claims(token: &str) -> BTreeMap<String, Value> {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

#[tokio::test]
async fn what_it_says_of_tokens_is_what_is_in_them() {
    let mut desk = Desk::new();
    let server = desk.serve_with(&["--public-url", ISSUER]).await;
    let runner = StandIn::hire(&desk).await;
    let made = desk.document(&["identity", "init", "aws", "--web-identity"]).await;
    let identity = made["identity"]["id"].as_str().unwrap().to_owned();
    desk.document(&["identity", "connect", "aws", "--role-arn", "arn:aws:iam::123456789012:role/deployer"]).await;
    let job = runner.claim().await;
    let guide = guide();
    let shown = documents(&guide).into_iter().find(|document| document["sub"].is_string()).expect("an example");
    let in_words = |claims: &BTreeMap<String, Value>, name: &str| {
        let text = claims[name].as_str().unwrap().replace(job.id.as_str(), "JOB").replace(&identity, "IDENTITY");
        text.replace("default", "ORG").replace("CONNECTION_TEST", "KIND")
    };

    let aws = claims(&runner.oidc_token(&job, "sts.amazonaws.com").await);
    let names: Vec<_> = aws.keys().collect();
    let mut shown_names: Vec<_> = shown.as_object().unwrap().keys().collect();
    shown_names.sort();
    assert_eq!(shown_names, names, "the example has every claim, and no other");
    assert_eq!((&aws["iss"], in_words(&aws, "sub").as_str()), (&json!(ISSUER), "org:ORG:kind:KIND:job:JOB"));
    assert_eq!(in_words(&aws, "cloud_identity_id"), "IDENTITY");
    let seconds = |claims: &BTreeMap<String, Value>, name: &str| claims[name].as_u64().unwrap();
    let shown_seconds = |name: &str| shown[name].as_u64().unwrap();
    assert_eq!(seconds(&aws, "exp") - seconds(&aws, "iat"), shown_seconds("exp") - shown_seconds("iat"));
    assert_eq!(seconds(&aws, "iat") - seconds(&aws, "nbf"), shown_seconds("iat") - shown_seconds("nbf"));

    let azure = claims(&runner.oidc_token(&job, "api://AzureADTokenExchange").await);
    let pool = "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/alethia/providers/plane";
    let gcp = claims(&runner.oidc_token(&job, pool).await);
    for (claims, audience) in [(&aws, "sts.amazonaws.com"), (&azure, "api://AzureADTokenExchange"), (&gcp, pool)] {
        assert_eq!(claims["aud"], audience);
        let subject = format!("`{}`", in_words(claims, "sub"));
        assert!(guide.contains(&subject), "the guide does not say {subject}");
    }
    let keys = runner.read("/.well-known/jwks.json").await;
    assert_eq!(keys["keys"][0]["alg"], "RS256");
    leaves(server).await;
}
