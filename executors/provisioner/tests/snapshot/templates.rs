//! The variables of the templates and what they are told, held against each other both ways: a name that only one side
//! knows is ignored by terraform without a word, and so is a field of an object that its type does not have.

use std::collections::BTreeMap;
use std::path::Path;

use executor_provisioner::tfvars::tfvars;
use hcl::expr::{FuncCall, ObjectKey};
use hcl::{Body, Expression};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::environments::{PROVIDERS, full, in_existing_network, read, smallest};
use crate::strategies::payload;

struct Variable {
    of_type: Expression,
    has_default: bool,
}

fn variables(provider: &str) -> BTreeMap<String, Variable> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/environment").join(provider);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|end| end != "tf") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let body: Body = hcl::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for block in body.blocks().filter(|block| block.identifier() == "variable") {
            let attribute = |key: &str| block.body().attributes().find(|attribute| attribute.key() == key);
            let name = block.labels()[0].as_str().to_owned();
            assert!(attribute("description").is_some(), "{provider}: {name} has no description");
            let of_type = attribute("type").unwrap_or_else(|| panic!("{provider}: {name} has no type")).expr().clone();
            found.insert(name, Variable { of_type, has_default: attribute("default").is_some() });
        }
    }
    found
}

/// What of a value a type would refuse or, worse, ignore.
fn misfit(at: &str, of_type: &Expression, value: &Value) -> Vec<String> {
    if let Expression::FuncCall(call) = of_type {
        return misfit_of(at, call, value);
    }
    let name = of_type.to_string();
    let fits = match name.as_str() {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "any" => true,
        _ => false,
    };
    if fits { Vec::new() } else { vec![format!("{at} is no {name}: {value}")] }
}

fn misfit_of(at: &str, call: &FuncCall, value: &Value) -> Vec<String> {
    let inner = &call.args[0];
    match (call.name.name.as_str(), value) {
        ("optional", Value::Null) => Vec::new(),
        ("optional", value) => misfit(at, inner, value),
        ("list" | "set", Value::Array(items)) => {
            items.iter().enumerate().flat_map(|(index, item)| misfit(&format!("{at}[{index}]"), inner, item)).collect()
        }
        ("map", Value::Object(fields)) => {
            fields.iter().flat_map(|(name, value)| misfit(&format!("{at}.{name}"), inner, value)).collect()
        }
        ("object", Value::Object(fields)) => misfit_of_object(at, inner, fields),
        (name, value) => vec![format!("{at} is no {name}: {value}")],
    }
}

fn misfit_of_object(at: &str, of_type: &Expression, fields: &serde_json::Map<String, Value>) -> Vec<String> {
    let Expression::Object(known) = of_type else { return vec![format!("{at}: an object of what?")] };
    let name = |key: &ObjectKey| key.to_string();
    let mut wrong: Vec<_> = fields
        .keys()
        .filter(|field| !known.keys().any(|key| name(key) == **field))
        .map(|field| format!("{at}.{field} is not in the type"))
        .collect();
    for (key, of_type) in known {
        let key = name(key);
        let is_optional = matches!(of_type, Expression::FuncCall(call) if call.name.name.as_str() == "optional");
        match fields.get(&key) {
            Some(value) => wrong.extend(misfit(&format!("{at}.{key}"), of_type, value)),
            None if is_optional => {}
            None => wrong.push(format!("{at}.{key} is missing")),
        }
    }
    wrong
}

fn wrong(variables: &BTreeMap<String, Variable>, payload: &Value) -> Vec<String> {
    let told = tfvars(&read(payload));
    let unknown =
        told.keys().filter(|name| !variables.contains_key(*name)).map(|name| format!("{name} is not declared"));
    let untold = variables.iter().filter(|(name, variable)| !variable.has_default && !told.contains_key(*name));
    let untold = untold.map(|(name, _)| format!("{name} is neither told nor has a default"));
    let misfits = told.iter().filter_map(|(name, value)| Some((name, &variables.get(name)?.of_type, value)));
    let misfits = misfits.flat_map(|(name, of_type, value)| misfit(name, of_type, value));
    unknown.chain(untold).chain(misfits).collect()
}

fn check(provider: &str) {
    let variables = variables(provider);
    for payload in [smallest(provider), full(provider), in_existing_network(provider)] {
        let wrong = wrong(&variables, &payload);
        assert!(wrong.is_empty(), "{provider}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn the_template_for_aws_knows_what_it_is_told() {
    check("aws");
}

#[test]
fn the_template_for_gcp_knows_what_it_is_told() {
    check("gcp");
}

#[test]
fn the_template_for_azure_knows_what_it_is_told() {
    check("azure");
}

#[test]
fn any_environment_is_told_in_the_types_of_its_template() {
    let variables: BTreeMap<_, _> = PROVIDERS.into_iter().map(|provider| (provider, variables(provider))).collect();
    proptest!(|(payload in payload())| {
        let provider = payload["provider"].as_str().unwrap();
        let wrong = wrong(&variables[provider], &payload);
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// What the contract says is always told.
fn always(provider: &str) -> &'static str {
    match provider {
        "aws" => {
            "project_name region environment aws_account_id provision_vpc vpc_cidr vpc_single_nat_gateway \
             eks_cluster_version enable_karpenter eks_cluster_admins dns_hosted_zone dns_main_domain \
             acm_certificate_enable cloudfront_waf_enabled application_waf_enabled waf_webacl_cloudwatch_enabled \
             waf_sampled_requests_enabled waf_logging_enabled waf_log_retention_days provision_sqs sqs_queues \
             sns_topics create_elasticache_redis redis_cluster_size redis_cluster_mode_enabled redis_instance_type \
             redis_engine_version redis_family redis_allowed_cidr_blocks redis_allowed_security_group_ids \
             redis_cloudwatch_logs_enabled custom_secrets ddb_create ddb_global_create ddb_table_configuration \
             ddb_global_table_configuration s3_create bucket_configuration create_rds"
        }
        "gcp" => {
            "project_name project_id region environment provision_network network_cidr single_cloud_nat provision_gke \
             gke_cluster_version gke_enable_autopilot cloud_dns_enabled cloud_dns_domain cloud_dns_zone_name \
             cloud_dns_managed_certificate cloud_armor_enabled create_pubsub pubsub_topics create_memorystore \
             create_firestore firestore_databases provision_artifact_registry create_cloud_storage \
             cloud_storage_buckets custom_secrets create_cloud_sql cloud_sql_authorized_networks"
        }
        _ => {
            "project_name subscription_id location environment provision_vnet vnet_cidr single_nat_gateway \
             provision_aks aks_cluster_version azure_dns_enabled azure_dns_domain azure_dns_zone_name \
             azure_waf_enabled azure_managed_certificate create_service_bus service_bus_queues service_bus_topics \
             create_azure_cache create_cosmos_db cosmos_db_collections provision_acr create_storage_account \
             storage_containers custom_secrets create_azure_db"
        }
    }
}

/// What the contract says is told of what there is.
fn if_there(provider: &str) -> &'static str {
    match provider {
        "aws" => {
            "rds_scaling_config rds_config rds_backup_retention_period rds_iam_auth_enabled redis_multi_az_enabled \
             eks_instance_types eks_ng_min_size eks_ng_max_size eks_ng_desired_size"
        }
        "gcp" => {
            "cloud_sql_engine cloud_sql_engine_version cloud_sql_port cloud_sql_backup_retention_days \
             cloud_sql_iam_auth memorystore_tier memorystore_engine memorystore_instance_type memorystore_multi_az \
             gke_instance_types gke_node_min_size gke_node_max_size gke_node_desired_size"
        }
        _ => {
            "azure_db_engine azure_db_engine_version azure_db_port azure_db_backup_retention_days azure_db_iam_auth \
             azure_cache_sku azure_cache_multi_az aks_instance_types aks_node_min_size aks_node_max_size \
             aks_node_desired_size"
        }
    }
}

#[test]
fn the_contracts_variables_are_told() {
    for provider in PROVIDERS {
        let (least, most) = (tfvars(&read(&smallest(provider))), tfvars(&read(&full(provider))));
        for name in always(provider).split_whitespace() {
            assert!(least.contains_key(name) && most.contains_key(name), "{provider}: {name}");
        }
        for name in if_there(provider).split_whitespace() {
            assert!(most.contains_key(name), "{provider}: {name}");
        }
    }
    let existing = |provider| tfvars(&read(&in_existing_network(provider)));
    assert_eq!(
        (&existing("aws")["provision_vpc"], &existing("aws")["vpc_id"]),
        (&json!(false), &json!("vpc-0123456789abcdef0"))
    );
    assert!(existing("gcp").contains_key("network_id") && existing("azure").contains_key("vnet_id"));
}

#[test]
fn the_contracts_defaults_are_told() {
    let mut payload = smallest("aws");
    let told = tfvars(&read(&payload));
    for (name, value) in [
        ("vpc_cidr", json!("10.0.0.0/16")),
        ("eks_cluster_version", json!("1.32")),
        ("redis_instance_type", json!("cache.t3.micro")),
        ("redis_engine_version", json!("7.1")),
        ("waf_log_retention_days", json!(90)),
        ("create_rds", json!(false)),
        ("dns_main_domain", json!("")),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    payload["databases"] = json!([{ "name": "orders" }]);
    payload["caches"] = json!([{ "name": "sessions" }]);
    let told = tfvars(&read(&payload));
    let config =
        json!({ "engine": "aurora-postgresql", "engine_version": "16.6", "db_port": 5432, "db_name": "orders" });
    assert_eq!((&told["rds_config"], &told["redis_instance_type"]), (&config, &json!("cache.t3.medium")));
    assert_eq!(tfvars(&read(&smallest("gcp")))["gke_cluster_version"], "1.31");
    assert_eq!(tfvars(&read(&smallest("azure")))["aks_cluster_version"], "1.31");
}

#[test]
fn what_becomes_the_first_is_told_as_it_was() {
    // The template keeps each by its name: the first one may go without moving the next.
    let mut payload = smallest("aws");
    payload["databases"] = json!([{ "name": "one" }, { "name": "two" }]);
    payload["caches"] = json!([{ "name": "one" }, { "name": "two" }]);
    let both = tfvars(&read(&payload));
    payload["databases"].as_array_mut().unwrap().remove(0);
    payload["caches"].as_array_mut().unwrap().remove(0);
    let rest = tfvars(&read(&payload));
    let (database, cache) = (&both["additional_databases"][0], &both["additional_caches"][0]);
    assert_eq!((&rest["rds_config"]["db_name"], &rest["redis_name"]), (&database["name"], &cache["name"]));
    assert_eq!(rest["rds_config"]["engine_version"], database["engine_version"]);
    assert_eq!(
        (&rest["rds_config"]["db_port"], &rest["rds_scaling_config"]["max_capacity"]),
        (&database["port"], &database["max_capacity"])
    );
    assert_eq!(
        (&rest["redis_instance_type"], &rest["redis_cluster_size"]),
        (&cache["node_type"], &cache["num_cache_nodes"])
    );
}

/// What is optional stays out, rather than as a `null` that would take a template's default away.
#[test]
fn no_variable_is_null() {
    for provider in PROVIDERS {
        for payload in [smallest(provider), full(provider)] {
            assert!(tfvars(&read(&payload)).values().all(|value| !value.is_null()));
        }
    }
}

#[test]
fn what_only_one_side_knows_is_found() {
    let complaints = |change: &dyn Fn(&mut BTreeMap<String, Variable>)| {
        let mut known = variables("aws");
        change(&mut known);
        wrong(&known, &full("aws")).join("\n")
    };
    let another = |text: &str| Variable { of_type: text.parse().unwrap(), has_default: false };
    assert_eq!(complaints(&|_| {}), "");
    let gone = complaints(&|known| drop(known.remove("vpc_cidr")));
    assert_eq!(gone, "vpc_cidr is not declared");
    let new = complaints(&|known| drop(known.insert("news".to_owned(), another("string"))));
    assert_eq!(new, "news is neither told nor has a default");
    let other = complaints(&|known| drop(known.insert("redis_cluster_size".to_owned(), another("string"))));
    assert_eq!(other, "redis_cluster_size is no string: 3");
    let narrow = "map(object({ fifo_queue = bool, dead_letter = number }))";
    let fields = complaints(&|known| drop(known.insert("sqs_queues".to_owned(), another(narrow))));
    assert!(fields.contains("sqs_queues.jobs.dlq_enable is not in the type"), "{fields}");
    assert!(fields.contains("sqs_queues.jobs.dead_letter is missing"), "{fields}");
}
