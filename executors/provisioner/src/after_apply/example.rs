//! A snapshot for tests.

use serde_json::{Value, json};

use crate::snapshot::Snapshot;

/// Of the environment `shop` at a provider, with these fields.
pub(crate) fn snapshot(fields: Value) -> Snapshot {
    let (region, account) = match fields["provider"].as_str().unwrap() {
        "gcp" => ("europe-west1", "my-project"),
        "azure" => ("westeurope", "11111111-2222-3333-4444-555555555555"),
        _ => ("eu-west-1", "123456789012"),
    };
    let mut payload = json!({ "zone_id": "zone-1", "project_name": "shop", "environment_stage": "development",
                              "region": region, "cloud_account_id": account });
    let (Value::Object(all), Value::Object(more)) = (&mut payload, fields) else { panic!("fields are an object") };
    all.extend(more);
    Snapshot::read(&payload, None).unwrap()
}
