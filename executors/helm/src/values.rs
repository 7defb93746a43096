//! A chart's values, as a file that helm reads exactly as they were given.

use std::io::Write;
use std::path::Path;

use executor_api::ExecutorError;
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

/// A longer key is no JSON to helm: its reader is one of YAML.
const LONGEST_KEY: usize = 512;

pub(crate) fn check(values: &Map<String, Value>, pointer: &str) -> Result<(), ExecutorError> {
    for (key, value) in values {
        if key.len() > LONGEST_KEY {
            let start: String = key.chars().take(20).collect();
            let error = format!("the key that begins with {start:?} has more than {LONGEST_KEY} bytes");
            return Err(ExecutorError::invalid(pointer, error));
        }
        check_value(value, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")))?;
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

/// Writes a document for helm: readable by this user only, gone when it is dropped.
pub(crate) fn write(document: &Value, folder: &Path) -> Result<NamedTempFile, ExecutorError> {
    let refused = ExecutorError::io("cannot write a file for helm");
    let written = tempfile::Builder::new().prefix("helm-").suffix(".json").tempfile_in(folder).and_then(|mut file| {
        file.write_all(literal(document).as_bytes())?;
        Ok(file)
    });
    written.map_err(refused)
}

/// JSON that a reader of YAML takes for the same: what YAML does not print, or takes for the end of a line, is escaped.
/// In JSON these characters are in strings only.
fn literal(document: &Value) -> String {
    use std::fmt::Write as _;
    let json = document.to_string();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_yaml_would_read_otherwise_is_escaped() {
        let hostile = json!({ "a=b,c=d": "@/etc/passwd", "{x,y}": "$(id)", "--set-file": "\u{7f}\u{85}\u{2028}\u{feff}\u{0}\n😀" });
        let text = literal(&hostile);
        assert!(text.contains(r"\u007f\u0085\u2028\ufeff\u0000\n😀"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile);
    }

    #[test]
    fn a_key_that_helm_cannot_read_is_refused_at_its_place() {
        let values = json!({ "a/b": [{ "k".repeat(513): 1 }] });
        let error = check(values.as_object().unwrap(), "/values").unwrap_err().to_string();
        assert!(error.starts_with("/values/a~1b/0: the key that begins with \"kkk"), "{error}");
    }

    #[test]
    fn the_file_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = write(&json!({ "a": 1 }), folder.path()).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
