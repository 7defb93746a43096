//! A document for a tool: a file that only this user may read, and that is gone when it is dropped.

use std::io::Write;

use executor_api::{ExecutorError, JobContext};
use serde_json::Value;
use tempfile::NamedTempFile;

/// Writes it. Both tools read JSON where they read YAML.
pub(crate) fn write(job: &JobContext, document: &Value) -> Result<NamedTempFile, ExecutorError> {
    let file = tempfile::Builder::new().prefix("argocd-").suffix(".json").tempfile_in(&job.paths().temp);
    let written = file.and_then(|mut file| {
        file.write_all(literal(document).as_bytes())?;
        Ok(file)
    });
    written.map_err(ExecutorError::io("cannot write a file for Argo CD"))
}

/// JSON that a reader of YAML takes for the same: what YAML does not print, or takes for the end of a line, is escaped.
/// In JSON these characters are in texts only.
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
    use executor_api::testing::TestJob;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_reads_it_and_it_goes_away() {
        let job = TestJob::builder("argocd", &json!({})).build().unwrap();
        let document = json!({ "a=b": "@/etc/passwd\u{85}\u{2028}\u{0}$(id)" });
        let file = write(&job.context, &document).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains(r"\u0085\u2028\u0000$(id)"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }
}
