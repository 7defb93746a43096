//! What must not be worked on by two jobs at once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of the jobs of one organisation that work on the same thing, one runs at a time. A kind says which thing it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusive {
    /// What kind of thing, for example `environment`: kinds of job that name the same exclude each other.
    pub thing: String,
    /// Where the payload says which one: JSON pointers, all of which must be there.
    pub pointers: Vec<String>,
}

impl Exclusive {
    /// The key of what a payload works on. None if it does not say it.
    #[must_use]
    pub fn key(&self, payload: &Value) -> Option<String> {
        let values = self.pointers.iter().map(|pointer| payload.pointer(pointer).filter(|value| !value.is_null()));
        let values: Vec<_> = values.collect::<Option<_>>()?;
        // As JSON, so that no two lists of values look the same. Sorted, because the order of fields means nothing.
        let values: Vec<_> = values.into_iter().map(sorted).collect();
        Some(format!("{} {}", self.thing, Value::from(values)))
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_is_what_the_pointers_say_whatever_the_order_of_fields() {
        let exclusive =
            Exclusive { thing: "state".to_owned(), pointers: vec!["/backend".to_owned(), "/a/0".to_owned()] };
        let one = exclusive.key(&json!({ "backend": { "x": 1, "y": [2] }, "a": ["b"] }));
        assert_eq!(one, exclusive.key(&json!({ "a": ["b", "c"], "backend": { "y": [2], "x": 1 } })));
        assert_eq!(one.unwrap(), r#"state [{"x":1,"y":[2]},"b"]"#);
        assert_eq!(exclusive.key(&json!({ "backend": { "x": 1 }, "a": [] })), None);
        assert_eq!(exclusive.key(&json!({ "backend": null, "a": ["b"] })), None);
    }
}
