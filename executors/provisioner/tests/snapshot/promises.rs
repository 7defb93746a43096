//! A plan is bound to what is provisioned, and to nothing else.

use executor_provisioner::differences;
use executor_provisioner::tfvars::tfvars;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::environments::{PROVIDERS, full, read, smallest};
use crate::leaves::{leaves, with};
use crate::strategies::{flat, payload};

/// What of the full environment terraform is not told, on any cloud.
const NOT_PROVISIONED: [&str; 12] = [
    "/terraform_version",
    "/cost_ceiling_monthly",
    "/git_access_token",
    "/cluster/kubeconfig",
    "/repositories/apps_destination_repo",
    "/argocd/enabled",
    "/argocd/keep_password",
    "/argocd/chart/repository",
    "/argocd/chart/version",
    "/applications/enabled",
    "/applications/deadline",
    "/applications/repositories/https:~1~1argoproj.github.io~1argo-helm",
];

/// Another value that is right at a place of the full environment; none where there is no other.
fn another(at: &str, provider: &str, value: &Value) -> Option<Value> {
    let name = at.rsplit('/').next().unwrap();
    let text = match (name, provider) {
        ("zone_id", _) if at == "/zone_id" => "zone-2",
        ("zone_id", _) => "Z9876543210",
        ("project_name", _) => "market",
        ("environment_stage", _) => "production",
        ("region", "aws") => "eu-north-1",
        ("region", "gcp") => "europe-north1",
        ("region", _) => "northeurope",
        ("provider", _) => return None,
        ("cloud_account_id", "aws") => "210987654321",
        ("cloud_account_id", "gcp") => "market-staging-1",
        ("cloud_account_id", _) => "fedcba98-89ab-cdef-0123-456789abcdef",
        ("terraform_version", _) => "1.11.0",
        ("cost_ceiling_monthly", _) => "9.99",
        ("cidr_block", _) => "10.5.0.0/16",
        ("cluster_version", _) => "1.34",
        ("username", "aws") => "somebody",
        ("username", "gcp") => "user:somebody@example.com",
        ("username", _) => "00000000-0123-4567-89ab-cdef01234567",
        ("path", _) => "/others/",
        ("domain_name", _) => "market.example.com",
        ("apps_destination_repo", _) => "https://git.example.com/market/apps.git",
        ("engine", _) if at.starts_with("/databases") => "aurora-postgresql",
        ("engine", _) => "redis",
        ("protocol", "aws") => return None,
        ("endpoint", "aws") if value.as_str().is_some_and(|text| text.starts_with("arn:")) => {
            "arn:aws:sqs:eu-central-1:123456789012:others"
        }
        ("endpoint", "aws") => "https://hooks.example.com/b",
        ("partition_key_type" | "sort_key_type", _) => "S",
        ("table_type", _) => "standard",
        ("capacity_mode", _) => "on_demand",
        ("kms_key", _) => "alias/others",
        ("encryption_algorithm", _) => return None,
        // Its kubeconfig stays.
        ("provision", _) => return None,
        ("deadline", _) => "30m",
        ("version", _) => "7.1.5",
        ("repository", _) => "https://mirror.example.com",
        _ if at.starts_with("/applications/repositories/") => "https://mirror.example.com",
        _ if at.contains("/allowed_cidr_blocks/") => "10.7.0.0/24",
        _ if at.contains("/cors_origins/") => "*",
        _ => return other_of_its_type(value),
    };
    Some(json!(text))
}

fn other_of_its_type(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(is) => Some(json!(!is)),
        Value::Number(number) if number.is_f64() => Some(json!(number.as_f64()? + 0.5)),
        Value::Number(number) => Some(json!(number.as_i64()? + 1)),
        Value::String(text) => Some(json!(format!("{text}2"))),
        _ => None,
    }
}

/// A change that is a change on this cloud.
fn says_something(at: &str, provider: &str, before: &Value, after: &Value) -> bool {
    let is_told = tfvars(&read(before)) != tfvars(&read(after));
    is_told || at == "/zone_id" || (at == "/cloud_account_id" && provider != "aws")
}

#[test]
fn the_hash_changes_exactly_with_what_terraform_is_told() {
    for provider in PROVIDERS {
        let before = full(provider);
        let planned = read(&before);
        let mut told = 0;
        for (at, value) in leaves(&before) {
            let Some(other) = another(&at, provider, value) else { continue };
            let after = with(&before, &at, other);
            let wanted = read(&after);
            let changed = wanted.configuration_hash() != planned.configuration_hash();
            assert_eq!(changed, says_something(&at, provider, &before, &after), "{provider} {at}");
            assert!(!changed || !NOT_PROVISIONED.contains(&at.as_str()), "{at}");
            if changed {
                told += 1;
                assert_eq!(differences(&planned, &wanted), std::slice::from_ref(&at), "{provider}");
            }
        }
        // Were the templates told nothing, nothing would differ either.
        assert!(told > 50, "{provider}: {told}");
    }
}

#[test]
fn what_every_cloud_must_be_told_is_told() {
    let everywhere = [
        "/project_name",
        "/environment_stage",
        "/region",
        "/cloud_account_id",
        "/network/cidr_block",
        "/network/single_nat_gateway",
        "/cluster/cluster_version",
        "/cluster/instance_types/0",
        "/cluster/node_min_size",
        "/cluster/node_max_size",
        "/cluster/node_desired_size",
        "/cluster/cluster_admins/0/username",
        "/dns/domain_name",
        "/dns/zone_id",
        "/databases/0/name",
        "/databases/0/engine",
        "/databases/0/engine_version",
        "/databases/0/min_capacity",
        "/databases/0/max_capacity",
        "/databases/0/port",
        "/databases/0/backup_retention_days",
        "/databases/0/iam_auth",
        "/databases/1/name",
        "/databases/1/min_capacity",
        "/caches/0/name",
        "/caches/0/engine",
        "/caches/0/node_type",
        "/caches/1/name",
        "/caches/1/num_cache_nodes",
        "/queues/0/ordered",
        "/queues/0/visibility_timeout",
        "/queues/0/message_retention",
        "/topics/0/name",
        "/nosql_tables/0/name",
        "/secrets/0/length",
        "/secrets/0/special_chars",
        "/secrets/1/generate",
        "/container_registries/0/name",
        "/storage_buckets/0/name",
        "/storage_buckets/0/versioning",
        "/storage_buckets/0/public_access",
        "/storage_buckets/0/cors_origins/0",
    ];
    for provider in PROVIDERS {
        let before = full(provider);
        for at in everywhere {
            let after = with(&before, at, another(at, provider, before.pointer(at).unwrap()).unwrap());
            assert_ne!(tfvars(&read(&after)), tfvars(&read(&before)), "{provider} {at}");
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_fields_means_nothing(payload in payload()) {
        fn turned(value: &Value) -> Value {
            match value {
                Value::Object(fields) => fields.iter().rev().map(|(name, value)| (name.clone(), turned(value))).collect(),
                Value::Array(items) => items.iter().map(turned).collect(),
                other => other.clone(),
            }
        }
        let (one, other) = (read(&payload), read(&turned(&payload)));
        prop_assert_eq!(one.configuration_hash(), other.configuration_hash());
        prop_assert_eq!(differences(&one, &other), [] as [&str; 0]);
    }

    #[test]
    fn whoever_has_another_hash_is_told_why(one in payload(), other in payload()) {
        let (planned, wanted) = (read(&one), read(&other));
        if planned.configuration_hash() == wanted.configuration_hash() {
            prop_assert_eq!(tfvars(&planned), tfvars(&wanted));
        } else {
            prop_assert!(!differences(&planned, &wanted).is_empty());
        }
    }
}

#[test]
fn whether_a_cluster_is_made_is_provisioned() {
    for provider in PROVIDERS {
        let none = with(&smallest(provider), "/cluster", json!({ "provision": false }));
        let (planned, wanted) = (read(&smallest(provider)), read(&none));
        assert_ne!(planned.configuration_hash(), wanted.configuration_hash());
        assert_eq!(differences(&planned, &wanted), ["/cluster/provision"]);
    }
}

#[test]
fn what_a_row_says_of_itself_means_nothing() {
    let payload = full("aws");
    let mut later = payload.clone();
    for (name, value) in [
        ("id", "7"),
        ("user_id", "u-2"),
        ("org_id", "o-2"),
        ("status", "QUEUED"),
        ("estimated_monthly_cost", "10"),
        ("created_at", "2026-01-01T00:00:00Z"),
        ("updated_at", "2026-11-24T00:00:00Z"),
    ] {
        later[name] = json!(value);
    }
    // As the plane shows what is secret.
    later["git_access_token"] = json!("(hidden)");
    later["cluster"]["kubeconfig"] = json!("(hidden)");
    assert_eq!(read(&later).configuration_hash(), read(&payload).configuration_hash());
    assert_eq!(read(&flat(&later)).configuration_hash(), read(&payload).configuration_hash());
}

#[test]
fn a_difference_is_named_by_its_place() {
    let planned = read(&full("aws"));
    let mut wanted = full("aws");
    wanted["network"]["cidr_block"] = json!("10.5.0.0/16");
    wanted["cluster"]["provider_config"]["enable_karpenter"] = json!(false);
    wanted["dns"]["provider_config"]["application_waf"] = json!(false);
    wanted["databases"][1]["max_capacity"] = json!(16);
    wanted["queues"][0]["provider_config"]["delay_seconds"] = json!(6);
    wanted["secrets"] = json!([]);
    let expected = [
        "/network/cidr_block",
        "/cluster/provider_config/enable_karpenter",
        "/dns/provider_config/application_waf",
        "/databases/1/max_capacity",
        "/queues/0/provider_config/delay_seconds",
        "/secrets",
    ];
    assert_eq!(differences(&planned, &read(&wanted)), expected);
}

#[test]
fn another_environment_has_another_hash() {
    let hash = |payload: &Value| read(payload).configuration_hash();
    let one = smallest("aws");
    for (at, other) in [("/zone_id", "z"), ("/project_name", "p"), ("/environment_stage", "production")] {
        assert_ne!(hash(&with(&one, at, json!(other))), hash(&one));
    }
    assert_eq!(hash(&with(&one, "/zone_id", json!("default"))), hash(&one));
    assert_eq!(hash(&one).len(), 64);
}
