//! The data of Secrets: found to be masked, or hidden in what is shown.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_api::JobContext;
use serde_json::Value;

/// What stands where the data of a Secret was.
const HIDDEN: &str = "(hidden)";
/// Where client-side apply keeps the whole manifest, a Secret's data and all.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const DATA: [&str; 2] = ["data", "stringData"];

/// Hides from the log the data of every Secret among the objects. A value that is the name of one of them, or of its
/// namespace, stands in every other line: it is left alone.
pub(crate) fn mask(job: &JobContext, objects: &[Value]) {
    let names: BTreeSet<_> = objects.iter().flat_map(names).collect();
    let values: BTreeSet<_> = objects.iter().filter(|object| is_secret(object)).flat_map(values).collect();
    for value in values.iter().filter(|value| !names.contains(value.as_str())) {
        job.mask(value);
    }
}

fn names(object: &Value) -> impl Iterator<Item = &str> {
    let metadata = &object["metadata"];
    [&metadata["name"], &metadata["namespace"], &object["type"]]
        .into_iter()
        .filter_map(Value::as_str)
        .chain(["default"])
}

/// Takes the data out of an object that is a Secret.
pub(crate) fn hide(object: &mut Value) {
    if !is_secret(object) {
        return;
    }
    for field in DATA {
        for value in object[field].as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
            *value = Value::from(HIDDEN);
        }
        if !object[field].is_object() {
            object.as_object_mut().map(|fields| fields.remove(field));
        }
    }
    if let Some(manifest) = object["metadata"]["annotations"].get_mut(LAST_APPLIED) {
        *manifest = Value::from(HIDDEN);
    }
}

/// All that is secret in a Secret, as it stands there and decoded.
pub(crate) fn values(secret: &Value) -> Vec<String> {
    let mut found: Vec<_> = texts(&secret["stringData"]);
    for encoded in texts(&secret["data"]) {
        found.extend(decode(&encoded).and_then(|bytes| String::from_utf8(bytes).ok()));
        found.push(encoded);
    }
    let last_applied = secret["metadata"]["annotations"][LAST_APPLIED].as_str();
    if let Some(manifest) = last_applied.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        found.extend(values(&manifest));
    }
    found
}

/// The bytes of one entry of a Secret's `data`.
pub(crate) fn decode(encoded: &str) -> Option<Vec<u8>> {
    STANDARD.decode(encoded.split_whitespace().collect::<String>()).ok()
}

pub(crate) fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret" && object["apiVersion"] == "v1"
}

fn texts(fields: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    fields.as_object().into_iter().flat_map(|fields| fields.values()).filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use executor_api::testing::TestJob;
    use serde_json::json;

    use super::*;

    fn secret() -> Value {
        let manifest = json!({ "kind": "Secret", "apiVersion": "v1", "stringData": { "c": "value-of-before" } });
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": { "name": "database", "namespace": "backend", "annotations": { LAST_APPLIED: manifest.to_string() } },
                "data": { "a": STANDARD.encode("value-of-data"), "n": STANDARD.encode("backend") },
                "stringData": { "b": "value-of-string" } })
    }

    #[test]
    fn no_value_of_a_secret_is_in_the_log_in_any_form() {
        let job = TestJob::builder("kubectl", &json!({})).build().unwrap();
        mask(&job.context, &[secret(), json!({ "kind": "ConfigMap", "data": { "x": "value-of-config" } })]);
        let log = job.context.log();
        for value in ["value-of-data", "value-of-string", "value-of-before", &STANDARD.encode("value-of-data")] {
            assert_eq!(log.masked(value), "***", "{value}");
        }
        assert_eq!(log.masked("configmap/a in backend: value-of-config"), "configmap/a in backend: value-of-config");
    }

    #[test]
    fn a_secret_is_shown_without_its_data() {
        let mut object = secret();
        hide(&mut object);
        let text = object.to_string();
        assert!(!text.contains("value-of") && !text.contains(&STANDARD.encode("value-of-data")), "{text}");
        assert_eq!(object["data"]["a"], HIDDEN);
        assert_eq!(object["metadata"]["name"], "database");
        let mut odd = json!({ "apiVersion": "v1", "kind": "Secret", "data": "value-of-nothing" });
        hide(&mut odd);
        assert!(!odd.to_string().contains("value-of-nothing"));
    }
}
