//! The variables of `templates/environment/aws`.

use serde_json::{Map, Value, json};

use super::shared;
use crate::snapshot::{
    Cache, Database, DatabaseEngine, EncryptionAlgorithm, NosqlTable, Queue, Secret, Snapshot, StorageBucket,
};

const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];

/// For AWS, block by block. A `null` is a variable that is not said.
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
        json!({ "custom_secrets": snapshot.secrets.iter().map(secret).collect::<Value>() }),
        json!({
            "s3_create": !snapshot.storage_buckets.is_empty(),
            "bucket_configuration": snapshot.storage_buckets.iter().map(bucket).collect::<Value>(),
        }),
        json!({
            "provision_ecr": !snapshot.container_registries.is_empty(),
            "container_registries": shared::container_registries(snapshot),
        }),
    ]
}

fn place(snapshot: &Snapshot) -> Value {
    json!({
        "project_name": snapshot.project_name,
        "region": snapshot.region,
        "environment": snapshot.environment_stage,
        "aws_account_id": snapshot.account_id,
    })
}

fn network(snapshot: &Snapshot) -> Value {
    json!({
        "provision_vpc": snapshot.network.provision,
        "vpc_cidr": snapshot.network.cidr_block,
        "vpc_single_nat_gateway": snapshot.network.single_nat_gateway,
        "vpc_id": snapshot.network.network_id,
    })
}

fn cluster(snapshot: &Snapshot) -> Value {
    let cluster = &snapshot.cluster;
    json!({
        "provision_eks": cluster.provision,
        "eks_cluster_version": cluster.version.as_deref().unwrap_or("1.32"),
        "eks_instance_types": shared::unless_empty(&cluster.instance_types),
        "eks_ng_min_size": cluster.node_min_size,
        "eks_ng_max_size": cluster.node_max_size,
        "eks_ng_desired_size": cluster.node_desired_size,
        "eks_cluster_admins": shared::cluster_admins(snapshot),
        "enable_karpenter": cluster.enable_karpenter,
        "enable_cluster_autoscaler": cluster.enable_cluster_autoscaler,
    })
}

fn dns(snapshot: &Snapshot) -> Value {
    let dns = &snapshot.dns;
    json!({
        "dns_hosted_zone": shared::if_dns(snapshot, dns.zone_id.as_ref()),
        "dns_main_domain": shared::if_dns(snapshot, dns.domain_name.as_ref()),
        "acm_certificate_enable": dns.enabled && dns.acm_certificate,
        "cloudfront_waf_enabled": dns.cloudfront_waf,
        "application_waf_enabled": dns.application_waf,
        "waf_webacl_cloudwatch_enabled": false,
        "waf_sampled_requests_enabled": false,
        "waf_logging_enabled": false,
        "waf_log_retention_days": 90,
    })
}

fn databases(snapshot: &Snapshot) -> Value {
    let first = snapshot.databases.first();
    let config = first.map(|database| {
        json!({
            "engine": database.engine.unwrap_or(DatabaseEngine::AuroraPostgresql),
            "engine_version": engine_version(database),
            "db_port": database.port,
            "db_name": database.name,
        })
    });
    json!({
        "create_rds": first.is_some(),
        "rds_config": config,
        "rds_scaling_config": first.map(|database| json!({
            "min_capacity": database.min_capacity,
            "max_capacity": database.max_capacity,
        })),
        "rds_backup_retention_period": first.map(|database| database.backup_retention_days),
        "rds_iam_auth_enabled": first.map(|database| database.iam_auth),
        "additional_databases": shared::additional_databases(snapshot, engine_version),
    })
}

/// The contract's for the contract's engine, the template's for others.
fn engine_version(database: &Database) -> Option<&str> {
    let is_default = matches!(database.engine, None | Some(DatabaseEngine::AuroraPostgresql));
    database.engine_version.as_deref().or(is_default.then_some("16.6"))
}

fn caches(snapshot: &Snapshot) -> Value {
    let first = snapshot.caches.first();
    json!({
        "create_elasticache_redis": first.is_some(),
        "redis_name": first.map(|cache| &cache.name),
        "redis_engine": first.map(|cache| cache.engine),
        "redis_instance_type": first.map_or(Some("cache.t3.micro"), node_type),
        "redis_cluster_size": first.map_or(1, |cache| cache.num_cache_nodes),
        "redis_multi_az_enabled": first.map(|cache| cache.multi_az),
        "redis_cluster_mode_enabled": false,
        "redis_engine_version": "7.1",
        "redis_family": "redis7",
        "redis_allowed_cidr_blocks": first.map_or(&[][..], |cache| &cache.allowed_cidr_blocks),
        "redis_allowed_security_group_ids": [],
        "redis_cloudwatch_logs_enabled": false,
        "additional_caches": shared::additional_caches(snapshot, node_type),
    })
}

/// The contract's default, for every cache: one that becomes the first stays as large.
fn node_type(cache: &Cache) -> Option<&str> {
    cache.node_type.as_deref().or(Some("cache.t3.medium"))
}

fn messages(snapshot: &Snapshot) -> Value {
    let queue = |queue: &Queue| {
        let said = json!({
            "fifo_queue": queue.ordered,
            "dlq_enable": false,
            "visibility_timeout_seconds": queue.visibility_timeout,
            "message_retention_seconds": queue.message_retention,
            "delay_seconds": queue.delay_seconds,
        });
        (queue.name.clone(), said)
    };
    let topics =
        snapshot.topics.iter().map(|topic| (topic.name.clone(), json!({ "subscriptions": topic.subscriptions })));
    json!({
        "provision_sqs": !snapshot.queues.is_empty() || !snapshot.topics.is_empty(),
        "sqs_queues": snapshot.queues.iter().map(queue).collect::<Map<_, _>>(),
        "sns_topics": topics.collect::<Map<_, _>>(),
    })
}

fn tables(snapshot: &Snapshot) -> Value {
    let (global, standard): (Vec<_>, Vec<_>) = snapshot.nosql_tables.iter().partition(|table| table.global);
    json!({
        "ddb_create": !standard.is_empty(),
        "ddb_global_create": !global.is_empty(),
        "ddb_table_configuration": standard.into_iter().map(table).collect::<Value>(),
        "ddb_global_table_configuration": global.into_iter().map(table).collect::<Value>(),
    })
}

fn table(table: &NosqlTable) -> Value {
    json!({
        "table_name_suffix": table.name,
        "hash_key": table.partition_key,
        "hash_key_type": table.partition_key_type,
        "range_key": table.sort_key,
        "range_key_type": table.sort_key_type,
        "billing_mode": if table.provisioned { "PROVISIONED" } else { "PAY_PER_REQUEST" },
        "enable_point_in_time_recovery": table.point_in_time_recovery,
    })
}

fn secret(secret: &Secret) -> Value {
    if secret.generate {
        json!({ "secret_name": secret.name, "length": secret.length, "special": secret.special_chars })
    } else {
        json!({ "secret_name": secret.name, "manual": true })
    }
}

fn bucket(bucket: &StorageBucket) -> Value {
    let is_closed = !bucket.public_access;
    let cors = (!bucket.cors_origins.is_empty()).then(|| {
        json!({
            "allowed_origins": bucket.cors_origins,
            "allowed_methods": METHODS,
            "allowed_headers": ["*"],
            "expose_headers": ["ETag"],
            "max_age_seconds": 3000,
        })
    });
    json!({
        "bucket_name_suffix": bucket.name,
        "acl_type": "private",
        "create_s3_user": false,
        "store_access_key_in_ssm": false,
        "versioning_enabled": bucket.versioning,
        "sse_algorithm": bucket.encryption_algorithm.unwrap_or(EncryptionAlgorithm::Aes256),
        "kms_key": bucket.kms_key,
        "block_public_acls": is_closed,
        "block_public_policy": is_closed,
        "ignore_public_acls": is_closed,
        "restrict_public_buckets": is_closed,
        "cors_configuration": cors.into_iter().collect::<Value>(),
    })
}
