//! A document for a tool: a file that only this user may read, and that is gone when it is dropped.

use std::io::Write;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::{ExecutorError, JobContext};

impl JobContext {
    /// Writes JSON that a reader of YAML takes for the same, among the job's temporary files.
    ///
    /// # Errors
    /// If it cannot be written; `tool` is whose it is then.
    pub fn document(&self, tool: &str, document: &Value) -> Result<NamedTempFile, ExecutorError> {
        let file = tempfile::Builder::new().prefix(&format!("{tool}-")).suffix(".json").tempfile_in(&self.paths().temp);
        let written = file.and_then(|mut file| {
            file.write_all(literal(document).as_bytes())?;
            Ok(file)
        });
        written.map_err(ExecutorError::io(format!("cannot write a file for {tool}")))
    }
}

/// What YAML does not print, or takes for the end of a line, is escaped. In JSON these characters are in texts only.
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
    use crate::testing::TestJob;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_yaml_would_read_otherwise_is_escaped() {
        let hostile = json!({ "a=b,c=d": "@/etc/passwd", "{x,y}": "$(id)", "--set-file": "\u{7f}\u{85}\u{2028}\u{feff}\u{0}\n😀" });
        let text = literal(&hostile);
        assert!(text.contains(r"\u007f\u0085\u2028\ufeff\u0000\n😀"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile);
    }

    #[test]
    fn nobody_else_reads_it_and_it_goes_away() {
        let job = TestJob::builder("k", &json!({})).build().unwrap();
        let file = job.context.document("helm", &json!({ "a": "b\u{85}" })).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), r#"{"a":"b\u0085"}"#);
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }
}
