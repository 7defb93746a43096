//! Environments that use all that a snapshot can say, in the nested form.

use executor_api::ExecutorError;
use executor_provisioner::Snapshot;
use serde_json::{Value, json};

use crate::leaves::with;

/// The three clouds.
pub(crate) const PROVIDERS: [&str; 3] = ["aws", "gcp", "azure"];

/// What any environment of a cloud must say.
pub(crate) fn smallest(provider: &str) -> Value {
    let (region, account) = match provider {
        "aws" => ("eu-central-1", "123456789012"),
        "gcp" => ("europe-west1", "shop-staging-1"),
        _ => ("westeurope", "01234567-89ab-cdef-0123-456789abcdef"),
    };
    json!({
        "project_name": "shop",
        "environment_stage": "staging",
        "region": region,
        "provider": provider,
        "cloud_account_id": account,
    })
}

/// Every field, and nothing as it is by default.
pub(crate) fn full(provider: &str) -> Value {
    let mut payload = smallest(provider);
    let (admin, endpoints) = match provider {
        "aws" => (
            "role/ops",
            [("sqs", "arn:aws:sqs:eu-central-1:123456789012:audit"), ("https", "https://hooks.example.com/a")],
        ),
        "gcp" => ("group:ops@example.com", [("pull", "worker"), ("push", "https://hooks.example.com/a")]),
        _ => ("89abcdef-0123-4567-89ab-cdef01234567", [("pull", "worker"), ("push", "https://hooks.example.com/a")]),
    };
    let subscriptions = endpoints.map(|(protocol, endpoint)| json!({ "protocol": protocol, "endpoint": endpoint }));
    let more = json!({
        "zone_id": "zone-1",
        "terraform_version": "1.10.3",
        "cost_ceiling_monthly": "250.50",
        "git_access_token": "token-of-the-repository",
        "network": { "provision_network": true, "cidr_block": "10.4.0.0/16", "single_nat_gateway": false },
        "cluster": {
            "provision": false,
            "cluster_version": "1.33",
            "instance_types": ["large.one", "large.two"],
            "node_min_size": 3,
            "node_max_size": 9,
            "node_desired_size": 4,
            "cluster_admins": [{ "username": admin, "path": "/ops/", "groups": ["platform"] }],
            "provider_config": {
                "enable_karpenter": true, "enable_autopilot": true, "enable_cluster_autoscaler": true
            },
            "kubeconfig": "apiVersion: v1",
        },
        "dns": {
            "enabled": true,
            "zone_id": "Z0123456789ABC",
            "domain_name": "shop.example.com",
            "provider_config": {
                "acm_certificate": true, "managed_certificate": true, "cloudfront_waf": true,
                "application_waf": true, "cloud_armor": true, "azure_waf": true,
            },
        },
        "repositories": { "apps_destination_repo": "https://git.example.com/shop/apps.git" },
        "databases": [
            {
                "name": "orders", "engine": "mysql", "engine_version": "8.0.40", "min_capacity": 1.0,
                "max_capacity": 8.0, "port": 3307, "backup_retention_days": 14, "iam_auth": true,
            },
            {
                "name": "users", "engine": "postgres", "engine_version": "16.4", "min_capacity": 2.0,
                "max_capacity": 3.5, "port": 5433, "backup_retention_days": 3, "iam_auth": true,
            },
        ],
        "caches": [
            {
                "name": "sessions", "engine": "valkey", "node_type": "cache.m7g.large", "num_cache_nodes": 3,
                "multi_az": true, "allowed_cidr_blocks": ["10.9.0.0/24"],
            },
            {
                "name": "pages", "engine": "valkey", "node_type": "cache.m7g.small", "num_cache_nodes": 2,
                "multi_az": true, "allowed_cidr_blocks": ["10.8.0.0/24"],
            },
        ],
        "queues": [{
            "name": "jobs", "ordered": true, "visibility_timeout": 60, "message_retention": 86400,
            "provider_config": { "delay_seconds": 5 },
        }],
        "topics": [{ "name": "events", "subscriptions": subscriptions }],
        "nosql_tables": [
            {
                "name": "carts", "partition_key": "cart", "partition_key_type": "N", "sort_key": "at",
                "sort_key_type": "B", "capacity_mode": "provisioned", "point_in_time_recovery": true,
            },
            {
                "name": "prices", "partition_key": "sku", "partition_key_type": "B", "sort_key": "since",
                "sort_key_type": "N", "table_type": "global", "capacity_mode": "provisioned",
                "point_in_time_recovery": true,
            },
        ],
        "secrets": [
            { "name": "api-key", "generate": true, "length": 48, "special_chars": false },
            { "name": "licence", "generate": false },
        ],
        "container_registries": [{
            "name": "web", "provider_config": { "vulnerability_scanning": false, "immutable_tags": true },
        }],
        "storage_buckets": [{
            "name": "media", "versioning": true, "encryption_enabled": true, "public_access": true,
            "cors_origins": ["https://shop.example.com"],
            "provider_config": { "encryption_algorithm": "aws:kms", "kms_key": "alias/media" },
        }],
        "argocd": {
            "enabled": false, "keep_password": false,
            "chart": { "repository": "https://charts.example.com", "version": "7.1.4" },
        },
        "applications": {
            "enabled": false, "deadline": "20m",
            "repositories": { "https://argoproj.github.io/argo-helm": "https://charts.example.com" },
        },
    });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

/// The payload with a network that is there already.
pub(crate) fn in_existing_network(provider: &str) -> Value {
    let id = match provider {
        "aws" => "vpc-0123456789abcdef0",
        "gcp" => "projects/shop/global/networks/shared",
        _ => "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/shared",
    };
    with(&smallest(provider), "/network", json!({ "provision_network": false, "network_id": id }))
}

/// The snapshot of a payload that is right.
pub(crate) fn read(payload: &Value) -> Snapshot {
    Snapshot::read(payload, None).unwrap_or_else(|error| panic!("{error}: {payload:#}"))
}

/// Where a payload is refused, and why.
pub(crate) fn refusal(payload: &Value) -> (String, String) {
    match Snapshot::read(payload, None) {
        Err(ExecutorError::InvalidInput { pointer, message }) => (pointer.unwrap_or_default(), message),
        other => panic!("not refused: {other:?}: {payload:#}"),
    }
}
