//! The variables of the templates and what they are told, held against each other both ways: a name that only one side
//! knows is ignored by terraform without a word, and so is a field of an object that its type does not have.

use std::collections::BTreeMap;
use std::path::Path;

use executor_provisioner::tfvars::tfvars;
use hcl::expr::{FuncCall, ObjectKey};
use hcl::{Body, Expression};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::environments::{PROVIDERS, full, read, smallest};
use crate::leaves::with;
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

/// The payload with a network that is there already.
fn in_existing_network(provider: &str) -> Value {
    let id = match provider {
        "aws" => "vpc-0123456789abcdef0",
        "gcp" => "projects/shop/global/networks/shared",
        _ => "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/shared",
    };
    with(&smallest(provider), "/network", json!({ "provision_network": false, "network_id": id }))
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
