//! The variables of `templates/environment/gcp`.

use serde_json::{Map, Value, json};

use crate::snapshot::Snapshot;

/// For Google Cloud.
pub(super) fn tfvars(snapshot: &Snapshot) -> Map<String, Value> {
    let mut vars = Map::new();
    vars.insert("project_name".to_owned(), json!(snapshot.project_name));
    vars
}
