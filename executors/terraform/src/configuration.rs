//! What of a plan's configuration may be shown: which resource belongs to which provider, what refers to what, and in
//! which region a provider works. Values of the stack stay out, because nothing says which of them are secret.

use serde_json::{Map, Value, json};

/// Names, references and regions, in the shape that terraform gives them (format version 1): enough to price a plan.
pub(crate) fn shown(configuration: &Value, variables: &Value) -> Value {
    let secrets = &configuration["root_module"]["variables"];
    let provider = |provider: &Value| {
        let mut shown = json!({ "name": provider["name"] });
        if let Some(region) = region(&provider["expressions"]["region"], variables, secrets) {
            shown["expressions"] = json!({ "region": { "constant_value": region } });
        }
        shown
    };
    json!({
        "provider_config": each(&configuration["provider_config"], provider),
        "root_module": module(&configuration["root_module"]),
    })
}

fn module(module: &Value) -> Value {
    let resource = |resource: &Value| {
        let mut shown = Map::new();
        for name in ["address", "mode", "type", "name", "provider_config_key"] {
            shown.insert(name.to_owned(), resource[name].clone());
        }
        shown.insert("expressions".to_owned(), references(&resource["expressions"]));
        Value::Object(shown)
    };
    let call = |call: &Value| json!({ "expressions": references(&call["expressions"]), "module": self::module(&call["module"]) });
    let resources: Vec<_> = module["resources"].as_array().into_iter().flatten().map(resource).collect();
    json!({ "resources": resources, "module_calls": each(&module["module_calls"], call) })
}

fn each(map: &Value, shown: impl Fn(&Value) -> Value) -> Value {
    map.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), shown(value))).collect()
}

/// Addresses only: what an expression says by itself is dropped.
fn references(expressions: &Value) -> Value {
    match expressions {
        Value::Object(map) if map.contains_key("references") => json!({ "references": map["references"] }),
        Value::Object(map) if map.contains_key("constant_value") => json!({}),
        Value::Object(_) => each(expressions, references),
        Value::Array(items) => items.iter().map(references).collect(),
        _ => Value::Null,
    }
}

/// A region that stands in the stack, or in a variable that is not called sensitive.
fn region(expression: &Value, variables: &Value, secrets: &Value) -> Option<String> {
    let of_variable = || {
        let name = expression["references"].as_array()?.first()?.as_str()?.strip_prefix("var.")?;
        (secrets[name]["sensitive"] != true).then(|| variables[name]["value"].as_str()).flatten()
    };
    let region = expression["constant_value"].as_str().or_else(of_variable)?;
    let is_region = (1..=40).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    is_region.then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_references_and_regions_are_all_that_is_left() {
        let configuration = json!({
            "provider_config": {
                "aws": { "name": "aws", "expressions": {
                    "region": { "references": ["var.region"] }, "secret_key": { "constant_value": "hunter2" } } },
                "aws.us": { "name": "aws", "alias": "us", "expressions": { "region": { "constant_value": "us-east-1" } } },
                "aws.hidden": { "name": "aws", "expressions": { "region": { "references": ["var.hidden"] } } },
                "aws.odd": { "name": "aws", "expressions": { "region": { "constant_value": "hunter2 is my password" } } },
            },
            "root_module": {
                "variables": { "hidden": { "sensitive": true, "default": "hunter2" }, "region": { "default": "hunter2" } },
                "resources": [{ "address": "aws_instance.web", "mode": "managed", "type": "aws_instance", "name": "web",
                    "provider_config_key": "aws.us", "expressions": {
                        "user_data": { "constant_value": "hunter2" },
                        "subnet_id": { "references": ["aws_subnet.a.id", "aws_subnet.a"] },
                        "root_block_device": [{ "kms_key_id": { "references": ["aws_kms_key.k"] },
                                                "tags": { "constant_value": { "t": "hunter2" } } }] } }],
                "module_calls": { "net": { "source": "./net", "expressions": { "key": { "constant_value": "hunter2" } },
                    "module": { "resources": [{ "address": "aws_vpc.main", "provider_config_key": "aws" }] } } },
                "outputs": { "o": { "expression": { "constant_value": "hunter2" } } },
            },
        });
        let variables = json!({ "region": { "value": "eu-north-1" }, "hidden": { "value": "eu-west-1" } });
        let shown = shown(&configuration, &variables);
        assert!(!shown.to_string().contains("hunter2") && !shown.to_string().contains("eu-west-1"), "{shown}");
        let providers = &shown["provider_config"];
        assert_eq!(providers["aws"]["expressions"]["region"]["constant_value"], "eu-north-1");
        assert_eq!(providers["aws.us"]["expressions"]["region"]["constant_value"], "us-east-1");
        assert_eq!(providers["aws.odd"], json!({ "name": "aws" }));
        let web = &shown["root_module"]["resources"][0];
        assert_eq!((&web["address"], &web["provider_config_key"]), (&json!("aws_instance.web"), &json!("aws.us")));
        assert_eq!(web["expressions"]["subnet_id"]["references"][1], "aws_subnet.a");
        assert_eq!(web["expressions"]["root_block_device"][0]["kms_key_id"]["references"][0], "aws_kms_key.k");
        let net = &shown["root_module"]["module_calls"]["net"]["module"]["resources"][0];
        assert_eq!(net["address"], "aws_vpc.main");
    }

    #[test]
    fn a_plan_without_configuration_shows_nothing() {
        let empty = json!({ "provider_config": {}, "root_module": { "resources": [], "module_calls": {} } });
        assert_eq!(shown(&Value::Null, &Value::Null), empty);
    }
}
