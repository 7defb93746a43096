//! What a plan says: from `show -json` to a summary, with every sensitive value taken out.

use executor_api::ExecutorError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::configuration;
use crate::summary::{PlanSummary, ResourceChange};

/// What stands where a sensitive value was.
const SENSITIVE: &str = "(sensitive value)";

/// The parts of `terraform show -json PLAN` that we read (format version 1; terraform and tofu).
#[derive(Debug, Deserialize)]
pub(crate) struct PlanDocument {
    format_version: String,
    /// The version of the program, tofu's too.
    pub(crate) terraform_version: Option<String>,
    /// Whether there is something to apply; terraform says it since 1.8.
    applyable: Option<bool>,
    #[serde(default)]
    resource_changes: Vec<Resource>,
    #[serde(default)]
    resource_drift: Vec<Resource>,
    #[serde(default)]
    output_changes: Map<String, Value>,
    #[serde(default)]
    configuration: Value,
    #[serde(default)]
    variables: Value,
}

#[derive(Debug, Deserialize)]
struct Resource {
    address: String,
    previous_address: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    provider_name: Option<String>,
    change: Change,
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    before_sensitive: Value,
    #[serde(default)]
    after_sensitive: Value,
    importing: Option<Value>,
}

impl PlanDocument {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ExecutorError> {
        let failed = |why: String| {
            ExecutorError::Other(format!("the plan cannot be read, so nothing is offered to apply: {why}"))
        };
        let document: Self = serde_json::from_slice(bytes).map_err(|error| failed(error.to_string()))?;
        if document.format_version.split('.').next() != Some("1") {
            return Err(failed(format!("its format version is {:?}, and we know 1.x", document.format_version)));
        }
        Ok(document)
    }

    pub(crate) fn summary(&self) -> PlanSummary {
        let mut summary = PlanSummary::default();
        for resource in &self.resource_changes {
            let action = resource.action();
            summary.import += usize::from(resource.change.importing.is_some());
            summary.moved += usize::from(resource.previous_address.is_some());
            match action {
                "create" => summary.add += 1,
                "update" => summary.change += 1,
                "delete" => summary.destroy += 1,
                "replace" => {
                    summary.add += 1;
                    summary.destroy += 1;
                    summary.replace += 1;
                }
                _ => {}
            }
            if action != "no-op" {
                summary.resources.push(ResourceChange { address: resource.address.clone(), action: action.to_owned() });
            }
        }
        let changes = |change: &Value| change["actions"].as_array().is_some_and(|actions| actions != &[json!("no-op")]);
        summary.outputs =
            self.output_changes.iter().filter(|(_, c)| changes(c)).map(|(name, _)| name.clone()).collect();
        summary.has_changes = self.applyable.unwrap_or_else(|| {
            !summary.outputs.is_empty() || summary.resources.iter().any(|resource| resource.action != "read")
        });
        summary
    }

    /// The values of these input variables. They may be secret.
    pub(crate) fn variables(&self, names: &[&str]) -> Map<String, Value> {
        let value = |name: &&str| Some(((*name).to_owned(), self.variables.get(name)?.get("value")?.clone()));
        names.iter().filter_map(value).collect()
    }

    /// Those of these input variables that the plan does not hold, because they are ephemeral: it lists them with their
    /// default, or not at all (terraform 1.11). Who applies it gives them again.
    pub(crate) fn ephemeral(&self, given: &Map<String, Value>) -> Map<String, Value> {
        let declared = &self.configuration["root_module"]["variables"];
        let is_ephemeral = |name: &str, value: &Value| match self.variables[name].get("value") {
            Some(held) => held != value && *held == declared[name]["default"],
            None => declared.get(name).is_some(),
        };
        let ephemeral = given.iter().filter(|(name, value)| is_ephemeral(name, value));
        ephemeral.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The contract's `plan_result`: resources with their actions, and no values at all.
    pub(crate) fn result(&self) -> Value {
        let shown = |resource: &Resource| {
            json!({ "address": resource.address, "type": resource.kind, "name": resource.name,
                    "change": { "actions": resource.change.actions } })
        };
        json!({ "resource_changes": self.resource_changes.iter().map(shown).collect::<Vec<_>>() })
    }

    /// What has changed in the world since the last apply.
    pub(crate) fn drift(&self) -> Vec<ResourceChange> {
        let drifted = self.resource_drift.iter().filter(|resource| resource.change.action() != "no-op");
        drifted
            .map(|resource| ResourceChange {
                address: resource.address.clone(),
                action: resource.change.action().to_owned(),
            })
            .collect()
    }

    /// The plan with its values, for people who review it: sensitive ones taken out. Parts of the original that hold
    /// values without saying which are sensitive (variables, prior state, most of the configuration) are left out.
    pub(crate) fn redacted(&self) -> Value {
        let shown = |resource: &Resource| {
            let change = &resource.change;
            json!({
                "address": resource.address, "type": resource.kind, "name": resource.name,
                "provider_name": resource.provider_name,
                "change": {
                    "actions": change.actions,
                    "before": redact(&change.before, &change.before_sensitive),
                    "after": redact(&change.after, &change.after_sensitive),
                },
            })
        };
        let outputs: Map<String, Value> = self
            .output_changes
            .iter()
            .map(|(name, change)| {
                let part = |value: &str, mark: &str| redact(&change[value], &change[mark]);
                let before = part("before", "before_sensitive");
                let after = part("after", "after_sensitive");
                (name.clone(), json!({ "actions": change["actions"], "before": before, "after": after }))
            })
            .collect();
        json!({
            "format_version": self.format_version,
            "terraform_version": self.terraform_version,
            "resource_changes": self.resource_changes.iter().map(shown).collect::<Vec<_>>(),
            "resource_drift": self.resource_drift.iter().map(shown).collect::<Vec<_>>(),
            "output_changes": outputs,
            "configuration": configuration::shown(&self.configuration, &self.variables),
        })
    }
}

impl Resource {
    /// What would become of it. Where nothing is done to it in the world, the state may still change.
    fn action(&self) -> &str {
        match self.change.action() {
            "no-op" if self.change.importing.is_some() => "import",
            "no-op" if self.previous_address.is_some() => "move",
            action => action,
        }
    }
}

impl Change {
    fn action(&self) -> &str {
        match self.actions.as_slice() {
            [one] => one,
            [_, _] => "replace",
            _ => "no-op",
        }
    }
}

/// `marks` has the shape of `value`, with `true` where a whole value is sensitive.
fn redact(value: &Value, marks: &Value) -> Value {
    match (value, marks) {
        (Value::Null, _) => Value::Null,
        (_, Value::Bool(true)) => Value::String(SENSITIVE.to_owned()),
        (Value::Object(map), Value::Object(marks)) => map
            .iter()
            .map(|(key, value)| (key.clone(), redact(value, marks.get(key).unwrap_or(&Value::Null))))
            .collect(),
        (Value::Array(items), Value::Array(marks)) => {
            let mark = |at: usize| marks.get(at).unwrap_or(&Value::Null);
            items.iter().enumerate().map(|(at, value)| redact(value, mark(at))).collect()
        }
        (value, _) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(changes: &Value) -> PlanDocument {
        let document = json!({ "format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": changes,
            "output_changes": { "a": { "actions": ["create"], "after": "x" }, "b": { "actions": ["no-op"] },
                                "s": { "actions": ["update"], "before": "old", "after": "new",
                                       "before_sensitive": true, "after_sensitive": true } } });
        PlanDocument::parse(document.to_string().as_bytes()).unwrap()
    }

    fn resource(actions: &Value) -> Value {
        json!({ "address": "t.x", "type": "t", "name": "x", "change": { "actions": actions,
                "before": null, "after": { "plain": 1, "secret": "hunter22", "list": ["a", "b"] },
                "before_sensitive": false, "after_sensitive": { "secret": true, "list": [false, true] } } })
    }

    #[test]
    fn numbers_are_those_of_terraforms_last_line() {
        let all = [
            json!(["create"]),
            json!(["update"]),
            json!(["delete"]),
            json!(["delete", "create"]),
            json!(["no-op"]),
            json!(["read"]),
        ];
        let summary = document(&all.iter().map(resource).collect()).summary();
        assert_eq!((summary.add, summary.change, summary.destroy, summary.replace), (2, 1, 2, 1));
        assert_eq!(summary.resources.len(), 5);
        assert_eq!(summary.outputs, ["a", "s"]);
        assert!(summary.has_changes);
    }

    #[test]
    fn a_resource_that_only_the_state_gets_to_know_is_a_change() {
        let with = |name: &str, value: Value| {
            let mut resource = resource(&json!(["no-op"]));
            if name == "importing" {
                resource["change"][name] = value;
            } else {
                resource[name] = value;
            }
            let document = json!({ "format_version": "1.2", "resource_changes": [resource] });
            PlanDocument::parse(document.to_string().as_bytes()).unwrap().summary()
        };
        let imported = with("importing", json!({ "id": "i" }));
        assert_eq!(imported.line(), "plan: 1 to import, 0 to add, 0 to change, 0 to destroy");
        let moved = with("previous_address", json!("t.old"));
        assert_eq!(moved.line(), "plan: 0 to add, 0 to change, 0 to destroy, 1 to move");
        for (summary, action) in [(imported, "import"), (moved, "move")] {
            assert!(summary.has_changes);
            assert_eq!(summary.resources, [ResourceChange { address: "t.x".to_owned(), action: action.to_owned() }]);
        }
    }

    #[test]
    fn terraform_knows_best_whether_there_is_something_to_apply() {
        for applyable in [true, false] {
            let document = json!({ "format_version": "1.2", "applyable": applyable,
                                   "resource_changes": [resource(&json!(["read"]))] });
            let document = PlanDocument::parse(document.to_string().as_bytes()).unwrap();
            assert_eq!(document.summary().has_changes, applyable);
        }
    }

    #[test]
    fn no_sensitive_value_is_left() {
        let document = document(&json!([resource(&json!(["create"]))]));
        let text = document.redacted().to_string();
        for secret in ["hunter22", "\"b\",", "old", "new"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("\"plain\":1"));
        assert!(!document.result().to_string().contains("after"));
    }

    #[test]
    fn a_plan_that_cannot_be_read_offers_nothing() {
        for bad in ["", "{", "[]", "{\"format_version\":\"2.0\"}", "null", "{\"format_version\":\"99\"}"] {
            assert!(
                PlanDocument::parse(bad.as_bytes()).unwrap_err().to_string().contains("nothing is offered"),
                "{bad}"
            );
        }
    }
}
