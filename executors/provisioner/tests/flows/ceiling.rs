//! Costs, with a script that plays infracost, and the ceiling of an environment.

use executor_api::testing::TestJobBuilder;
use serde_json::{Value, json};

use crate::harness::{Place, payload, script, seen};

const KEY: &str = "ico-key-canary";

/// Prices everything at this amount.
fn priced(place: &Place, builder: TestJobBuilder, monthly: &str) -> TestJobBuilder {
    let document = json!({ "version": "0.2", "currency": "USD", "totalMonthlyCost": monthly, "totalHourlyCost": "0.43",
        "diffTotalMonthlyCost": "12.50", "projects": [{ "name": "p", "metadata": { "type": "terraform_plan_json" },
            "breakdown": { "resources": [{ "name": "aws_instance.a", "resourceType": "aws_instance",
                                           "monthlyCost": monthly, "hourlyCost": "0.43" }] } }] });
    plays(place, builder, &format!("cat > \"$out\" <<'END'\n{document}\nEND"))
}

fn plays(place: &Place, builder: TestJobBuilder, does: &str) -> TestJobBuilder {
    let file = place.path("infracost");
    let find = "while [ $# -gt 0 ]; do [ \"$1\" = --out-file ] && out=$2; shift; done";
    script(&file, &format!("{find}\n{does}"));
    builder.settings(|settings| {
        settings.infracost_api_key = Some(KEY.to_owned());
        settings.tools.insert("infracost".to_owned(), file);
    })
}

#[tokio::test]
async fn a_plan_says_what_it_costs_and_what_the_difference_is() {
    let place = Place::new();
    let job = priced(&place, place.builder("PLAN", &payload(&json!({}))), "312.40").build().unwrap();
    let metadata = place.done(&job).await.metadata;
    let expected = json!({ "currency": "USD", "total_monthly": "312.40", "total_hourly": "0.43", "diff_monthly": "12.50",
                           "resources_with_cost": 1, "resources_free": 0, "total_resources": 1 });
    assert_eq!(metadata["cost_summary"], expected);
    assert_eq!(metadata["cost_breakdown"]["resources"][0]["name"], "aws_instance.a");
    assert!(job.log().contains("costs 312.40 USD a month"), "{}", job.log());
    assert!(job.artifact("infracost.json").is_some());
    assert!(!seen(&job, None).contains(KEY));
}

#[tokio::test]
async fn an_estimate_that_fails_is_a_warning() {
    let place = Place::new();
    let job = plays(&place, place.builder("PLAN", &payload(&json!({}))), "echo 'Error: no luck' >&2; exit 1");
    let job = job.build().unwrap();
    let metadata = place.done(&job).await.metadata;
    assert!(metadata["cost_warning"].as_str().unwrap().contains("no luck"), "{metadata:?}");
    assert_eq!(metadata.get("cost_summary"), None);
}

#[tokio::test]
async fn what_is_dearer_than_the_ceiling_is_not_made() {
    let place = Place::new();
    let limited = |ceiling: Value| payload(&json!({ "cost_ceiling_monthly": ceiling }));
    let too_dear = "/cost_ceiling_monthly: the environment would cost 312.40 USD a month, and the ceiling is 250.00";
    for kind in ["DEPLOY", "BOOTSTRAP"] {
        let job = priced(&place, place.builder(kind, &limited(json!("250.00"))), "312.40").build().unwrap();
        let error = place.refused(&job).await;
        assert!(error.starts_with(too_dear) && job.commits() == 0, "{error}");
    }
    // The plan brings what it cost.
    let job = priced(&place, place.builder("PLAN", &payload(&json!({}))), "312.40").build().unwrap();
    let outcome = place.done(&job).await;
    let reviewed = crate::harness::Reviewed::of(job, outcome);
    let error = place.refused(&reviewed.deploy(&place, &limited(json!("250.00"))).build().unwrap()).await;
    assert!(error.starts_with(too_dear), "{error}");
    assert!(!place.state().exists());
    place.done(&reviewed.deploy(&place, &limited(json!(312.4))).build().unwrap()).await;
}

#[tokio::test]
async fn a_ceiling_with_an_unknown_cost_is_a_refusal() {
    let place = Place::new();
    let limited = payload(&json!({ "cost_ceiling_monthly": "250" }));
    let error = place.refused(&place.job("DEPLOY", &limited)).await;
    assert!(error.contains("nobody knows the cost") && error.contains("INFRACOST_API_KEY"), "{error}");
    let reviewed = place.plan(&payload(&json!({}))).await;
    let error = place.refused(&reviewed.deploy(&place, &limited).build().unwrap()).await;
    assert!(error.contains("nobody knows the cost"), "{error}");
    // Where the plan was not priced, it is now.
    let deploy = priced(&place, reviewed.deploy(&place, &limited), "200").build().unwrap();
    place.done(&deploy).await;
}
