//! Where a state is kept: as the contract says, and no two environments share a place.

use std::collections::HashMap;

use executor_provisioner::Snapshot;
use serde_json::{Value, json};

use crate::environments::{read, refusal, smallest};
use crate::leaves::with;

const STAGES: [&str; 3] = ["development", "staging", "production"];
const ZONES: [&str; 4] = ["default", "a", "a_a-staging-eu-west-1", "A"];
const REGIONS: [(&str, &str); 12] = [
    ("aws", "eu-west-1"),
    ("aws", "eu-west-11"),
    ("aws", "a-eu-west-1"),
    ("aws", "production-eu-west-1"),
    ("aws", "a-staging-eu-west-1"),
    ("aws", "eu-production-1"),
    ("gcp", "eu-west1"),
    ("gcp", "production-west1"),
    ("gcp", "a-west1"),
    ("azure", "westeurope"),
    ("azure", "staging"),
    ("azure", "eastus2"),
];

/// Names that are made of the very words that a key is taken apart by.
fn projects() -> Vec<String> {
    let words = ["a", "eu", "staging", "production"].map(str::to_owned);
    let longer = |names: &[String]| -> Vec<String> {
        names.iter().flat_map(|name| words.iter().map(move |word| format!("{name}-{word}"))).collect()
    };
    let two = longer(&words);
    let three = longer(&two);
    words.into_iter().chain(two).chain(three).filter(|name| name.len() <= 25).collect()
}

fn payload(project: &str, stage: &str, (provider, region): (&str, &str), zone: &str) -> Value {
    let mut payload = smallest(provider);
    payload["project_name"] = json!(project);
    payload["environment_stage"] = json!(stage);
    payload["region"] = json!(region);
    payload["zone_id"] = json!(zone);
    payload
}

#[test]
fn no_two_environments_share_a_place() {
    let (mut keys, mut names, mut spellings) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut would_have_shared = 0;
    for project in projects() {
        for (stage, region, zone) in STAGES.iter().flat_map(|stage| {
            REGIONS.iter().flat_map(move |region| ZONES.iter().map(move |zone| (*stage, *region, *zone)))
        }) {
            let environment = (project.clone(), stage, region, zone);
            let spelled = format!("{zone}/{project}-{stage}-{}", region.1);
            would_have_shared += usize::from(spellings.insert(spelled, environment.clone()).is_some());
            let Ok(snapshot) = Snapshot::read(&payload(&project, stage, region, zone), None) else { continue };
            let name = snapshot.plane_state_name();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            assert!((1..=128).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.'));
            assert_eq!(keys.insert(snapshot.state_key(), environment.clone()), None);
            assert_eq!(names.insert(name, environment), None);
        }
    }
    // Else this would have looked where there is nothing to find.
    assert!(would_have_shared > 100 && keys.len() > 1000, "{would_have_shared} of {}", keys.len());
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
