//! From a snapshot to what terraform would make of it, against mocks of the providers.

use std::fs;

use executor_provisioner::Snapshot;
use executor_provisioner::tfvars::tfvars;
use serde_json::{Value, json};

use crate::terraform::{Stack, stand_ins};

const FILE: &str = "snapshot.tftest.hcl";

/// What nobody but the cloud knows, made up; and that everything of a snapshot is there, the second of a kind too.
const GCP: &str = r#"
mock_provider "random" {}
mock_provider "google" {
  mock_data "google_compute_zones" {
    defaults = { names = ["europe-west1-b", "europe-west1-c"] }
  }
}
run "snapshot" {
  assert {
    condition     = length(output.databases) == 2 && length(output.caches) == 2 && length(output.pubsub_topics) == 2
    error_message = "every database, cache, queue and topic is there"
  }
  assert {
    condition     = length(output.firestore_databases) == 1 && length(output.artifact_registry_urls) == 1 && length(output.cloud_storage_bucket_names) == 1
    error_message = "every table, registry and bucket is there"
  }
}
"#;

const AZURE: &str = r#"
mock_provider "random" {}
mock_provider "azurerm" {}
run "snapshot" {
  assert {
    condition     = length(output.databases) == 2 && length(output.caches) == 2 && length(azurerm_servicebus_queue.this) == 1 && length(azurerm_servicebus_topic.this) == 1
    error_message = "every database, cache, queue and topic is there"
  }
  assert {
    condition     = length(azurerm_cosmosdb_sql_container.this) == 1 && length(output.acr_login_servers) == 1 && length(output.storage_containers) == 1
    error_message = "every table, registry and container is there"
  }
}
"#;

#[test]
fn what_a_snapshot_asks_of_google_cloud_is_made() {
    makes("gcp", "europe-west1", "shop-staging-1", GCP);
}

#[test]
fn what_a_snapshot_asks_of_azure_is_made() {
    makes("azure", "westeurope", "01234567-89ab-cdef-0123-456789abcdef", AZURE);
}

fn makes(provider: &str, region: &str, account: &str, test: &str) {
    let Some(mirror) = stand_ins() else { return };
    let Some(stack) = Stack::of(provider, &mirror) else { return };
    let snapshot = Snapshot::read(&payload(provider, region, account), None).unwrap();
    let variables = serde_json::to_vec(&tfvars(&snapshot)).unwrap();
    fs::write(stack.folder.path().join("snapshot.tfvars.json"), variables).unwrap();
    fs::write(stack.folder.path().join(FILE), test).unwrap();
    let filter = format!("-filter={FILE}");
    let said = stack.succeeds(&["test", "-no-color", &filter, "-var-file=snapshot.tfvars.json"]);
    assert!(said.contains("1 passed, 0 failed"), "{said}");
}

/// All blocks, with nothing in them that only one cloud has.
fn payload(provider: &str, region: &str, account: &str) -> Value {
    json!({
        "project_name": "shop",
        "environment_stage": "staging",
        "region": region,
        "provider": provider,
        "cloud_account_id": account,
        "network": { "provision_network": true, "cidr_block": "10.4.0.0/16", "single_nat_gateway": true },
        "cluster": { "node_min_size": 2, "node_max_size": 4, "provider_config": { "enable_cluster_autoscaler": true } },
        "dns": {
            "enabled": true,
            "domain_name": "shop.example.com",
            "provider_config": { "cloud_armor": true, "azure_waf": true },
        },
        "databases": [
            { "name": "orders", "engine": "postgres", "iam_auth": true },
            { "name": "users", "engine": "mysql", "engine_version": "8.0", "port": 3306, "max_capacity": 8.0 },
        ],
        "caches": [
            { "name": "sessions", "engine": "redis", "num_cache_nodes": 2, "multi_az": true },
            { "name": "pages", "engine": "redis" },
        ],
        "queues": [{ "name": "jobs", "ordered": true, "visibility_timeout": 60 }],
        "topics": [{ "name": "events", "subscriptions": [{ "protocol": "pull", "endpoint": "worker" }] }],
        "nosql_tables": [{ "name": "carts", "partition_key": "cart", "point_in_time_recovery": true }],
        "secrets": [{ "name": "api-key", "generate": true }, { "name": "licence", "generate": false }],
        "container_registries": [{ "name": "web", "provider_config": { "vulnerability_scanning": false } }],
        "storage_buckets": [{ "name": "media", "versioning": true }],
    })
}
