//! A plan is a promise: every plan that is not the reviewed one, for this environment, is refused before anything
//! changes.

use executor_api::JobStatus;
use serde_json::{Value, json};

use crate::harness::{Place, SECRET, payload, seen};

#[tokio::test]
async fn a_plan_that_is_not_the_reviewed_one_for_this_environment_is_refused() {
    let place = Place::new();
    let same = payload(&json!({}));
    let reviewed = place.plan(&same).await;
    let other = place.plan(&payload(&json!({ "network": { "cidr_block": "10.9.0.0/16" } }))).await;
    let mut flipped = reviewed.artifact("terraform.plan.out");
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let metadata = |name: &'static str, value: Value| {
        reviewed.record_with(move |record| record.execution_metadata.as_mut().unwrap()[name] = value)
    };
    let deploy = |payload: &Value| reviewed.deploy(&place, payload);
    let with = |(input, bytes)| deploy(&same).input(input, bytes);
    let elsewhere = |more: Value| deploy(&payload(&more));
    for (what, job, expected) in [
        (
            "swapped",
            with((reviewed.input("terraform.plan.out"), other.artifact("terraform.plan.out"))),
            "is not the one that was reviewed",
        ),
        ("flipped bit", with((reviewed.input("terraform.plan.out"), flipped)), "is not the one that was reviewed"),
        ("empty", with((reviewed.input("terraform.plan.out"), vec![])), "is not the one that was reviewed"),
        ("workspace", with((reviewed.input("workspace.tar.gz"), b"x".to_vec())), "the workspace of job"),
        (
            "failed",
            with(reviewed.record_with(|record| record.status = JobStatus::Failed)),
            "is FAILED; only the plan of a job that succeeded",
        ),
        (
            "another kind",
            with(reviewed.record_with(|record| record.job_type = "BOOTSTRAP".to_owned())),
            "is no PLAN job",
        ),
        ("expired", with(metadata("planned_at", json!("2020-01-01T00:00:00Z"))), "has expired"),
        ("no time", with(metadata("planned_at", Value::Null)), "does not say when"),
        ("no tool", with(metadata("tool", Value::Null)), "does not say which program"),
        ("another state", with(metadata("backend", json!({ "type": "plane", "name": "x" }))), "elsewhere"),
        (
            "another configuration",
            elsewhere(json!({ "network": { "cidr_block": "10.2.0.0/16", "single_nat_gateway": false } })),
            "configuration has changed since the plan: /network/cidr_block, /network/single_nat_gateway; plan again",
        ),
        (
            "another cloud",
            with(reviewed.record_with(|record| record.config_snapshot["provider"] = json!("gcp"))),
            "is none for this job",
        ),
        ("another project", elsewhere(json!({ "project_name": "shop2" })), "planned another environment"),
        ("another stage", elsewhere(json!({ "environment_stage": "production" })), "planned another environment"),
        ("another zone", elsewhere(json!({ "zone_id": "team-b" })), "planned another environment"),
    ] {
        let job = job.build().unwrap();
        let error = place.refused(&job).await;
        assert!(error.starts_with("/plan_job_id: ") && error.contains(expected), "{what}: {error}");
        assert_eq!(job.commits(), 0, "{what}");
        assert!(!seen(&job, None).contains(SECRET), "{what}");
    }
    assert!(!place.state().exists(), "nothing was applied");
    place.done(&deploy(&same).build().unwrap()).await;

    let replayed = deploy(&same).build().unwrap();
    let error = place.refused(&replayed).await;
    assert_eq!(error, "/plan_job_id: the state has changed since the plan was made; plan again");
    assert_eq!(replayed.commits(), 0);
}

#[tokio::test]
async fn what_is_not_provisioned_may_change_between_plan_and_deploy() {
    let place = Place::new();
    let reviewed = place.plan(&payload(&json!({}))).await;
    let more = json!({ "status": "QUEUED", "updated_at": "2026-01-01", "git_access_token": "token-of-now" });
    place.done(&reviewed.deploy(&place, &payload(&more)).build().unwrap()).await;
}

#[tokio::test]
async fn secrets_that_the_control_plane_hides_are_no_change() {
    let place = Place::new();
    let with = |kubeconfig: &str| {
        let cluster = json!({ "provision": false, "kubeconfig": kubeconfig });
        payload(&json!({ "cluster": cluster, "git_access_token": kubeconfig }))
    };
    let reviewed = place.plan(&with("as it was")).await;
    let (record, bytes) = reviewed.record_with(|record| record.config_snapshot = with("(hidden)"));
    let job = reviewed.deploy(&place, &with("as it is now")).input(record, bytes).build().unwrap();
    place.done(&job).await;
}

#[tokio::test]
async fn how_long_a_plan_may_be_applied_is_the_operators_to_say() {
    let place = Place::new();
    let reviewed = place.plan(&payload(&json!({}))).await;
    let old = |record: &mut executor_api::Job| {
        record.execution_metadata.as_mut().unwrap()["planned_at"] = json!("2020-01-01T00:00:00Z");
    };
    let (record, bytes) = reviewed.record_with(old);
    let job = reviewed.deploy(&place, &payload(&json!({}))).input(record, bytes);
    let job = job.settings(|settings| settings.plan_ttl_s = Some(u64::from(u32::MAX))).build().unwrap();
    place.done(&job).await;
}

#[tokio::test]
async fn only_a_deploy_takes_a_plan() {
    let place = Place::new();
    for kind in ["PLAN", "DESTROY", "BOOTSTRAP"] {
        let builder = place.builder(kind, &payload(&json!({}))).job(|job| job.plan_job_id = Some("p".parse().unwrap()));
        let error = place.refused(&builder.build().unwrap()).await;
        assert_eq!(error, format!("/plan_job_id: a {kind} takes no plan; leave this out"));
    }
}
