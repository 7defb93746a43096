//! Values of the template's variables.

use serde_json::{Value, json};

use crate::moto::REGION;

/// What has no default.
pub(crate) fn nothing() -> Value {
    json!({ "project_name": "shop", "region": REGION, "environment": "staging" })
}

/// Every option of every block.
pub(crate) fn everything(account: &str, zone: &str) -> Value {
    with(&nothing(), [network(account), cluster(), names(zone), data(), messages(), storage()])
}

/// The later ones win.
pub(crate) fn with(wishes: &Value, more: impl IntoIterator<Item = Value>) -> Value {
    let mut all = wishes.clone();
    for values in more {
        all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    }
    all
}

fn network(account: &str) -> Value {
    json!({
        "aws_account_id": account, "provision_vpc": true, "vpc_cidr": "10.0.0.0/16", "vpc_single_nat_gateway": true,
        "vpc_flow_logs_enabled": true,
    })
}

fn cluster() -> Value {
    json!({
        "provision_eks": true, "eks_cluster_version": "1.32", "enable_karpenter": true, "enable_fluentbit": true,
        "enable_cluster_autoscaler": true, "eks_instance_types": ["m7g.large"],
        "eks_cluster_admins": [
            { "username": "ada", "path": "/", "groups": ["ops", "system:masters"] },
            { "username": "role/Admin", "path": "/team/" },
        ],
    })
}

fn names(zone: &str) -> Value {
    json!({
        "dns_hosted_zone": zone, "dns_main_domain": "shop.example.com", "acm_certificate_enable": true,
        "cloudfront_waf_enabled": true, "application_waf_enabled": true, "waf_webacl_cloudwatch_enabled": true,
        "waf_sampled_requests_enabled": true, "waf_logging_enabled": true, "waf_log_retention_days": 90,
    })
}

/// Two databases and two caches.
fn data() -> Value {
    json!({
        "create_rds": true, "rds_backup_retention_period": 7, "rds_iam_auth_enabled": true,
        "rds_config": { "engine": "aurora-postgresql", "engine_version": "16.6", "db_port": 5432, "db_name": "orders" },
        "rds_scaling_config": { "min_capacity": 0.5, "max_capacity": 4 }, "rds_service_accounts": ["shop:api"],
        "additional_databases": [{ "name": "legacy", "engine": "aurora-mysql", "port": 3306, "iam_auth": false,
                                   "min_capacity": 1, "max_capacity": 2, "backup_retention_days": 3 }],
        "create_elasticache_redis": true, "redis_name": "sessions", "redis_engine": "redis", "redis_cluster_size": 1,
        "redis_instance_type": "cache.t3.medium", "redis_allowed_cidr_blocks": ["10.9.0.0/16"],
        "redis_cloudwatch_logs_enabled": true,
        "additional_caches": [{ "name": "pages", "engine": "valkey", "node_type": "cache.t4g.small",
                                "num_cache_nodes": 1, "multi_az": false, "allowed_cidr_blocks": [] }],
    })
}

/// The second database and the second cache only, as they are written when the first are gone.
pub(crate) fn without_the_first(wishes: &Value) -> Value {
    let data = json!({
        "rds_backup_retention_period": 3, "rds_iam_auth_enabled": false,
        "rds_config": { "engine": "aurora-mysql", "db_port": 3306, "db_name": "legacy" },
        "rds_scaling_config": { "min_capacity": 1, "max_capacity": 2 }, "additional_databases": [],
        "redis_name": "pages", "redis_engine": "valkey", "redis_instance_type": "cache.t4g.small",
        "redis_allowed_cidr_blocks": [], "additional_caches": [],
    });
    with(wishes, [data])
}

fn messages() -> Value {
    json!({
        "provision_sqs": true,
        "sqs_queues": {
            "orders": { "fifo_queue": true, "dlq_enable": true, "visibility_timeout_seconds": 60 },
            "mail": { "fifo_queue": false, "dlq_enable": false, "delay_seconds": 5, "message_retention_seconds": 86400 },
        },
        "sns_topics": {
            "events": { "subscriptions": [{ "protocol": "sqs", "endpoint": "mail" },
                                          { "protocol": "https", "endpoint": "https://hooks.example.com/x" }] },
            "quiet": { "subscriptions": [] },
        },
    })
}

fn storage() -> Value {
    json!({
        "ddb_create": true, "ddb_global_create": true,
        "ddb_table_configuration": [{ "table_name_suffix": "carts", "hash_key": "id", "hash_key_type": "S", "range_key": "at",
            "range_key_type": "N", "billing_mode": "PAY_PER_REQUEST", "enable_point_in_time_recovery": true }],
        "ddb_global_table_configuration": [{ "table_name_suffix": "users", "hash_key": "id", "billing_mode": "PROVISIONED" }],
        "custom_secrets": [{ "secret_name": "token", "length": 40, "special": true }, { "secret_name": "stripe", "manual": true }],
        "s3_create": true,
        "bucket_configuration": [
            { "bucket_name_suffix": "assets", "versioning_enabled": true, "sse_algorithm": "AES256",
              "block_public_acls": false, "block_public_policy": false, "ignore_public_acls": false,
              "restrict_public_buckets": false,
              "cors_configuration": [{ "allowed_origins": ["https://shop.example.com"] }] },
            { "bucket_name_suffix": "private", "sse_algorithm": "aws:kms" },
        ],
        "provision_ecr": true,
        "container_registries": [{ "name": "api", "immutable_tags": false }, { "name": "worker" }],
    })
}
