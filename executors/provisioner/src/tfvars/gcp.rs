//! The variables of `templates/environment/gcp`.

use serde_json::{Map, Value, json};

use super::shared;
use crate::snapshot::{Queue, Snapshot, StorageBucket, Topic};

const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];
/// How long a topic keeps messages where nothing says so: a day.
const TOPIC_RETENTION: &str = "86400s";

/// For Google Cloud, block by block. A `null` is a variable that is not said.
pub(super) fn blocks(snapshot: &Snapshot) -> Vec<Value> {
    vec![
        place(snapshot),
        network(snapshot),
        cluster(snapshot),
        dns(snapshot),
        databases(snapshot),
        caches(snapshot),
        messages(snapshot),
        tables(snapshot),
        json!({ "custom_secrets": shared::custom_secrets(snapshot) }),
        json!({
            "create_cloud_storage": !snapshot.storage_buckets.is_empty(),
            "cloud_storage_buckets": snapshot.storage_buckets.iter().map(bucket).collect::<Value>(),
        }),
        json!({
            "provision_artifact_registry": !snapshot.container_registries.is_empty(),
            "container_registries": shared::container_registries(snapshot),
        }),
    ]
}

fn place(snapshot: &Snapshot) -> Value {
    json!({
        "project_name": snapshot.project_name,
        "project_id": snapshot.account_id,
        "region": snapshot.region,
        "environment": snapshot.environment_stage,
    })
}

fn network(snapshot: &Snapshot) -> Value {
    json!({
        "provision_network": snapshot.network.provision,
        "network_cidr": snapshot.network.cidr_block,
        "single_cloud_nat": snapshot.network.single_nat_gateway,
        "network_id": snapshot.network.network_id,
    })
}

fn cluster(snapshot: &Snapshot) -> Value {
    let cluster = &snapshot.cluster;
    json!({
        "provision_gke": cluster.provision,
        "gke_cluster_version": cluster.version.as_deref().unwrap_or("1.31"),
        "gke_enable_autopilot": cluster.enable_autopilot,
        "gke_instance_types": shared::unless_empty(&cluster.instance_types),
        "gke_node_min_size": cluster.node_min_size,
        "gke_node_max_size": cluster.node_max_size,
        "gke_node_desired_size": cluster.node_desired_size,
        "cluster_admins": shared::cluster_admins(snapshot),
        "enable_cluster_autoscaler": cluster.enable_cluster_autoscaler,
    })
}

fn dns(snapshot: &Snapshot) -> Value {
    let dns = &snapshot.dns;
    json!({
        "cloud_dns_enabled": dns.enabled,
        "cloud_dns_domain": shared::if_dns(snapshot, dns.domain_name.as_ref()),
        "cloud_dns_zone_name": shared::if_dns(snapshot, dns.zone_id.as_ref()),
        "cloud_dns_managed_certificate": dns.enabled && dns.managed_certificate,
        "cloud_armor_enabled": dns.cloud_armor,
    })
}

fn databases(snapshot: &Snapshot) -> Value {
    let first = snapshot.databases.first();
    json!({
        "create_cloud_sql": first.is_some(),
        "cloud_sql_name": first.map(|database| &database.name),
        "cloud_sql_engine": first.map(|database| if database.is_mysql() { "MYSQL" } else { "POSTGRES" }),
        "cloud_sql_engine_version": first.and_then(|database| database.engine_version.as_ref()),
        "cloud_sql_min_capacity": first.map(|database| database.min_capacity),
        "cloud_sql_max_capacity": first.map(|database| database.max_capacity),
        "cloud_sql_port": first.map(|database| database.port),
        "cloud_sql_backup_retention_days": first.map(|database| database.backup_retention_days),
        "cloud_sql_iam_auth": first.map(|database| database.iam_auth),
        "cloud_sql_authorized_networks": [],
        "additional_databases": shared::additional_databases(snapshot, |database| database.engine_version.as_deref()),
    })
}

fn caches(snapshot: &Snapshot) -> Value {
    let first = snapshot.caches.first();
    json!({
        "create_memorystore": first.is_some(),
        "memorystore_name": first.map(|cache| &cache.name),
        "memorystore_tier": first.map(|cache| if cache.num_cache_nodes > 1 { "STANDARD_HA" } else { "BASIC" }),
        "memorystore_engine": first.map(|cache| cache.engine),
        "memorystore_instance_type": first.and_then(|cache| cache.node_type.as_ref()),
        "memorystore_multi_az": first.map(|cache| cache.multi_az),
        "additional_caches": shared::additional_caches(snapshot, |cache| cache.node_type.as_deref()),
    })
}

/// A queue is a topic with one subscription.
fn messages(snapshot: &Snapshot) -> Value {
    let all = snapshot.queues.iter().map(queue).chain(snapshot.topics.iter().map(topic));
    json!({
        "create_pubsub": !snapshot.queues.is_empty() || !snapshot.topics.is_empty(),
        "pubsub_topics": all.collect::<Map<_, _>>(),
    })
}

fn queue(queue: &Queue) -> (String, Value) {
    let subscription = json!({
        "name": format!("{}-sub", queue.name),
        "ack_deadline_seconds": queue.visibility_timeout,
        "enable_message_ordering": queue.ordered,
    });
    let said = json!({
        "message_retention_duration": format!("{}s", queue.message_retention),
        "subscriptions": [subscription],
    });
    (queue.name.clone(), said)
}

fn topic(topic: &Topic) -> (String, Value) {
    let subscriptions = topic.subscriptions.iter().map(|subscription| {
        // A dot, which no name has: the subscription of a queue is never called the same.
        let name = format!("{}.{}", topic.name, shared::subscription_name(subscription));
        json!({ "name": name, "ack_deadline_seconds": 30 })
    });
    let said = json!({
        "message_retention_duration": TOPIC_RETENTION,
        "subscriptions": subscriptions.collect::<Value>(),
    });
    (topic.name.clone(), said)
}

fn tables(snapshot: &Snapshot) -> Value {
    let databases = snapshot
        .nosql_tables
        .iter()
        .map(|table| json!({ "name": table.name, "point_in_time_recovery": table.point_in_time_recovery }));
    json!({
        "create_firestore": !snapshot.nosql_tables.is_empty(),
        "firestore_databases": databases.collect::<Value>(),
    })
}

fn bucket(bucket: &StorageBucket) -> Value {
    let methods: &[&str] = if bucket.cors_origins.is_empty() { &[] } else { &METHODS };
    json!({
        "name_suffix": bucket.name,
        "versioning": bucket.versioning,
        "uniform_access": !bucket.public_access,
        "cors_origins": bucket.cors_origins,
        "cors_methods": methods,
    })
}
