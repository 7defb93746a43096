//! The variables of `templates/environment/azure`.

use serde_json::{Map, Value, json};

use super::shared;
use crate::snapshot::{NosqlTable, Queue, Snapshot, StorageBucket, Topic};

/// For Azure, block by block. A `null` is a variable that is not said.
pub(super) fn blocks(snapshot: &Snapshot) -> Vec<Value> {
    vec![
        place(snapshot),
        network(snapshot),
        cluster(snapshot),
        dns(snapshot),
        databases(snapshot),
        caches(snapshot),
        messages(snapshot),
        json!({
            "create_cosmos_db": !snapshot.nosql_tables.is_empty(),
            "cosmos_db_collections": snapshot.nosql_tables.iter().map(table).collect::<Value>(),
        }),
        json!({ "custom_secrets": shared::custom_secrets(snapshot) }),
        json!({
            "create_storage_account": !snapshot.storage_buckets.is_empty(),
            "storage_containers": snapshot.storage_buckets.iter().map(container).collect::<Value>(),
        }),
        json!({
            "provision_acr": !snapshot.container_registries.is_empty(),
            "container_registries": shared::container_registries(snapshot),
        }),
    ]
}

fn place(snapshot: &Snapshot) -> Value {
    json!({
        "project_name": snapshot.project_name,
        "subscription_id": snapshot.account_id,
        "location": snapshot.region,
        "environment": snapshot.environment_stage,
    })
}

fn network(snapshot: &Snapshot) -> Value {
    json!({
        "provision_vnet": snapshot.network.provision,
        "vnet_cidr": snapshot.network.cidr_block,
        "single_nat_gateway": snapshot.network.single_nat_gateway,
        "vnet_id": snapshot.network.network_id,
    })
}

fn cluster(snapshot: &Snapshot) -> Value {
    let cluster = &snapshot.cluster;
    json!({
        "provision_aks": cluster.provision,
        "aks_cluster_version": cluster.version.as_deref().unwrap_or("1.31"),
        "aks_instance_types": shared::unless_empty(&cluster.instance_types),
        "aks_node_min_size": cluster.node_min_size,
        "aks_node_max_size": cluster.node_max_size,
        "aks_node_desired_size": cluster.node_desired_size,
        "cluster_admins": shared::cluster_admins(snapshot),
        "enable_cluster_autoscaler": cluster.enable_cluster_autoscaler,
    })
}

fn dns(snapshot: &Snapshot) -> Value {
    let dns = &snapshot.dns;
    json!({
        "azure_dns_enabled": dns.enabled,
        "azure_dns_domain": shared::if_dns(snapshot, dns.domain_name.as_ref()),
        "azure_dns_zone_name": shared::if_dns(snapshot, dns.zone_id.as_ref()),
        "azure_managed_certificate": dns.enabled && dns.managed_certificate,
        "azure_waf_enabled": dns.azure_waf,
    })
}

fn databases(snapshot: &Snapshot) -> Value {
    let first = snapshot.databases.first();
    json!({
        "create_azure_db": first.is_some(),
        "azure_db_name": first.map(|database| &database.name),
        "azure_db_engine": first.map(|database| if database.is_mysql() { "mysql" } else { "postgres" }),
        "azure_db_engine_version": first.and_then(|database| database.engine_version.as_ref()),
        "azure_db_min_capacity": first.map(|database| database.min_capacity),
        "azure_db_max_capacity": first.map(|database| database.max_capacity),
        "azure_db_port": first.map(|database| database.port),
        "azure_db_backup_retention_days": first.map(|database| database.backup_retention_days),
        "azure_db_iam_auth": first.map(|database| database.iam_auth),
        "additional_databases": shared::additional_databases(snapshot, |database| database.engine_version.as_deref()),
    })
}

fn caches(snapshot: &Snapshot) -> Value {
    let first = snapshot.caches.first();
    json!({
        "create_azure_cache": first.is_some(),
        "azure_cache_name": first.map(|cache| &cache.name),
        "azure_cache_engine": first.map(|cache| cache.engine),
        "azure_cache_sku": first.filter(|cache| cache.num_cache_nodes > 1).map(|_| "Standard"),
        "azure_cache_node_type": first.and_then(|cache| cache.node_type.as_ref()),
        "azure_cache_multi_az": first.map(|cache| cache.multi_az),
        "additional_caches": shared::additional_caches(snapshot, |cache| cache.node_type.as_deref()),
    })
}

fn messages(snapshot: &Snapshot) -> Value {
    json!({
        "create_service_bus": !snapshot.queues.is_empty() || !snapshot.topics.is_empty(),
        "service_bus_queues": snapshot.queues.iter().map(queue).collect::<Map<_, _>>(),
        "service_bus_topics": snapshot.topics.iter().map(topic).collect::<Map<_, _>>(),
    })
}

fn queue(queue: &Queue) -> (String, Value) {
    let said = json!({
        "max_delivery_count": 10,
        "lock_duration": format!("PT{}S", queue.visibility_timeout),
        "requires_session": queue.ordered,
        "default_message_ttl": format!("PT{}S", queue.message_retention),
        "delay_seconds": queue.delay_seconds,
        "forward_dead_lettered_messages_to": null,
    });
    (queue.name.clone(), said)
}

fn topic(topic: &Topic) -> (String, Value) {
    let subscriptions = topic
        .subscriptions
        .iter()
        .map(|subscription| json!({ "name": shared::subscription_name(subscription), "max_delivery_count": 10 }));
    (topic.name.clone(), json!({ "subscriptions": subscriptions.collect::<Value>() }))
}

fn table(table: &NosqlTable) -> Value {
    json!({
        "name": table.name,
        "partition_key": format!("/{}", table.partition_key),
        "billing_mode": if table.provisioned { "PROVISIONED" } else { "PAY_PER_REQUEST" },
        "analytical_storage_enabled": null,
    })
}

fn container(bucket: &StorageBucket) -> Value {
    json!({
        "name": bucket.name,
        "versioning": bucket.versioning,
        "cors_origins": bucket.cors_origins,
        "container_access_type": if bucket.public_access { "blob" } else { "private" },
    })
}
