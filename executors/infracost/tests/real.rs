//! The real infracost, where one is on the PATH, with a pricing service of our own.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use executor_api::testing::{TestJob, TestJobBuilder, infracost};
use executor_api::{ExecutorError, ExecutorRegistry, Input, JobId, Outcome};
use executor_infracost as _;
use serde_json::{Value, json};

const KEY: &str = "ico-Secret0123456789";

/// Everything costs a cent an hour or a piece. Refuses other keys.
#[derive(Clone, Default)]
struct Prices(Arc<Mutex<Vec<Value>>>);

impl Prices {
    /// Its address.
    async fn start(&self) -> String {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    /// The regions that prices were asked for.
    fn regions(&self) -> Vec<String> {
        let asked = self.0.lock().unwrap();
        let regions = asked.iter().filter_map(|query| query["variables"]["productFilter"]["region"].as_str());
        let mut regions: Vec<_> = regions.map(str::to_owned).collect();
        regions.sort();
        regions.dedup();
        regions
    }
}

async fn answer(
    State(prices): State<Prices>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> (StatusCode, Json<Value>) {
    if headers.get("x-api-key").is_none_or(|key| key != KEY) {
        let refusal = json!({ "error": "Invalid API key", "error_code": "invalid_api_key" });
        return (StatusCode::FORBIDDEN, Json(refusal));
    }
    let Value::Array(queries) = asked else { return (StatusCode::OK, Json(json!({}))) };
    let price = |at: usize| {
        let price = json!({ "priceHash": format!("{at}"), "USD": "0.01", "EUR": "0.0099" });
        json!({ "data": { "products": [{ "prices": [price] }] } })
    };
    let answers = (0..queries.len()).map(price).collect();
    prices.0.lock().unwrap().extend(queries);
    (StatusCode::OK, Json(Value::Array(answers)))
}

/// None, said aloud, if there is no infracost: it cannot be had from where the other tools come from.
fn job(payload: &Value, address: &str, key: &str) -> Option<TestJobBuilder> {
    let builder = TestJob::builder("infracost", payload).settings(|settings| {
        settings.infracost_api_key = Some(key.to_owned());
        settings.env.insert("INFRACOST_PRICING_API_ENDPOINT".to_owned(), address.to_owned());
    });
    infracost().map(|_| builder)
}

async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("infracost").unwrap().executor().execute(&job.context).await
}

/// As the `terraform` kind keeps it: no values but those of the changes, and the regions of providers.
fn redacted_plan() -> Value {
    let change = |address: &str, before: Value, after: Value| {
        json!({ "address": address, "type": "aws_instance", "name": "x",
                "provider_name": "registry.terraform.io/hashicorp/aws",
                "change": { "actions": ["update"], "before": before, "after": after } })
    };
    let instance = |kind: &str| json!({ "instance_type": kind, "ami": "ami-1" });
    json!({
        "format_version": "1.2", "terraform_version": "1.11.4", "output_changes": {}, "resource_drift": [],
        "resource_changes": [
            change("aws_instance.web", Value::Null, instance("t3.micro")),
            change("module.eu[0].aws_instance.db", Value::Null, instance("t3.large")),
            change("aws_instance.old", instance("t3.large"), Value::Null),
            { "address": "terraform_data.x", "type": "terraform_data", "name": "x", "provider_name": "terraform.io/builtin/terraform",
              "change": { "actions": ["create"], "before": null, "after": {} } },
        ],
        "configuration": {
            "provider_config": {
                "aws": { "name": "aws", "expressions": { "region": { "constant_value": "eu-north-1" } } },
                "aws.us": { "name": "aws", "expressions": { "region": { "constant_value": "us-west-2" } } } },
            "root_module": { "resources": [{ "address": "aws_instance.web", "provider_config_key": "aws.us" }],
                "module_calls": { "eu": { "module": { "resources": [
                    { "address": "aws_instance.db", "provider_config_key": "aws" }] } } } } },
    })
}

#[tokio::test]
async fn a_redacted_plan_is_priced_in_its_regions_and_compared_with_what_was_there() {
    let prices = Prices::default();
    let address = prices.start().await;
    let id = JobId::generate();
    let input = Input::Artifact { job_id: id.clone(), name: "plan.json".to_owned() };
    let payload = json!({ "action": "diff", "currency": "EUR" });
    let Some(builder) = job(&payload, &address, KEY) else { return };
    let job = builder.input(input, redacted_plan().to_string()).job(|job| job.plan_job_id = Some(id)).build().unwrap();
    let outcome = run(&job).await.unwrap();
    let summary = &outcome.metadata["cost_summary"];
    // 730 hours and 8 GB, twice now and once before.
    assert_eq!((&summary["currency"], &summary["total_monthly"]), (&json!("EUR"), &json!("14.6124")));
    assert_eq!(summary["diff_monthly"], "7.3062");
    assert_eq!((&summary["resources_with_cost"], &summary["total_resources"]), (&json!(2), &json!(2)));
    let changes = outcome.metadata["resource_changes"].as_array().unwrap().iter();
    let changes: Vec<_> = changes.map(|change| format!("{} {}", change["name"], change["diff_monthly"])).collect();
    let expected = [
        r#""aws_instance.old" "-7.3062""#,
        r#""aws_instance.web" "7.3062""#,
        r#""module.eu[0].aws_instance.db" "7.3062""#,
    ];
    assert_eq!(changes, expected);
    assert_eq!(prices.regions(), ["eu-north-1", "us-west-2"]);
    assert!(!job.log().contains(KEY), "{}", job.log());
    let kept: Value = serde_json::from_slice(&job.artifact("infracost.json").unwrap()).unwrap();
    assert_eq!(kept["totalMonthlyCost"], "14.6124");
}

const STACK: &str = r#"
provider "aws" { region = "eu-west-1" }
resource "aws_instance" "web" {
  instance_type = "t3.micro"
  ami           = "ami-1"
}
resource "aws_s3_bucket" "logs" {}
resource "aws_vpc" "main" { cidr_block = "10.0.0.0/16" }
"#;

#[tokio::test]
async fn a_source_is_priced_with_usage_and_without_obeying_its_env_file() {
    let prices = Prices::default();
    let address = prices.start().await;
    let env = "INFRACOST_PRICING_API_ENDPOINT=http://127.0.0.1:9\nINFRACOST_CURRENCY=GBP\n";
    let usage = json!({ "version": "0.1", "resource_usage": {
        "aws_s3_bucket.logs": { "standard": { "storage_gb": 1000 } } } });
    let payload = json!({ "action": "breakdown", "source": { "files": { "main.tf": STACK, ".env": env } },
                          "usage": { "inline": usage } });
    let Some(builder) = job(&payload, &address, KEY) else { return };
    let job = builder.build().unwrap();
    let outcome = run(&job).await.unwrap();
    let summary = &outcome.metadata["cost_summary"];
    assert_eq!(summary["currency"], "USD");
    assert_eq!((&summary["resources_with_cost"], &summary["resources_free"]), (&json!(2), &json!(1)), "{summary}");
    let names: Vec<_> = outcome.metadata["resources"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["aws_s3_bucket.logs", "aws_instance.web"]);
    assert_eq!(prices.regions(), ["eu-west-1"]);
}

#[tokio::test]
async fn two_sources_are_compared() {
    let address = Prices::default().start().await;
    let payload = json!({ "action": "diff", "source": { "files": { "main.tf": STACK } },
                          "compare_to": { "files": { "main.tf": STACK.replace("\"t3.micro\"", "\"t3.micro\"\n  count = 3") } } });
    let Some(builder) = job(&payload, &address, KEY) else { return };
    let outcome = run(&builder.build().unwrap()).await.unwrap();
    let diff = outcome.metadata["cost_summary"]["diff_monthly"].as_str().unwrap();
    assert_eq!(diff, "-14.76", "two instances with 730 hours and 8 GB less");
}

#[tokio::test]
async fn nothing_priced_is_no_estimate_of_zero() {
    let address = Prices::default().start().await;
    let source = json!({ "files": { "main.tf": STACK } });
    let payload = json!({ "action": "breakdown", "source": source });
    let Some(builder) = job(&payload, &address, "ico-wrong-key") else { return };
    let error = run(&builder.build().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("does not take the runner's key"), "{error}");

    let broken = json!({ "action": "breakdown", "source": { "files": { "main.tf": "resource {" } } });
    let error = run(&job(&broken, &address, KEY).unwrap().build().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("infracost could not price it"), "{error}");

    let nobody =
        run(&job(&payload, "http://127.0.0.1:9", KEY).unwrap().build().unwrap()).await.unwrap_err().to_string();
    assert!(nobody.contains("gave no prices (connect: connection refused)"), "{nobody}");
}
