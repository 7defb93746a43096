//! A manifest as helm renders it, object by object, with nothing in it that a Secret holds.

use serde_json::{Map, Value};
use serde_saphyr::DuplicateKeyPolicy;

/// The whole object again, where kubectl was used.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What of a Secret is secret.
const SECRET_FIELDS: [&str; 2] = ["data", "stringData"];

/// One object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// Empty where the manifest leaves it to the release, or there is none.
    pub(crate) namespace: String,
    pub(crate) name: String,
    text: String,
    parsed: Value,
}

/// The objects of a manifest in their order. One that cannot be read is kept, and never shown.
pub(crate) fn objects(manifest: &str) -> Vec<Object> {
    documents(manifest).into_iter().filter_map(object).collect()
}

/// A line of three dashes can only be the end of a document: what is inside a text is indented.
fn documents(manifest: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in manifest.lines() {
        if line == "---" || line.starts_with("--- ") {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut().filter(|_| !line.starts_with("# Source: ")) {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents
}

fn object(text: String) -> Option<Object> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return None;
    }
    let parsed = read(&text);
    if parsed.is_null() {
        let kind = "(not readable)".to_owned();
        let empty = String::new;
        return Some(Object { api_version: empty(), kind, namespace: empty(), name: empty(), text, parsed });
    }
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(Object {
        api_version: word(&parsed["apiVersion"]),
        kind: word(&parsed["kind"]),
        namespace: word(&parsed["metadata"]["namespace"]),
        name: word(&parsed["metadata"]["name"]),
        text,
        parsed,
    })
}

/// As helm reads it: of equal keys the last counts. Null if that cannot be, or if it would show what an earlier one
/// made a secret.
fn read(text: &str) -> Value {
    let [first, last] = [DuplicateKeyPolicy::FirstWins, DuplicateKeyPolicy::LastWins].map(|policy| {
        let options = serde_saphyr::options! { duplicate_keys: policy };
        serde_saphyr::from_str_with_options(text, options).unwrap_or(Value::Null)
    });
    if holds_secrets(&first) && !holds_secrets(&last) { Value::Null } else { last }
}

impl Object {
    /// Whether the other is this object, perhaps changed. Of what cannot be read, only the same text is the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        if self.parsed.is_null() || other.parsed.is_null() {
            return self.text == other.text;
        }
        let group = |object: &Self| object.api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        (&self.kind, &self.namespace, &self.name) == (&other.kind, &other.namespace, &other.name)
            && group(self) == group(other)
    }

    /// The object as text, each secret value as `shown`.
    fn text(&self, other: Option<&Self>, shown: &str) -> String {
        if self.parsed.is_null() {
            return "(this object cannot be read, so it is not shown)\n".to_owned();
        }
        if !holds_secrets(&self.parsed) {
            return self.text.clone();
        }
        let mut value = self.parsed.clone();
        hide(&mut value, other.map(|other| &other.parsed), shown);
        serde_saphyr::to_string(&value)
            .unwrap_or_else(|_| "(this object holds secrets, so it is not shown)\n".to_owned())
    }
}

/// Both sides of a change. A secret value that differs shows that it does, and nothing else.
pub(crate) fn sides(before: Option<&Object>, after: Option<&Object>) -> (String, String) {
    let text = |one: Option<&Object>, other, shown| one.map(|one| one.text(other, shown)).unwrap_or_default();
    (text(before, after, "(hidden, before)"), text(after, before, "(hidden, after)"))
}

fn is_secret(value: &Value) -> bool {
    value["kind"] == "Secret"
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value["items"].as_array().into_iter().flatten()
}

fn holds_secrets(value: &Value) -> bool {
    is_secret(value) || value["kind"] == "SecretList" || items(value).any(holds_secrets)
}

fn hide(value: &mut Value, other: Option<&Value>, shown: &str) {
    let is_secret = is_secret(value);
    let is_list = value["kind"] == "SecretList";
    if is_secret || is_list {
        hide_secret(value, other, shown);
    }
    let Some(list) = value.get_mut("items").and_then(Value::as_array_mut) else { return };
    for (at, item) in list.iter_mut().enumerate() {
        let other = other.and_then(|other| other["items"].get(at));
        if is_list {
            hide_secret(item, other, shown);
        }
        hide(item, other, shown);
    }
}

fn hide_secret(secret: &mut Value, other: Option<&Value>, shown: &str) {
    for field in SECRET_FIELDS {
        if let Some(value) = secret.get_mut(field) {
            hide_values(value, other.map(|other| &other[field]), shown);
        }
    }
    if let Some(annotation) = secret.pointer_mut("/metadata/annotations").and_then(|all| all.get_mut(LAST_APPLIED)) {
        *annotation = Value::from("(hidden)");
    }
}

/// The names of a Secret's values are shown; anything that is no plain map of them is hidden whole.
fn hide_values(value: &mut Value, other: Option<&Value>, shown: &str) {
    let hidden =
        |value: &Value, other: Option<&Value>| Value::from(if Some(value) == other { "(hidden)" } else { shown });
    match value {
        Value::Null => {}
        Value::Object(values) => {
            let named: Map<_, _> = values
                .iter()
                .map(|(name, value)| (name.clone(), hidden(value, other.and_then(|other| other.get(name)))))
                .collect();
            *values = named;
        }
        _ => *value = hidden(value, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  user: hunter1-hunter1\n  word: hunter2-hunter2\n";

    fn one(text: &str) -> Object {
        let mut all = objects(text);
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0)
    }

    #[test]
    fn a_manifest_falls_into_its_objects() {
        let text = "---\n# Source: web/templates/a.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\n  \
                    namespace: x\n---\n# only a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  \
                    t: |\n    ---\n    x\n";
        let all = objects(text);
        let named: Vec<_> = all.iter().map(|o| (o.kind.as_str(), o.namespace.as_str(), o.name.as_str())).collect();
        assert_eq!(named, [("Deployment", "x", "a"), ("ConfigMap", "", "b")]);
        assert!(!all[0].text(None, "x").contains("Source:"));
        let other_group = one("apiVersion: other.example/v1\nkind: Deployment\nmetadata: {name: a, namespace: x}\n");
        let other_version = one("apiVersion: apps/v2\nkind: Deployment\nmetadata: {name: a, namespace: x}\n");
        assert!(!all[0].is(&other_group) && all[0].is(&other_version));
    }

    #[test]
    fn a_secret_shows_its_names_and_that_it_differs() {
        let after = SECRET.replace("hunter2-hunter2", "hunter3-hunter3");
        let (before, after) = sides(Some(&one(SECRET)), Some(&one(&after)));
        assert!(before.contains("user: (hidden)\n"), "{before}");
        assert!(before.contains("word: (hidden, before)") && after.contains("word: (hidden, after)"), "{after}");
        assert!(!format!("{before}{after}").contains("hunter"), "{before}{after}");
        let (same, again) = sides(Some(&one(SECRET)), Some(&one(SECRET)));
        assert_eq!(same, again);
    }

    #[test]
    fn no_secret_gets_through_in_any_form() {
        let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", SECRET.replace('\n', "\n  "));
        for text in [
            list.as_str(),
            &list.replace("kind: List", "kind: SecretList").replace("  kind: Secret\n", ""),
            &SECRET.replace("kind: Secret", "\"kind\": \"Secret\""),
            &SECRET.replace("kind: Secret", "kind: Secret\nkind: ConfigMap"),
            &SECRET.replace("kind: Secret", "kind: ConfigMap\nkind: Secret"),
            &SECRET.replace("stringData:", "data:\n  user: hunter4-hunter4\nstringData:\n  user: hunter5\ndata:"),
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: aHVudGVyMg==hunter\n",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: [hunter2]\n",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: {b: hunter2}}\n",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: hunter2\n",
            "kind: Secret\ndata: {a: hunter2\n",
            "x: &a hunter2\nkind: Secret\ndata: {a: *a}\nmore: *b\n",
        ] {
            let object = one(text);
            for (before, after) in [sides(Some(&object), None), sides(None, Some(&object))] {
                assert!(!format!("{before}{after}").contains("hunter"), "{text}\n=>\n{before}{after}");
            }
        }
    }
}
