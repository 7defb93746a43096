//! The example that the documentation shows.

use executor_provisioner::snapshot::SnapshotParams;
use serde_json::Value;

use crate::environments::read;

#[test]
fn the_example_is_an_environment() {
    let payload: Value = serde_json::from_str(include_str!("../../../../examples/payloads/PLAN.json")).unwrap();
    let schema = schemars::schema_for!(SnapshotParams).to_value();
    jsonschema::validate(&schema, &payload).unwrap();
    let snapshot = read(&payload);
    assert_eq!(snapshot.state_key(), "default/shop-staging-eu-central-1/terraform.tfstate");
}
