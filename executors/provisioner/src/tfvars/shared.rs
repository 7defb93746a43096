//! What the templates of all clouds call by the same name.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::snapshot::{Cache, Database, Snapshot, Subscription};

/// The databases after the first.
pub(super) fn additional_databases(snapshot: &Snapshot, version: fn(&Database) -> Option<&str>) -> Value {
    let rest = snapshot.databases.iter().skip(1);
    let one = |database: &Database| {
        json!({
            "name": database.name,
            "engine": database.engine,
            "engine_version": version(database),
            "min_capacity": database.min_capacity,
            "max_capacity": database.max_capacity,
            "port": database.port,
            "backup_retention_days": database.backup_retention_days,
            "iam_auth": database.iam_auth,
        })
    };
    rest.map(one).collect()
}

/// The caches after the first.
pub(super) fn additional_caches(snapshot: &Snapshot, node_type: fn(&Cache) -> Option<&str>) -> Value {
    let rest = snapshot.caches.iter().skip(1);
    let one = |cache: &Cache| {
        json!({
            "name": cache.name,
            "engine": cache.engine,
            "node_type": node_type(cache),
            "num_cache_nodes": cache.num_cache_nodes,
            "multi_az": cache.multi_az,
            "allowed_cidr_blocks": cache.allowed_cidr_blocks,
        })
    };
    rest.map(one).collect()
}

/// Registries of container images.
pub(super) fn container_registries(snapshot: &Snapshot) -> Value {
    json!(snapshot.container_registries)
}

/// Who may do everything in the cluster.
pub(super) fn cluster_admins(snapshot: &Snapshot) -> Value {
    json!(snapshot.cluster.admins)
}

/// A list, or nothing where the template's default is wanted.
pub(super) fn unless_empty(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// A text of the dns block where that is enabled; else an empty one.
pub(super) fn if_dns(snapshot: &Snapshot, text: Option<&String>) -> Value {
    json!(text.filter(|_| snapshot.dns.enabled).map_or("", String::as_str))
}

/// Secrets, as GCP's and Azure's templates know them.
pub(super) fn custom_secrets(snapshot: &Snapshot) -> Value {
    json!(snapshot.secrets)
}

/// What a subscription is called where it has no address: the endpoint if that is a name, else a digest that stays the
/// same whatever other subscriptions come or go.
pub(super) fn subscription_name(subscription: &Subscription) -> String {
    let endpoint = &subscription.endpoint;
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = endpoint.len() <= 30
        && endpoint.starts_with(|c: char| c.is_ascii_lowercase())
        && !endpoint.ends_with('-')
        && endpoint.chars().all(is_word);
    if is_name {
        return endpoint.clone();
    }
    let digest = hex::encode(Sha256::digest(format!("{} {endpoint}", subscription.protocol)));
    format!("s-{}", &digest[..12])
}
