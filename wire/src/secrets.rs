//! Which values of a payload are secrets: those that the kind's schema marks `writeOnly`.

use serde_json::Value;

use crate::pointer::pointer_to;

/// What stands in the place of a secret wherever a job is shown.
pub const HIDDEN: &str = "(hidden)";

/// The media type of an artifact that is a secret: kept encrypted, listed without digest, shown to few.
pub const SECRET_MEDIA_TYPE: &str = "application/vnd.alethia.secret";

/// A schema that refers to itself without end stops here.
const DEEPEST: usize = 256;
/// A schema that branches without end, or a payload with more parts that the schema speaks of.
const MOST_VISITS: usize = 100_000;

/// A secret in a payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretPlace {
    /// JSON pointer into the payload.
    pub pointer: String,
    /// It is a document that holds secrets among other things, for example a kubeconfig: hide it, but not each of
    /// its lines wherever it occurs.
    pub is_document: bool,
}

impl SecretPlace {
    /// Nobody could look through all of the payload, so that all of it is taken for a secret. Better refuse such a job.
    #[must_use]
    pub fn is_whole_payload(&self) -> bool {
        self.pointer.is_empty()
    }
}

/// All that a value says, as texts: strings and numbers, wherever they are in it. Names of fields are none of them.
#[must_use]
pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

/// The places of all secrets in a payload, each once, sorted. Where it cannot be looked through, that is one place: all
/// of it.
#[must_use]
pub fn secret_places(schema: &Value, payload: &Value) -> Vec<SecretPlace> {
    let mut walk = Walk { root: schema, places: Vec::new(), visits: 0, gave_up: false };
    walk.visit(schema, payload, "", 0);
    let Walk { mut places, gave_up, .. } = walk;
    if gave_up {
        return vec![SecretPlace { pointer: String::new(), is_document: false }];
    }
    places.sort();
    places.dedup();
    places
}

struct Walk<'a> {
    root: &'a Value,
    places: Vec<SecretPlace>,
    visits: usize,
    gave_up: bool,
}

impl Walk<'_> {
    fn visit(&mut self, schema: &Value, value: &Value, pointer: &str, depth: usize) {
        // Data that the schema says nothing of has no secrets, however much there is.
        if !schema.is_object() || value.is_null() {
            return;
        }
        self.visits += 1;
        self.gave_up |= depth > DEEPEST || self.visits > MOST_VISITS;
        if self.gave_up {
            return;
        }
        if schema["writeOnly"] == true {
            let is_document = schema["contentMediaType"].is_string();
            return self.places.push(SecretPlace { pointer: pointer.to_owned(), is_document });
        }
        if let Some(target) = schema["$ref"].as_str().and_then(|at| self.root.pointer(at.strip_prefix('#')?)) {
            self.visit(target, value, pointer, depth + 1);
        }
        for branches in ["allOf", "anyOf", "oneOf"] {
            for branch in schema[branches].as_array().into_iter().flatten() {
                self.visit(branch, value, pointer, depth + 1);
            }
        }
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let known = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                    self.visit(known, field, &pointer_to(pointer, name), depth + 1);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let known = schema["prefixItems"].get(index).unwrap_or(&schema["items"]);
                    self.visit(known, item, &format!("{pointer}/{index}"), depth + 1);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(schema: &Value, payload: &Value) -> Vec<String> {
        secret_places(schema, payload).into_iter().map(|place| place.pointer).collect()
    }

    #[test]
    fn secrets_are_found_behind_references_and_choices() {
        let schema = json!({
            "$defs": {
                "Auth": { "oneOf": [
                    { "properties": { "token": { "type": "string", "writeOnly": true } } },
                    { "properties": { "user": { "type": "string" }, "pass~/word": { "writeOnly": true } } },
                ] },
            },
            "properties": {
                "auth": { "anyOf": [{ "$ref": "#/$defs/Auth" }, { "type": "null" }] },
                "list": { "items": { "$ref": "#/$defs/Auth" } },
                "map": { "additionalProperties": { "writeOnly": true } },
                "file": { "writeOnly": true, "contentMediaType": "application/yaml" },
            },
        });
        let payload = json!({ "auth": { "token": "t", "user": "u" }, "list": [{ "user": "u" }, { "pass~/word": "p" }],
                              "map": { "a": "1", "b": null }, "file": "x: y", "other": "o" });
        assert_eq!(pointers(&schema, &payload), ["/auth/token", "/file", "/list/1/pass~0~1word", "/map/a"]);
        let documents: Vec<_> = secret_places(&schema, &payload).into_iter().filter(|p| p.is_document).collect();
        assert_eq!(documents.len(), 1);
        for place in pointers(&schema, &payload) {
            assert!(payload.pointer(&place).is_some(), "{place}");
        }
    }

    #[test]
    fn strings_and_numbers_are_texts() {
        let value = json!({ "a": ["x", 1, { "b": 2.5 }], "c": null, "d": true, "e": { "f": "y" } });
        assert_eq!(texts(&value), ["x", "1", "2.5", "y"]);
    }

    #[test]
    fn large_data_beside_a_secret_hides_neither_more_nor_less() {
        let schema = json!({ "properties": {
            "values": { "type": "object", "additionalProperties": true },
            "list": { "type": "array" },
            "chart": { "properties": { "password": { "writeOnly": true } } },
        } });
        let numbers: Vec<_> = (0..MOST_VISITS + 1).collect();
        let payload = json!({ "values": { "numbers": numbers }, "list": numbers, "chart": { "password": "p" } });
        assert_eq!(pointers(&schema, &payload), ["/chart/password"]);
    }

    #[test]
    fn what_cannot_be_looked_through_is_a_secret_as_a_whole() {
        let once = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "allOf": [{ "$ref": "#/$defs/A" }] } } });
        let twice = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "allOf": [{ "$ref": "#/$defs/A" }, { "$ref": "#/$defs/A" }] } } });
        let list = json!({ "items": { "properties": { "password": { "writeOnly": true } } } });
        let long: Value = (0..MOST_VISITS + 1).map(|_| json!({})).collect();
        for (schema, payload) in [(once, json!({ "a": "b" })), (twice, json!({ "a": "b" })), (list, long)] {
            let places = secret_places(&schema, &payload);
            assert!(places.len() == 1 && places[0].is_whole_payload(), "{places:?}");
            assert!(!places[0].is_document, "each text of it is to be hidden");
        }
    }
}
