//! Identities at clouds, from the first half of their trust to the job that names them.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{Desk, leaves};
use crate::stand_in::StandIn;

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
const RUNNERS: &str = "arn:aws:iam::111122223333:role/runner";
const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// What `gcloud iam workload-identity-pools create-cred-config` writes.
fn external_account() -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/plane",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": { "file": "oidc-token" },
    })
}

/// What a connection test finds.
fn works() -> Value {
    json!({ "status": "SUCCESS", "execution_metadata": {
        "connection": {
            "provider": "aws", "who": "arn:aws:sts::123456789012:assumed-role/deployer/alethia-1", "account": "123456789012",
            "reads": [{ "action": "ec2:DescribeVpcs", "allowed": true }, { "action": "iam:ListUsers", "allowed": false }],
            "remedy": "attach this policy to the role",
        },
        "cached_resources": { "regions": ["eu-north-1"] },
    } })
}

#[tokio::test]
async fn a_role_is_trusted_connected_tested_verified_and_named_by_a_job() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = StandIn::hire(&desk).await;
    let early = desk.run(&["identity", "connect", "aws", "--role-arn", ROLE]).await.expect(2);
    assert!(early.err.contains("make one with `alethia identity init aws`"), "{}", early.err);

    let made = desk.run(&["identity", "init", "aws", "--label", "prod", "--principal", RUNNERS]).await.expect(0);
    let id = made.out.lines().next().unwrap().to_owned();
    let policy: Value = serde_json::from_str(made.out.split_once("trust policy:\n").unwrap().1).unwrap();
    let external_id = &desk.document(&["identity", "show", &id]).await["external_id"];
    assert_eq!(policy["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"], *external_id);
    assert_eq!(policy["Statement"][0]["Principal"]["AWS"], RUNNERS);
    let next = made.err.lines().find_map(|line| line.strip_prefix("then: alethia ")).unwrap().replace("ARN", ROLE);
    let next: Vec<_> = next.split_whitespace().collect();

    let mut connect = desk.start(&next);
    let test = runner.claim().await;
    assert_eq!((test.job_type.as_str(), test.cloud_identity_id.as_deref()), ("CONNECTION_TEST", Some(id.as_str())));
    let impatient = desk.run(&["identity", "verify", "prod"]).await.expect(1);
    assert!(impatient.err.contains("; wait for it with --follow"), "{}", impatient.err);
    runner.end(&test, "looking around", &works()).await;
    assert!(connect.ended().await.success(), "{}", connect.said());
    let said = connect.until_said("attach this policy to the role").await;
    for part in ["looking around", "aws prod is verified", "assumed-role/deployer", "ec2:DescribeVpcs", "denied"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let list = desk.run(&["identity", "list"]).await.expect(0).out;
    assert!(list.contains("verified") && list.contains(ROLE), "{list}");
    let verified = desk.document(&["identity", "verify", "prod"]).await;
    assert_eq!(verified["identity"]["cached_resources"]["regions"][0], "eu-north-1");
    assert_eq!(verified["test"]["id"], test.id.as_str());

    let job = desk.document(&["job", "submit", "CONNECTION_TEST", "--identity", "prod"]).await;
    assert_eq!(job["cloud_identity_id"], id);
    let shown = desk.run(&["job", "show", job["id"].as_str().unwrap()]).await.expect(0).out;
    assert!(shown.contains(&format!("identity   {id}")), "{shown}");
    let bound = desk.document(&["runner", "register", "--name", "bound", "--identity", "prod"]).await;

    let used = desk.run(&["identity", "disconnect", "prod"]).await.expect(1);
    assert!(used.err.contains(job["id"].as_str().unwrap()) && used.err.contains("cancel them first"), "{}", used.err);
    desk.run(&["job", "cancel", job["id"].as_str().unwrap()]).await.expect(0);
    let gone = desk.run(&["identity", "disconnect", "prod"]).await.expect(0);
    assert!(gone.out.contains("aws prod is nobody there any more"), "{}", gone.out);
    let again = format!("bound\nalethia identity connect aws --id {id}");
    assert!(gone.err.contains(&again), "{}", gone.err);
    let list = desk.run(&["identity", "list"]).await.expect(0).out;
    assert!(list.contains("not connected") && !list.contains(ROLE), "{list}");
    let refused = desk.run(&["identity", "remove", "prod", "--force"]).await.expect(1);
    assert!(refused.err.contains("\"bound\" takes only jobs of this identity"), "{}", refused.err);
    desk.run(&["runner", "remove", bound["runner"]["id"].as_str().unwrap()]).await.expect(0);
    assert_eq!(desk.document(&["identity", "remove", "prod"]).await["success"], true);
    assert_eq!(desk.document(&["identity", "list"]).await["cloud_identities"], json!([]));
    leaves(server).await;
}

#[tokio::test]
async fn the_exit_code_of_a_connection_is_that_of_its_test() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = StandIn::hire(&desk).await;
    let azure = ["--tenant-id", GUID, "--client-id", GUID, "--subscription-id", GUID, "--follow"];
    let mut connect = desk.start(&[&["identity", "connect", "azure"], &azure[..]].concat());
    let fails = json!({ "status": "FAILED", "error_message": "/cloud_identity/client_id: trusts no such token" });
    runner.end(&runner.claim().await, "trying", &fails).await;
    assert_eq!(connect.ended().await.code(), Some(1), "{}", connect.said());
    connect.until_said("FAILED: /cloud_identity/client_id: trusts no such token").await;
    let refused = desk.run(&["identity", "verify", "azure"]).await.expect(1);
    assert!(refused.err.contains("is FAILED: /cloud_identity/client_id"), "{}", refused.err);
    assert_eq!(desk.document(&["identity", "show", "azure"]).await["is_verified"], false);

    // The one that is there, anew: as one document, whatever comes of it.
    let anew = [&["identity", "connect", "azure", "--id", "azure", "--json"], &azure[..]].concat();
    let (said, ()) = tokio::join!(desk.run(&anew), async {
        runner.end(&runner.claim().await, "trying", &fails).await;
    });
    let document = said.expect(1).json();
    assert_eq!((&document["test"]["status"], &document["identity"]["label"]), (&json!("FAILED"), &json!("azure")));
    let (said, ()) = tokio::join!(desk.run(&anew), async {
        runner.end(&runner.claim().await, "trying", &works()).await;
    });
    let document = said.expect(0).json();
    assert_eq!((&document["test"]["status"], &document["identity"]["is_verified"]), (&json!("SUCCESS"), &json!(true)));

    // Who looks on and leaves changes nothing.
    let file = desk.arg("wif.json");
    fs::write(&file, external_account().to_string()).unwrap();
    let connected = desk.document(&["identity", "connect", "gcp", "--wif-config", &file, "--label", "pool"]).await;
    let mut follower = desk.start(&["identity", "verify", "pool", "--follow"]);
    follower.until_said(connected["job_id"].as_str().unwrap()).await;
    let test = runner.claim().await;
    follower.signal(Signal::INT);
    assert_eq!(follower.ended().await.code(), Some(130));
    follower.until_said("the test goes on; then: alethia identity verify").await;
    runner.end(&test, "done", &works()).await;
    desk.run(&["identity", "verify", "pool", "--follow"]).await.expect(0);
    leaves(server).await;
}

#[tokio::test]
async fn wrong_input_is_refused_by_its_flag_with_a_remedy() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let _runner = StandIn::hire(&desk).await;
    let file = |name: &str, text: &str| {
        fs::write(desk.path(name), text).unwrap();
        desk.arg(name)
    };
    let key = file("key.json", r#"{ "type": "service_account", "private_key": "canary" }"#);
    let no_json = file("no.json", "audience: x");
    let other = file("other.json", "[]");
    let session = "arn:aws:sts::111122223333:assumed-role/runner/i-1";
    for (args, code, says) in [
        (vec!["identity", "init", "oracle"], 2, "oracle"),
        (
            vec!["identity", "init", "aws", "--principal", session],
            2,
            "give its role: arn:aws:iam::111122223333:role/runner",
        ),
        (
            vec!["identity", "init", "aws", "--web-identity"],
            1,
            "/web_identity: this control plane vouches for nobody: start it with --public-url",
        ),
        (vec!["identity", "init", "aws", "--account-id", "123456789012"], 2, "--web-identity"),
        (vec!["identity", "init", "aws", "--label", "\u{202e}x"], 1, "/label: "),
        (vec!["identity", "connect", "aws"], 2, "--role-arn"),
        (vec!["identity", "connect", "azure", "--tenant-id", GUID], 2, "--client-id"),
        (vec!["identity", "connect", "gcp", "--wif-config", "nowhere"], 1, "cannot read --wif-config nowhere"),
        (vec!["identity", "connect", "gcp", "--wif-config", &no_json], 2, "is no JSON"),
        (
            vec!["identity", "connect", "gcp", "--wif-config", &other],
            2,
            "is no external-account document; give what `gcloud",
        ),
        (vec!["identity", "connect", "gcp", "--wif-config", &key], 2, "is the key of a service account"),
        (vec!["identity", "show", "nobody"], 1, "no cloud identity \"nobody\"; see `alethia identity list`"),
        (vec!["job", "submit", "terraform", "--identity", "nobody"], 1, "no cloud identity \"nobody\""),
        (vec!["runner", "register", "--name", "x", "--identity", "nobody"], 1, "no cloud identity \"nobody\""),
    ] {
        let said = desk.run(&args).await.expect(code);
        assert!(said.err.contains(says), "{args:?}: {}", said.err);
        assert!(!said.err.contains("canary") && !said.err.contains("panicked"), "{args:?}: {}", said.err);
    }
    assert_eq!(desk.document(&["identity", "list"]).await["cloud_identities"], json!([]), "nothing of it was sent");

    for _ in 0..2 {
        desk.document(&["identity", "init", "aws"]).await;
    }
    let said = desk.run(&["identity", "connect", "aws", "--role-arn", ROLE]).await.expect(2);
    assert!(said.err.contains("several identities wait to be connected; name one with --id"), "{}", said.err);
    let said = desk.run(&["identity", "show", "aws"]).await.expect(2);
    assert!(said.err.contains("several cloud identities are called \"aws\"; name one by its id"), "{}", said.err);
    let made = desk.document(&["identity", "init", "gcp"]).await;
    let id = made["identity"]["id"].as_str().unwrap();
    let said = desk.run(&["identity", "connect", "aws", "--id", id, "--role-arn", ROLE]).await.expect(2);
    assert!(said.err.contains("is an identity of gcp"), "{}", said.err);
    let said = desk.run(&["identity", "verify", id]).await.expect(2);
    assert!(said.err.contains("was never tested; connect it first"), "{}", said.err);
    let said = desk.run(&["identity", "connect", "gcp", "--wif-config", &key, "--json"]).await.expect(2);
    assert!(said.json()["error"].as_str().unwrap().contains("--wif-config"), "{}", said.out);
    leaves(server).await;
}
