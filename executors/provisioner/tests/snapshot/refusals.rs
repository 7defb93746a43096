//! What is wrong is refused at its place, in the form in which it was given, with what would be right.

use serde_json::{Value, json};

use crate::environments::{full, refusal, smallest};
use crate::leaves::{with, without};
use crate::strategies::flat;

fn place(payload: &Value) -> String {
    refusal(payload).0
}

#[test]
fn what_is_missing_is_named() {
    for at in ["/project_name", "/environment_stage", "/region"] {
        let (pointer, why) = refusal(&without(&smallest("aws"), at));
        assert!(pointer == at && why.starts_with("is missing; "), "{pointer}: {why}");
    }
    for list in ["databases", "caches", "queues", "topics", "nosql_tables", "secrets", "container_registries"] {
        let payload = with(&smallest("gcp"), &format!("/{list}"), json!([{}]));
        assert_eq!(place(&payload), format!("/{list}/0/name"));
    }
    let table = with(&smallest("aws"), "/nosql_tables", json!([{ "name": "carts" }]));
    assert_eq!(place(&table), "/nosql_tables/0/partition_key");
    assert_eq!(place(&with(&smallest("aws"), "/dns", json!({ "enabled": true }))), "/dns/domain_name");
    assert_eq!(place(&with(&smallest("aws"), "/dns_enabled", json!(true))), "/dns/domain_name");
}

#[test]
fn a_wrong_value_is_refused_in_both_forms() {
    for (nested, flat_at, wrong) in [
        ("/network/cidr_block", "/cidr_block", json!("10.4.0.1/16")),
        ("/network/cidr_block", "/cidr_block", json!("10.0.0.0/8")),
        ("/network/cidr_block", "/cidr_block", json!("fd00::/16")),
        ("/cluster/cluster_version", "/cluster_version", json!("latest")),
        ("/cluster/node_min_size", "/node_min_size", json!(2000)),
        ("/cluster/node_max_size", "/node_max_size", json!(0)),
        ("/cluster/node_min_size", "/node_min_size", json!(5)),
        ("/cluster/cluster_admins/0/path", "/cluster_admins/0/path", json!("ops")),
        ("/dns/domain_name", "/dns_domain_name", json!("localhost")),
        ("/dns/domain_name", "/dns_domain_name", json!("a..example.com")),
        ("/dns/zone_id", "/dns_zone_id", json!("example.com")),
        ("/dns/provider_config/application_waf", "/dns_provider_config/application_waf", json!("yes")),
        ("/repositories/apps_destination_repo", "/apps_destination_repo", json!("http://git.example.com/a")),
        ("/repositories/apps_destination_repo", "/apps_destination_repo", json!("https://169.254.169.254/a")),
        ("/repositories/apps_destination_repo", "/apps_destination_repo", json!("https://u:p@git.example.com/a")),
    ] {
        assert_eq!(place(&with(&full("aws"), nested, wrong.clone())), nested, "{wrong}");
        assert_eq!(place(&with(&flat(&full("aws")), flat_at, wrong.clone())), flat_at, "{wrong}");
    }
}

#[test]
fn forms_that_contradict_each_other_are_refused_and_both_are_named() {
    for (nested, flat_at, other) in [
        ("/network/cidr_block", "/cidr_block", json!("10.9.0.0/16")),
        ("/network/single_nat_gateway", "/single_nat_gateway", json!(true)),
        ("/cluster/node_max_size", "/node_max_size", json!(7)),
        ("/cluster/instance_types", "/instance_types", json!(["other.large"])),
        ("/dns/domain_name", "/dns_domain_name", json!("other.example.com")),
        ("/dns/provider_config/azure_waf", "/dns_provider_config/azure_waf", json!(false)),
        ("/cluster/provider_config/enable_karpenter", "/cluster_provider_config/enable_karpenter", json!(false)),
        ("/queues/0/ordered", "/queues/0/fifo", json!(false)),
        ("/queues/0/provider_config/delay_seconds", "/queues/0/delay_seconds", json!(6)),
        ("/nosql_tables/0/partition_key", "/nosql_tables/0/hash_key", json!("other")),
        ("/nosql_tables/0/capacity_mode", "/nosql_tables/0/billing_mode", json!("PAY_PER_REQUEST")),
        ("/provider", "/cloud_provider", json!("gcp")),
    ] {
        let mut payload = full("aws");
        if let Some((block, _)) = flat_at[1..].split_once('/').filter(|(block, _)| payload.get(*block).is_none()) {
            payload[block] = json!({});
        }
        let (pointer, why) = refusal(&with(&payload, flat_at, other));
        assert!(pointer == nested && why.contains(flat_at), "{pointer}: {why}");
    }
    for (flag, list) in [("/has_database", "/databases"), ("/has_cache", "/caches")] {
        let (pointer, why) = refusal(&with(&full("aws"), flag, json!(false)));
        assert!(pointer == flag && why.contains(list), "{pointer}: {why}");
        let (pointer, _) = refusal(&with(&with(&full("aws"), list, json!([])), flag, json!(true)));
        assert_eq!(pointer, flag);
    }
}

#[test]
fn a_cluster_is_made_or_brought_and_never_both() {
    let cluster = |cluster: Value| with(&smallest("aws"), "/cluster", cluster);
    assert_eq!(place(&cluster(json!({ "kubeconfig": "text", "provision": true }))), "/cluster/provision");
    let is_made = |payload: &Value| crate::environments::read(payload).cluster.provision;
    assert!(!is_made(&cluster(json!({ "kubeconfig": "text" }))));
    assert!(is_made(&cluster(json!({ "kubeconfig": "" }))) && is_made(&smallest("aws")));
}

#[test]
fn a_region_is_one_of_its_cloud() {
    for (provider, wrong) in [
        ("aws", "europe-west1"),
        ("aws", "westeurope"),
        ("aws", "eu-central"),
        ("aws", "EU-CENTRAL-1"),
        ("aws", "eu-central-1a"),
        ("gcp", "eu-central-1"),
        ("gcp", "europe-west1-b"),
        ("gcp", "westeurope"),
        ("azure", "West Europe"),
        ("azure", "eu-central-1"),
    ] {
        assert_eq!(place(&with(&smallest(provider), "/region", json!(wrong))), "/region", "{provider} {wrong}");
    }
}

#[test]
fn a_name_is_given_once_and_fits_its_cloud() {
    for (provider, list, names, at) in [
        ("aws", "databases", ["orders", "orders"], "/databases/1/name"),
        ("aws", "databases", ["orders", "or--ders"], "/databases/1/name"),
        ("aws", "databases", ["0orders", "b"], "/databases/0/name"),
        ("azure", "databases", ["a", "azure_sys"], "/databases/1/name"),
        ("aws", "databases", ["postgres", "b"], "/databases/0/name"),
        ("aws", "caches", ["a_b", "a-b"], "/caches/1/name"),
        ("aws", "queues", ["jobs", "Jobs"], "/queues/1/name"),
        ("aws", "topics", ["a/b", "b"], "/topics/0/name"),
        ("aws", "secrets", ["a", "../b"], "/secrets/1/name"),
        ("azure", "secrets", ["a", "b_c"], "/secrets/1/name"),
        ("gcp", "container_registries", ["a", "B"], "/container_registries/1/name"),
        ("gcp", "queues", ["jobs", "a"], "/queues/1/name"),
        ("gcp", "queues", ["jobs", "1jobs"], "/queues/1/name"),
        ("azure", "storage_buckets", ["media", "media"], "/storage_buckets/1/name"),
    ] {
        let items: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        assert_eq!(place(&with(&smallest(provider), &format!("/{list}"), json!(items))), at, "{names:?}");
    }
}

#[test]
fn a_queue_and_a_topic_share_their_names_where_they_are_one_thing() {
    for (provider, is_refused) in [("aws", false), ("gcp", true), ("azure", true)] {
        let mut payload = smallest(provider);
        payload["queues"] = json!([{ "name": "mails" }]);
        payload["topics"] = json!([{ "name": "mails" }]);
        let read = executor_provisioner::Snapshot::read(&payload, None);
        assert_eq!(read.is_err(), is_refused, "{provider}");
    }
}

#[test]
fn an_ordered_queue_says_so() {
    let queue = |queue: Value| with(&smallest("aws"), "/queues", json!([queue]));
    assert_eq!(place(&queue(json!({ "name": "jobs.fifo" }))), "/queues/0/ordered");
    assert_eq!(place(&queue(json!({ "name": "jobs.fifo", "ordered": false }))), "/queues/0/ordered");
    let ordered = crate::environments::read(&queue(json!({ "name": "jobs.fifo", "fifo": true })));
    assert_eq!((ordered.queues[0].name.as_str(), ordered.queues[0].ordered), ("jobs", true));
    let two = json!([{ "name": "jobs.fifo", "fifo": true }, { "name": "jobs" }]);
    assert_eq!(place(&with(&smallest("aws"), "/queues", two)), "/queues/1/name");
}

#[test]
fn times_and_sizes_are_those_of_the_cloud() {
    for (provider, at, list, item) in [
        ("aws", "/queues/0/visibility_timeout", "queues", json!({ "visibility_timeout": 43_201 })),
        ("azure", "/queues/0/visibility_timeout", "queues", json!({ "visibility_timeout": 301 })),
        ("gcp", "/queues/0/message_retention", "queues", json!({ "message_retention": 60 })),
        ("aws", "/queues/0/delay_seconds", "queues", json!({ "delay_seconds": 901 })),
        ("aws", "/databases/0/port", "databases", json!({ "port": 70_000 })),
        ("aws", "/databases/0/port", "databases", json!({ "port": 0 })),
        ("aws", "/databases/0/min_capacity", "databases", json!({ "min_capacity": 8, "max_capacity": 4 })),
        ("aws", "/databases/0/max_capacity", "databases", json!({ "max_capacity": 0.7 })),
        ("aws", "/databases/0/backup_retention_days", "databases", json!({ "backup_retention_days": 36 })),
        ("aws", "/caches/0/num_cache_nodes", "caches", json!({ "num_cache_nodes": 1, "multi_az": true })),
        ("aws", "/caches/0/allowed_cidr_blocks/0", "caches", json!({ "allowed_cidr_blocks": ["10.0.0.1/8"] })),
        ("aws", "/secrets/0/length", "secrets", json!({ "length": 7 })),
        ("aws", "/storage_buckets/0/cors_origins/0", "storage_buckets", json!({ "cors_origins": ["shop"] })),
    ] {
        let mut item = item;
        item["name"] = json!("one-two");
        let (pointer, why) = refusal(&with(&smallest(provider), &format!("/{list}"), json!([item])));
        assert_eq!(pointer, at, "{why}");
    }
    let bucket =
        json!([{ "name": "a", "provider_config": { "encryption_algorithm": "AES256", "kms_key": "alias/a" } }]);
    let at = "/storage_buckets/0/provider_config/encryption_algorithm";
    assert_eq!(place(&with(&smallest("aws"), "/storage_buckets", bucket)), at);
    let many: Vec<_> = (0..101).map(|at| json!({ "name": format!("queue{at}") })).collect();
    assert_eq!(place(&with(&smallest("aws"), "/queues", json!(many))), "/queues");
}

#[test]
fn a_subscription_leads_somewhere_once() {
    let topic = |provider, subscriptions: Value| {
        with(&smallest(provider), "/topics", json!([{ "name": "events", "subscriptions": subscriptions }]))
    };
    let one = |protocol: &str, endpoint: &str| json!([{ "protocol": protocol, "endpoint": endpoint }]);
    for (protocol, endpoint, at) in [
        ("http", "http://x", "/topics/0/subscriptions/0/protocol"),
        ("sqs", "no-such-queue", "/topics/0/subscriptions/0/endpoint"),
        ("https", "http://x.example.com", "/topics/0/subscriptions/0/endpoint"),
    ] {
        assert_eq!(place(&topic("aws", one(protocol, endpoint))), at);
    }
    // A queue of the same snapshot goes by its name, and that is without `.fifo`.
    let mut payload = topic("aws", one("sqs", "jobs.fifo"));
    payload["queues"] = json!([{ "name": "jobs.fifo", "ordered": true }]);
    assert_eq!(crate::environments::read(&payload).topics[0].subscriptions[0].endpoint, "jobs");
    for provider in ["aws", "gcp", "azure"] {
        let same = json!({ "protocol": "https", "endpoint": "https://x.example.com" });
        assert_eq!(place(&topic(provider, json!([same, same]))), "/topics/0/subscriptions/1");
    }
}

#[test]
fn what_is_installed_later_is_looked_at_now() {
    let argocd = |argocd: Value| with(&smallest("aws"), "/argocd", argocd);
    let chart = json!({ "repository": "http://charts.example.com" });
    assert_eq!(place(&argocd(json!({ "chart": chart }))), "/argocd/chart/repository");
    let both = json!({ "chart": { "version": "7.1.3" }, "manifest": { "url": "https://example.com/install.yaml" } });
    assert_eq!(place(&argocd(both)), "/argocd/manifest");
    let applications = |applications: Value| with(&smallest("aws"), "/applications", applications);
    assert_eq!(place(&applications(json!({ "deadline": "soon" }))), "/applications/deadline");
    assert_eq!(place(&applications(json!({ "repositories": { "a/b": "c" } }))), "/applications/repositories/a~1b");
    for wrong in [json!("-1"), json!("much"), json!(-5), json!("1e400")] {
        assert_eq!(place(&with(&smallest("aws"), "/cost_ceiling_monthly", wrong)), "/cost_ceiling_monthly");
    }
    assert_eq!(place(&with(&smallest("aws"), "/terraform_version", json!("newest"))), "/terraform_version");
}
