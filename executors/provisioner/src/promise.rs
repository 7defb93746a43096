//! A plan is a promise: what of a snapshot it is bound to, and in what two snapshots differ.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::snapshot::Snapshot;
use crate::tfvars::tfvars;

/// What a snapshot says that terraform is not told.
const NOT_PROVISIONED: [&str; 3] = ["terraform_version", "cost_ceiling_monthly", "apps_destination_repo"];

/// Block, field, and how a payload spells that field in the nested form.
const SPELLED: [(&str, &str, &str); 17] = [
    ("", "account_id", "cloud_account_id"),
    ("cluster", "enable_karpenter", "provider_config/enable_karpenter"),
    ("cluster", "enable_autopilot", "provider_config/enable_autopilot"),
    ("cluster", "enable_cluster_autoscaler", "provider_config/enable_cluster_autoscaler"),
    ("dns", "acm_certificate", "provider_config/acm_certificate"),
    ("dns", "managed_certificate", "provider_config/managed_certificate"),
    ("dns", "cloudfront_waf", "provider_config/cloudfront_waf"),
    ("dns", "application_waf", "provider_config/application_waf"),
    ("dns", "cloud_armor", "provider_config/cloud_armor"),
    ("dns", "azure_waf", "provider_config/azure_waf"),
    ("queues", "delay_seconds", "provider_config/delay_seconds"),
    ("nosql_tables", "global", "table_type"),
    ("nosql_tables", "provisioned", "capacity_mode"),
    ("container_registries", "vulnerability_scanning", "provider_config/vulnerability_scanning"),
    ("container_registries", "immutable_tags", "provider_config/immutable_tags"),
    ("storage_buckets", "encryption_algorithm", "provider_config/encryption_algorithm"),
    ("storage_buckets", "kms_key", "provider_config/kms_key"),
];

impl Snapshot {
    /// Digest of what is provisioned and where, and of nothing else: what terraform is told, and which state it changes.
    #[must_use]
    pub fn configuration_hash(&self) -> String {
        let mut promised = json!({
            "provider": self.provider,
            "state": self.state_key(),
            "account": self.account_id,
            "variables": tfvars(self),
        });
        promised.sort_all_objects();
        hex::encode(Sha256::digest(promised.to_string()))
    }
}

/// The fields of what is provisioned in which two snapshots differ, as JSON pointers into the nested form.
#[must_use]
pub fn differences(planned: &Snapshot, wanted: &Snapshot) -> Vec<String> {
    let mut places = Vec::new();
    compare("", &provisioned(planned), &provisioned(wanted), &mut places);
    places
}

fn provisioned(snapshot: &Snapshot) -> Value {
    let mut fields = json!(snapshot);
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, _| !NOT_PROVISIONED.contains(&name.as_str()));
    }
    fields
}

/// Both have the same fields: they are of one type. A list that got longer or shorter differs as a whole.
fn compare(at: &str, one: &Value, other: &Value, places: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, value) in fields {
                compare(&format!("{at}/{name}"), value, others.get(name).unwrap_or(&Value::Null), places);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                compare(&format!("{at}/{index}"), item, other, places);
            }
        }
        _ if one == other => {}
        _ => places.push(spelled(at)),
    }
}

fn spelled(at: &str) -> String {
    let (object, field) = at.rsplit_once('/').unwrap_or(("", at));
    let block = object.split('/').nth(1).unwrap_or_default();
    let found = SPELLED.iter().find(|(of, kept, _)| *of == block && *kept == field);
    found.map_or_else(|| at.to_owned(), |(_, _, given)| format!("{object}/{given}"))
}
