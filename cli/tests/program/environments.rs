//! docs/environments.md, as it is written: with terraform's own AWS provider on moto, and a real cluster with Argo CD.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use system_tests::process::{aws_provider, missing, tool, variable};

use crate::charts::Charts;
use crate::desk::{Desk, Said, leaves};

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
const STATES: &str = "spec-terraform-state";

/// The commands of the page, in its order.
fn commands() -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/environments.md")).unwrap();
    let commands = page.lines().filter_map(|line| line.strip_prefix("$ alethia "));
    commands.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What the page needs of its reader.
struct World {
    moto: String,
    mirror: PathBuf,
    kubeconfig: String,
    charts: Charts,
}

impl World {
    async fn find() -> Option<Self> {
        let [Some(moto), Some(kubeconfig), Some(_)] =
            ["ALETHIA_TEST_MOTO", "ALETHIA_TEST_KUBECONFIG", "ALETHIA_TEST_ARGOCD_SERVER"].map(variable)
        else {
            missing("there is no test cluster with Argo CD, or no moto; `cargo xtask test` starts them");
            return None;
        };
        tool("terraform")?;
        let mirror = aws_provider()?;
        Some(Self { moto, mirror, kubeconfig, charts: Charts::serve(None).await })
    }

    /// A desk with what the page names: the examples with the test's charts, and the kubeconfig.
    async fn desk(&self) -> Desk {
        let mut desk = Desk::new();
        for (name, value) in [
            ("AWS_ENDPOINT_URL", self.moto.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIARUNNER"),
            ("AWS_SECRET_ACCESS_KEY", "runner-secret"),
            ("AWS_REGION", "eu-central-1"),
            ("ALETHIA_PROVIDER_MIRROR", self.mirror.to_str().unwrap()),
            ("SUPABASE_S3_ENDPOINT", &self.moto),
            ("SUPABASE_S3_REGION", "eu-central-1"),
            ("SUPABASE_STORAGE_KEY_ID", "AKIASTATES"),
            ("SUPABASE_STORAGE_SECRET_KEY", "states-secret-canary"),
        ] {
            desk.set(name, value);
        }
        fs::copy(&self.kubeconfig, desk.path("kubeconfig")).unwrap();
        fs::create_dir_all(desk.path("examples/environments")).unwrap();
        for name in ["shop.json", "shop-larger.json"] {
            let file = Path::new("examples/environments").join(name);
            let mut snapshot: Value = serde_json::from_slice(&fs::read(root().join(&file)).unwrap()).unwrap();
            snapshot["argocd"] = json!({ "chart": { "repository": self.charts.url } });
            snapshot["applications"] = json!({ "repositories": self.charts.mirrors() });
            fs::write(desk.folder.path().join(&file), snapshot.to_string()).unwrap();
        }
        desk
    }

    /// What the environment's generated secret is, while there is one.
    async fn secret(&self) -> Option<String> {
        let signed = "AWS4-HMAC-SHA256 Credential=AKIARUNNER/20260101/eu-central-1/secretsmanager/aws4_request, \
                      SignedHeaders=host, Signature=0";
        let call = reqwest::Client::new().post(&self.moto).body(r#"{"SecretId":"shop/staging/session-key"}"#);
        let call = call.header("content-type", "application/x-amz-json-1.1").header("authorization", signed);
        let answer = call.header("x-amz-target", "secretsmanager.GetSecretValue").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["SecretString"].as_str().map(str::to_owned)
    }

    /// Asks moto for an object of the S3 storage.
    async fn state(&self, method: reqwest::Method, path: &str) -> reqwest::Response {
        let signed = "AWS4-HMAC-SHA256 Credential=AKIASTATES/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let call = reqwest::Client::new().request(method, format!("{}/{path}", self.moto));
        call.header("authorization", signed).send().await.unwrap()
    }
}

#[tokio::test]
async fn the_page_runs_as_it_is_written() {
    let Some(world) = World::find().await else { return };
    let mut desk = world.desk().await;
    let server = desk.serve().await;
    let runner = desk.hire().await;
    desk.run(&["identity", "init", "aws", "--label", "prod", "--principal", ROLE]).await.expect(0);
    desk.run(&["identity", "connect", "aws", "--role-arn", ROLE, "--label", "prod", "--follow"]).await.expect(0);

    let (mut last, mut kinds, mut secrets) = (String::new(), Vec::new(), 0);
    for words in commands() {
        let of_job = last.clone();
        let words: Vec<_> = words.iter().map(|word| if word == "JOB" { &of_job } else { word }.as_str()).collect();
        let said = desk.run(&words).await.expect(0);
        kinds.push(words[..3].join(" "));
        if words[..2] == ["job", "submit"] {
            last = submitted(&said);
            let job = desk.document(&["job", "show", &last]).await;
            check(words[2], words[4].ends_with("shop-larger.json"), &job["execution_metadata"]);
            assert!(said.out.contains("--- "), "groups: {}", said.out);
            let secret = world.secret().await;
            for secret in secret.iter().map(String::as_str).chain(["canary"]) {
                assert!(!said.out.contains(secret) && !job.to_string().contains(secret), "{}", said.out);
            }
            secrets += usize::from(secret.is_some());
        }
        if words[1] == "artifacts" {
            assert!(said.out.contains("argocd-admin-password"), "{}", said.out);
        }
        if words[..2] == ["job", "submit"] && kinds.len() == 2 {
            a_plan_is_applied_once_and_for_its_own_snapshot(&desk, &words).await;
        }
    }
    let submitted: Vec<_> = kinds.iter().filter_map(|words| words.strip_prefix("job submit ")).collect();
    assert_eq!(submitted, ["PLAN", "DEPLOY", "PLAN", "DEPLOY", "DESTROY"]);
    assert!(kinds.iter().any(|words| words.starts_with("run PLAN")));
    assert!(secrets > 1, "there was a secret to look for");

    let state =
        world.state(reqwest::Method::GET, &format!("{STATES}/acme/shop-staging-eu-central-1/terraform.tfstate")).await;
    let state: Value = state.json().await.unwrap();
    assert_eq!(state["resources"], json!([]), "the state says that all is gone");
    leaves(runner).await;
    leaves(server).await;
}

fn submitted(said: &Said) -> String {
    let id = said.err.lines().find_map(|line| line.strip_prefix("job "));
    id.unwrap_or_else(|| panic!("{}", said.err)).to_owned()
}

/// What the page says about a second use, and about another snapshot.
async fn a_plan_is_applied_once_and_for_its_own_snapshot(desk: &Desk, words: &[&str]) {
    let again = desk.run(words).await;
    assert_eq!(again.code, 1, "{}", again.out);
    assert!(again.err.contains("plan"), "{}", again.err);
    let plan = submitted(
        &desk.run(&["job", "submit", "PLAN", "--payload", words[4], "--identity", "prod", "--follow"]).await.expect(0),
    );
    let larger = words.iter().map(|word| match *word {
        "examples/environments/shop.json" => "examples/environments/shop-larger.json",
        word => word,
    });
    let mut larger: Vec<_> = larger.collect();
    let at = larger.iter().position(|word| *word == "--plan").unwrap() + 1;
    larger[at] = &plan;
    let refused = desk.run(&larger).await.expect(1);
    assert!(refused.out.contains("configuration has changed since the plan: "), "{}\n{}", refused.out, refused.err);
}

/// What a program finds in the result of a job.
fn check(kind: &str, is_larger: bool, result: &Value) {
    let count = |what: &str| result["plan_summary"][what].as_u64().unwrap_or_else(|| panic!("{what}: {result}"));
    match kind {
        "PLAN" => {
            assert_eq!(result["plan_completed"], true, "{result}");
            assert!(count("add") > 5 && (!is_larger || count("destroy") == 0), "{result}");
        }
        "DEPLOY" => {
            let outputs = &result["outputs"];
            assert!(outputs["vpc_id"].as_str().is_some_and(|id| id.starts_with("vpc-")), "{result}");
            assert_eq!(outputs["databases"]["orders"].is_object(), is_larger, "{result}");
            assert!(outputs["dynamodb_table_names"]["carts"].is_string(), "{result}");
            let applications = result["applications"].as_object().unwrap_or_else(|| panic!("{result}"));
            assert!(
                !applications.is_empty() && applications.values().all(|one| one["health"] == "Healthy"),
                "{result}"
            );
        }
        _ => assert_eq!((&result["destroyed"], &result["state_empty"]), (&json!(true), &json!(true)), "{result}"),
    }
    let steps = result["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["done"] == true && step["seconds"].is_number()), "{result}");
}
