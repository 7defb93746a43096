//! Where a state is kept: as the contract says, and no two environments share a place.

use executor_provisioner::Snapshot;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::environments::{read, refusal, smallest};
use crate::leaves::with;

/// Names that are made of the very words that a key is taken apart by.
fn project() -> impl Strategy<Value = String> {
    let words = ["a", "eu", "west", "staging", "production", "1", "default"];
    vec(select(words.to_vec()), 1..4).prop_map(|words| words.join("-")).prop_filter("too long", |name| name.len() <= 25)
}

fn place() -> impl Strategy<Value = (&'static str, Value)> {
    let stages = ["development", "staging", "production"];
    let aws = ["eu-west-1", "a-eu-1", "staging-eu-1", "eu-production-1", "eu-west-11", "us-gov-west-1"];
    let gcp = ["eu-west1", "production-west1", "europe-west1"];
    let azure = ["westeurope", "staging", "eastus2"];
    let regions = aws.map(|region| ("aws", region)).into_iter();
    let regions = regions.chain(gcp.map(|region| ("gcp", region))).chain(azure.map(|region| ("azure", region)));
    let regions: Vec<_> = regions.collect();
    let zones = ["default", "a", "a_b", "a_a-staging-eu-west-1", "a-b", "A", "0b9b2f8e-6d0c-4c55-9b39-2f4d4a3c1d5e"];
    let parts = (project(), select(stages.to_vec()), select(regions), select(zones.to_vec()));
    parts.prop_map(|(project, stage, (provider, region), zone)| {
        let mut payload = smallest(provider);
        payload["project_name"] = json!(project);
        payload["environment_stage"] = json!(stage);
        payload["region"] = json!(region);
        payload["zone_id"] = json!(zone);
        (provider, payload)
    })
}

fn environment(snapshot: &Snapshot) -> (String, String, &'static str, String) {
    let stage = snapshot.environment_stage.as_str();
    (snapshot.zone_id.clone(), snapshot.project_name.clone(), stage, snapshot.region.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_two_environments_share_a_place(one in place(), other in place()) {
        let snapshots = (Snapshot::read(&one.1, None), Snapshot::read(&other.1, None));
        if let (Ok(a), Ok(b)) = snapshots {
            let same = environment(&a) == environment(&b);
            prop_assert!(!same || one.0 == other.0, "two clouds have one region");
            prop_assert_eq!(a.state_key() == b.state_key(), same);
            prop_assert_eq!(a.plane_state_name() == b.plane_state_name(), same);
            let name = a.plane_state_name();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            prop_assert!((1..=128).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.'));
        }
    }
}

#[test]
fn the_places_are_the_contracts() {
    let snapshot = read(&smallest("aws"));
    assert_eq!(snapshot.state_key(), "default/shop-staging-eu-central-1/terraform.tfstate");
    assert_eq!(snapshot.plane_state_name(), "environment_default_shop-staging-eu-central-1");
}

#[test]
fn the_longest_name_fits_the_control_plane() {
    let mut payload = smallest("azure");
    payload["zone_id"] = json!("z".repeat(48));
    payload["project_name"] = json!("p".repeat(25));
    payload["environment_stage"] = json!("development");
    payload["region"] = json!("r".repeat(28));
    assert!(read(&payload).plane_state_name().len() <= 128);
}

#[test]
fn a_region_that_would_make_two_environments_look_alike_is_refused() {
    // `a` + staging + `production-eu-1`, and `a-staging` + production + `eu-1`.
    let payload = with(&smallest("aws"), "/region", json!("production-eu-1"));
    let (pointer, why) = refusal(&payload);
    assert!(pointer == "/region" && why.contains("production"), "{pointer}: {why}");
}
