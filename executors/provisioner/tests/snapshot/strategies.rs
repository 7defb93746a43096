//! Payloads at random: valid ones in the nested form, and the same in other forms.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::environments;
use crate::leaves::{with, without};

/// Where the flat form has what the nested one has.
const FLAT: [(&str, &str); 18] = [
    ("/provider", "cloud_provider"),
    ("/network/provision_network", "provision_network"),
    ("/network/cidr_block", "cidr_block"),
    ("/network/network_id", "network_id"),
    ("/network/single_nat_gateway", "single_nat_gateway"),
    ("/cluster/cluster_version", "cluster_version"),
    ("/cluster/instance_types", "instance_types"),
    ("/cluster/node_min_size", "node_min_size"),
    ("/cluster/node_max_size", "node_max_size"),
    ("/cluster/node_desired_size", "node_desired_size"),
    ("/cluster/cluster_admins", "cluster_admins"),
    ("/cluster/provider_config", "cluster_provider_config"),
    ("/dns/enabled", "dns_enabled"),
    ("/dns/zone_id", "dns_zone_id"),
    ("/dns/domain_name", "dns_domain_name"),
    ("/dns/provider_config", "dns_provider_config"),
    ("/repositories/apps_destination_repo", "apps_destination_repo"),
    ("/databases", "has_database"),
];

/// Older names, and places, of what items of lists have.
const OLDER: [(&str, &str, &str); 8] = [
    ("queues", "/ordered", "fifo"),
    ("queues", "/provider_config/delay_seconds", "delay_seconds"),
    ("nosql_tables", "/partition_key", "hash_key"),
    ("nosql_tables", "/partition_key_type", "hash_key_type"),
    ("nosql_tables", "/sort_key", "range_key"),
    ("nosql_tables", "/sort_key_type", "range_key_type"),
    ("nosql_tables", "/capacity_mode", "billing_mode"),
    ("topics", "/name", "name"),
];

/// Where a fact is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Nested,
    Flat,
    Both,
}

/// How each fact of a payload is said.
pub(crate) fn spellings() -> impl Strategy<Value = Vec<Said>> {
    vec(select(vec![Said::Nested, Said::Flat, Said::Both]), FLAT.len() + OLDER.len())
}

/// All of a payload in the flat form and the older names.
pub(crate) fn flat(payload: &Value) -> Value {
    spelled(payload, &[Said::Flat; FLAT.len() + OLDER.len()])
}

/// The same payload, spelled as is said.
pub(crate) fn spelled(payload: &Value, said: &[Said]) -> Value {
    let mut spelled = payload.clone();
    let (blocks, items) = said.split_at(FLAT.len());
    for ((nested, flat), said) in FLAT.iter().zip(blocks) {
        // Whether there is a database can only be repeated: which, the flat form does not say.
        let is_list = *nested == "/databases";
        if let Some(value) = payload.pointer(nested).filter(|_| *said != Said::Nested).cloned() {
            let value = if is_list { json!(value.as_array().is_some_and(|list| !list.is_empty())) } else { value };
            let is_said = !is_list || payload["databases"].is_array();
            spelled = if is_said { with(&spelled, &format!("/{flat}"), value) } else { spelled };
            spelled = if *said == Said::Flat && !is_list { without(&spelled, nested) } else { spelled };
        }
    }
    for ((list, new, old), said) in OLDER.iter().zip(items) {
        let count = payload[*list].as_array().map_or(0, Vec::len);
        for at in (0..count).map(|at| format!("/{list}/{at}")).filter(|_| *said != Said::Nested && new[1..] != **old) {
            if let Some(value) = payload.pointer(&format!("{at}{new}")).cloned() {
                spelled = with(&spelled, &format!("{at}/{old}"), value);
                spelled = if *said == Said::Flat { without(&spelled, &format!("{at}{new}")) } else { spelled };
            }
        }
    }
    spelled
}

/// A cloud.
pub(crate) fn provider() -> impl Strategy<Value = &'static str> {
    select(environments::PROVIDERS.to_vec())
}

/// A valid payload in the nested form: of the full one, each field may be another, missing or `null`.
pub(crate) fn payload() -> impl Strategy<Value = Value> {
    provider().prop_flat_map(payload_of)
}

/// The same for one cloud.
pub(crate) fn payload_of(provider: &'static str) -> impl Strategy<Value = Value> {
    let blocks = (network(provider), cluster(provider), dns(), databases(), caches(), queues(), tables(), buckets());
    let rest = environments::full(provider);
    let kept = ["topics", "secrets", "container_registries", "repositories", "terraform_version"];
    let kept = proptest::sample::subsequence(kept.to_vec(), 0..=kept.len());
    (blocks, kept).prop_map(move |(blocks, kept)| {
        let (network, cluster, dns, databases, caches, queues, tables, buckets) = blocks;
        let mut payload = environments::smallest(provider);
        let more = json!({
            "network": network, "cluster": cluster, "dns": dns, "databases": databases, "caches": caches,
            "queues": queues, "nosql_tables": tables, "storage_buckets": buckets,
        });
        let fields = payload.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        fields.extend(kept.into_iter().map(|name| (name.to_owned(), rest[name].clone())));
        payload
    })
}

type Fields = Vec<(&'static str, BoxedStrategy<Value>)>;

/// An object of which each field may be missing or `null`.
fn object(fields: Fields) -> BoxedStrategy<Value> {
    let one = |(name, value): (&'static str, BoxedStrategy<Value>)| {
        let value = prop_oneof![4 => value.prop_map(Some), 1 => Just(None), 1 => Just(Some(Value::Null))];
        value.prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let fields: Vec<_> = fields.into_iter().map(one).collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect::<Map<_, _>>())).boxed()
}

/// Items of a list, each with a name of its own.
fn named(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let items = vec(("[a-z][a-z0-9]{2,6}", item), 0..4).prop_map(|items| {
        let item = |(at, (name, mut item)): (usize, (String, Value))| {
            item["name"] = json!(format!("{name}-{at}"));
            item
        };
        Value::Array(items.into_iter().enumerate().map(item).collect())
    });
    prop_oneof![5 => items, 1 => Just(Value::Null)].boxed()
}

fn boolean() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn one_of<T: Into<Value> + Clone + std::fmt::Debug + 'static>(values: &[T]) -> BoxedStrategy<Value> {
    select(values.to_vec()).prop_map(Into::into).boxed()
}

fn network(provider: &str) -> BoxedStrategy<Value> {
    let id = match provider {
        "aws" => "vpc-0123456789abcdef0",
        "gcp" => "projects/shop/global/networks/shared",
        _ => "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/shared",
    };
    object(vec![
        ("provision_network", boolean()),
        ("cidr_block", one_of(&["10.0.0.0/16", "172.16.0.0/18", "192.168.64.0/18"])),
        ("network_id", one_of(&[id, ""])),
        ("single_nat_gateway", boolean()),
    ])
}

fn cluster(provider: &str) -> BoxedStrategy<Value> {
    let admins = environments::full(provider)["cluster"]["cluster_admins"].clone();
    let switches = vec![
        ("enable_karpenter", boolean()),
        ("enable_autopilot", boolean()),
        ("enable_cluster_autoscaler", boolean()),
    ];
    object(vec![
        ("provision", boolean()),
        ("cluster_version", one_of(&["1.31", "1.32", "1.33"])),
        ("instance_types", vec("[a-z][a-z0-9]{1,3}\\.[a-z]{3,6}", 0..3).prop_map(Value::from).boxed()),
        ("node_min_size", one_of(&[1, 2, 3])),
        ("node_desired_size", one_of(&[3, 4, 5])),
        ("node_max_size", one_of(&[5, 6, 20])),
        ("cluster_admins", one_of(&[admins, json!([])])),
        ("provider_config", object(switches)),
    ])
}

fn dns() -> BoxedStrategy<Value> {
    let names =
        ["acm_certificate", "managed_certificate", "cloudfront_waf", "application_waf", "cloud_armor", "azure_waf"];
    let switches = object(names.into_iter().map(|name| (name, boolean())).collect());
    let rest = object(vec![
        ("enabled", boolean()),
        ("zone_id", one_of(&["Z0123456789", ""])),
        ("domain_name", one_of(&["shop.example.com", "a.b.example.org"])),
        ("provider_config", switches),
    ]);
    rest.prop_map(|mut dns| {
        if dns["domain_name"].is_null() {
            dns["enabled"] = json!(false);
        }
        dns
    })
    .boxed()
}

fn databases() -> BoxedStrategy<Value> {
    named(object(vec![
        ("engine", one_of(&["aurora-postgresql", "aurora-mysql", "postgres", "postgresql", "mysql"])),
        ("engine_version", one_of(&["16.6", "8.0.mysql_aurora.3.08.0", ""])),
        ("min_capacity", one_of(&[0.0, 0.5, 2.0])),
        ("max_capacity", one_of(&[2.0, 4.5, 64.0])),
        ("port", one_of(&[1, 5432, 65_535])),
        ("backup_retention_days", one_of(&[1, 7, 35])),
        ("iam_auth", boolean()),
    ]))
}

fn caches() -> BoxedStrategy<Value> {
    named(object(vec![
        ("engine", one_of(&["redis", "valkey"])),
        ("node_type", one_of(&["cache.t3.micro", "STANDARD_SMALL"])),
        ("num_cache_nodes", one_of(&[2, 3])),
        ("multi_az", boolean()),
        ("allowed_cidr_blocks", one_of(&[json!([]), json!(["10.1.0.0/16", "192.0.2.1/32"])])),
    ]))
}

fn queues() -> BoxedStrategy<Value> {
    named(object(vec![
        ("ordered", boolean()),
        ("visibility_timeout", one_of(&[10, 30, 300])),
        ("message_retention", one_of(&[600, 345_600])),
        ("provider_config", object(vec![("delay_seconds", one_of(&[0, 900]))])),
    ]))
}

fn tables() -> BoxedStrategy<Value> {
    let table = object(vec![
        ("partition_key_type", one_of(&["S", "N", "B"])),
        ("sort_key", one_of(&["at", ""])),
        ("sort_key_type", one_of(&["S", "N", "B"])),
        ("table_type", one_of(&["standard", "global"])),
        ("capacity_mode", one_of(&["on_demand", "provisioned"])),
        ("point_in_time_recovery", boolean()),
    ]);
    let with_key = table.prop_map(|mut table| {
        table["partition_key"] = json!("id");
        table
    });
    named(with_key.boxed())
}

fn buckets() -> BoxedStrategy<Value> {
    named(object(vec![
        ("versioning", boolean()),
        ("encryption_enabled", boolean()),
        ("public_access", boolean()),
        ("cors_origins", one_of(&[json!([]), json!(["*"]), json!(["https://shop.example.com"])])),
        ("provider_config", object(vec![("encryption_algorithm", one_of(&["AES256", "aws:kms"]))])),
    ]))
}
