//! The nested form, the flat one and any mixture of them mean the same.

use executor_provisioner::Snapshot;
use executor_provisioner::snapshot::{Provider, SnapshotParams};
use executor_provisioner::tfvars::tfvars;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::environments::{PROVIDERS, full, read, smallest};
use crate::leaves::{fields, with, without};
use crate::strategies::{flat, payload, spelled, spellings};

proptest! {
    #[test]
    fn however_it_is_spelled_it_is_the_same_environment(payload in payload(), said in spellings()) {
        let snapshot = read(&payload);
        for other in [flat(&payload), spelled(&payload, &said)] {
            let other = read(&other);
            prop_assert_eq!(&other, &snapshot);
            prop_assert_eq!(tfvars(&other), tfvars(&snapshot));
            prop_assert_eq!(other.configuration_hash(), snapshot.configuration_hash());
            prop_assert_eq!(other.state_key(), snapshot.state_key());
        }
    }

    #[test]
    fn a_null_says_nothing(payload in payload()) {
        fn pruned(value: &Value) -> Value {
            match value {
                Value::Object(fields) => {
                    let said = fields.iter().filter(|(_, value)| !value.is_null());
                    said.map(|(name, value)| (name.clone(), pruned(value))).collect()
                }
                Value::Array(items) => items.iter().map(pruned).collect(),
                other => other.clone(),
            }
        }
        prop_assert_eq!(read(&pruned(&payload)), read(&payload));
    }
}

#[test]
fn the_full_environments_mean_the_same_in_the_flat_form() {
    for provider in PROVIDERS {
        let (nested, flat) = (full(provider), flat(&full(provider)));
        assert!(flat["network"]["cidr_block"].is_null() && flat["cidr_block"].is_string());
        assert_eq!(read(&flat), read(&nested));
    }
}

#[test]
fn any_field_may_be_null_or_missing_but_the_three_that_must_be_there() {
    let required = ["/project_name", "/environment_stage", "/region", "/cloud_account_id"];
    for provider in PROVIDERS {
        let payload = full(provider);
        for at in fields(&payload) {
            let read = |payload: Value| Snapshot::read(&payload, None).map_err(|error| error.to_string());
            let (null, missing) = (read(with(&payload, &at, Value::Null)), read(without(&payload, &at)));
            // A key of a map is a text of its own; here it names a mirror, which cannot be null.
            if at.starts_with("/applications/repositories/") {
                continue;
            }
            assert_eq!(null, missing, "{at}");
            let may_go = !required.contains(&at.as_str()) && !at.ends_with("/name");
            assert!(!may_go || null.is_ok() || is_needed_by_another(&at), "{at}: {null:?}");
        }
    }
}

/// What something else in the full environment cannot do without.
fn is_needed_by_another(at: &str) -> bool {
    at.ends_with("/username")
        || at.ends_with("/protocol")
        || at.ends_with("/endpoint")
        || at == "/dns/domain_name"
        || at.ends_with("/partition_key")
        || at == "/provider"
}

#[test]
fn unknown_fields_are_ignored_wherever_they_are() {
    for provider in PROVIDERS {
        let payload = full(provider);
        let mut crowded = payload.clone();
        let objects: Vec<_> =
            fields(&payload).into_iter().filter(|at| payload.pointer(at).unwrap().is_object()).collect();
        for at in objects.iter().filter(|at| *at != "/applications/repositories") {
            crowded = with(&crowded, &format!("{at}/what_nobody_knows"), json!({ "a": [1, null] }));
        }
        for row in ["id", "user_id", "org_id", "status", "estimated_monthly_cost", "created_at", "updated_at"] {
            crowded[row] = json!("of a row");
        }
        crowded["queues"][0]["what_nobody_knows"] = json!(1);
        assert_eq!(read(&crowded), read(&payload));
    }
}

#[test]
fn a_row_of_the_command_line_has_one_database_and_one_cache() {
    let mut row = smallest("aws");
    for (name, value) in [("has_database", json!(true)), ("db_min_capacity", json!(1)), ("db_max_capacity", json!(2))] {
        row[name] = value;
    }
    row["has_cache"] = json!(true);
    let snapshot = read(&row);
    assert_eq!((snapshot.databases[0].name.as_str(), snapshot.caches[0].name.as_str()), ("main", "main"));
    let nested = json!([{ "name": "main", "min_capacity": 1, "max_capacity": 2 }]);
    let mut same = with(&smallest("aws"), "/databases", nested);
    same["caches"] = json!([{ "name": "main" }]);
    assert_eq!(read(&same), snapshot);
    assert_eq!(read(&with(&row, "/has_database", json!(false))).databases, []);
}

#[test]
fn what_the_contract_says_by_default() {
    let snapshot = read(&json!({ "project_name": "shop", "environment_stage": "production", "region": "eu-north-1" }));
    assert_eq!((snapshot.provider, snapshot.zone_id.as_str()), (Provider::Aws, "default"));
    assert!(snapshot.network.provision && snapshot.network.single_nat_gateway && snapshot.cluster.provision);
    assert_eq!(snapshot.network.cidr_block, "10.0.0.0/16");
    let cluster = &snapshot.cluster;
    assert_eq!((cluster.node_min_size, cluster.node_desired_size, cluster.node_max_size), (2, 2, 5));
    let mut payload = smallest("aws");
    for list in ["databases", "caches", "queues", "secrets"] {
        payload[list] = json!([{ "name": "one" }]);
    }
    let snapshot = read(&payload);
    let database = &snapshot.databases[0];
    assert_eq!((database.min_capacity, database.max_capacity), (0.5, 4.0));
    assert_eq!((database.port, database.backup_retention_days, database.iam_auth), (5432, 7, false));
    assert_eq!(snapshot.caches[0].num_cache_nodes, 1);
    assert_eq!((snapshot.queues[0].visibility_timeout, snapshot.queues[0].message_retention), (30, 345_600));
    assert_eq!(snapshot.secrets[0].length, 32);
}

#[test]
fn a_default_gives_way_to_what_is_said() {
    let sizes = |sizes: Value| {
        let cluster = read(&with(&smallest("aws"), "/cluster", sizes)).cluster;
        (cluster.node_min_size, cluster.node_desired_size, cluster.node_max_size)
    };
    assert_eq!(sizes(json!({ "node_min_size": 8 })), (8, 8, 8));
    assert_eq!(sizes(json!({ "node_max_size": 1 })), (1, 1, 1));
    assert_eq!(sizes(json!({ "node_desired_size": 9 })), (2, 9, 9));
    assert_eq!(sizes(json!({ "node_desired_size": 1 })), (1, 1, 5));
    let database = json!([{ "name": "a", "min_capacity": 8 }, { "name": "b", "engine": "mysql" }]);
    let databases = read(&with(&smallest("aws"), "/databases", database)).databases;
    assert_eq!((databases[0].max_capacity, databases[1].port), (8.0, 3306));
}

#[test]
fn the_schema_knows_both_forms_and_which_values_are_secrets() {
    let schema = schemars::schema_for!(SnapshotParams).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for provider in PROVIDERS {
        for payload in [full(provider), flat(&full(provider)), smallest(provider)] {
            let errors: Vec<_> = validator.iter_errors(&payload).map(|error| error.to_string()).collect();
            assert_eq!(errors, [] as [&str; 0]);
        }
        for at in fields(&full(provider)).iter().filter(|at| !at.starts_with("/applications/repositories/")) {
            let null = with(&full(provider), at, Value::Null);
            assert!(validator.is_valid(&null), "{at} may be null");
        }
    }
    let mut places = Vec::new();
    for (at, value) in crate::leaves::leaves(&schema) {
        if at.ends_with("/writeOnly") && value == &json!(true) {
            places.push(at);
        }
    }
    assert_eq!(places.len(), 2, "{places:?}");
    assert_eq!(schema.pointer("/properties/git_access_token/writeOnly"), Some(&json!(true)));
    assert_eq!(schema.pointer("/$defs/ClusterParams/properties/kubeconfig/writeOnly"), Some(&json!(true)));
}
