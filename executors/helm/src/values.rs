//! A chart's values, as helm can read them.

use executor_api::{ExecutorError, pointer_to};
use serde_json::{Map, Value};

/// A longer key is no JSON to helm: its reader is one of YAML.
const LONGEST_KEY: usize = 512;

pub(crate) fn check(values: &Map<String, Value>, pointer: &str) -> Result<(), ExecutorError> {
    for (key, value) in values {
        if key.len() > LONGEST_KEY {
            let start: String = key.chars().take(20).collect();
            let error = format!("the key that begins with {start:?} has more than {LONGEST_KEY} bytes");
            return Err(ExecutorError::invalid(pointer, error));
        }
        check_value(value, &pointer_to(pointer, key))?;
    }
    Ok(())
}

fn check_value(value: &Value, pointer: &str) -> Result<(), ExecutorError> {
    match value {
        Value::Object(fields) => check(fields, pointer),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| check_value(item, &format!("{pointer}/{at}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_that_helm_cannot_read_is_refused_at_its_place() {
        let values = json!({ "a/b": [{ "k".repeat(513): 1 }] });
        let error = check(values.as_object().unwrap(), "/values").unwrap_err().to_string();
        assert!(error.starts_with("/values/a~1b/0: the key that begins with \"kkk"), "{error}");
    }
}
