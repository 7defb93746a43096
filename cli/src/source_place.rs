//! Where a kind's payload holds the files that a job works on: its JSON Schema says it.

use std::collections::VecDeque;

use serde_json::Value;

/// The type of a source, as schemas name it.
const SOURCE: &str = "#/$defs/Source";
/// No payload is deeper.
const DEEPEST: usize = 8;

/// JSON pointer to the source that is nearest to the payload's root. None if the kind takes no files.
pub(crate) fn source_place(schema: &Value) -> Option<String> {
    let mut next = VecDeque::from([(schema, String::new(), 0)]);
    while let Some((here, pointer, depth)) = next.pop_front() {
        if depth > DEEPEST {
            return None;
        }
        if here["$ref"] == SOURCE {
            return Some(pointer);
        }
        if let Some(target) = here["$ref"].as_str().and_then(|at| schema.pointer(at.strip_prefix('#')?)) {
            next.push_back((target, pointer.clone(), depth + 1));
        }
        for choices in ["anyOf", "oneOf", "allOf"] {
            let choices = here[choices].as_array().into_iter().flatten();
            next.extend(choices.map(|choice| (choice, pointer.clone(), depth + 1)));
        }
        let fields = here["properties"].as_object().into_iter().flatten();
        next.extend(fields.map(|(name, field)| (field, format!("{pointer}/{name}"), depth + 1)));
    }
    None
}

/// Sets a value at a pointer, and makes the objects on the way.
pub(crate) fn set(payload: &mut Value, pointer: &str, value: Value) {
    let mut here = payload;
    for name in pointer.split('/').skip(1) {
        if !here.is_object() {
            *here = serde_json::json!({});
        }
        here = &mut here[name];
    }
    *here = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor_api::ExecutorRegistry;
    use serde_json::json;

    #[test]
    fn every_linked_kind_takes_files_where_its_schema_says() {
        let registry = ExecutorRegistry::from_linked().unwrap();
        let place = |kind: &str| source_place(&registry.get(kind).unwrap().info().schema);
        assert_eq!(place("terraform").as_deref(), Some("/source"));
        assert_eq!(place("infracost").as_deref(), Some("/source"));
        assert_eq!(place("helm").as_deref(), Some("/chart/source"));
        assert_eq!(place("kubectl").as_deref(), Some("/manifests/source"));
        assert_eq!(place("CONNECTION_TEST"), None);
    }

    #[test]
    fn a_value_is_put_beside_what_is_there() {
        let mut payload = json!({ "chart": { "path": "x" } });
        set(&mut payload, "/chart/source", json!(1));
        set(&mut payload, "/a/b", json!(2));
        assert_eq!(payload, json!({ "chart": { "path": "x", "source": 1 }, "a": { "b": 2 } }));
    }
}
