//! What is known about an environment once terraform is done: its snapshot, and the outputs as far as they are asked for.
//!
//! Charts put their values into texts of YAML. So a fact is a plain word before it goes anywhere: whatever else an output
//! holds is refused by its name.

use executor_api::ExecutorError;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::snapshot::Snapshot;

/// No name, address or ARN is longer.
const LONGEST: usize = 512;

/// Snapshot and outputs.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) snapshot: &'a Snapshot,
    outputs: &'a Map<String, Value>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, outputs: &'a Map<String, Value>) -> Self {
        Self { snapshot, outputs }
    }

    /// An output that is a word. None if it is not there, `null`, or empty.
    ///
    /// # Errors
    /// [`ExecutorError::Other`] with its name if it is anything else.
    pub(super) fn word(&self, output: &str) -> Result<Option<&'a str>, ExecutorError> {
        match self.outputs.get(output) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) if is_word(text) => Ok(Some(text)),
            Some(_) => {
                let why = "is no plain word of letters, digits and any of -._:/@+=, and goes nowhere";
                Err(ExecutorError::Other(format!("terraform's output {output} {why}")))
            }
        }
    }

    /// The domain, where names are wanted.
    pub(super) fn domain(&self) -> Option<&'a str> {
        self.snapshot.dns.domain_name.as_deref().filter(|name| self.snapshot.dns.enabled && is_word(name))
    }

    /// Whose records external-dns may touch: those of this environment.
    pub(super) fn record_owner(&self) -> String {
        let Snapshot { project_name, environment_stage, region, .. } = self.snapshot;
        format!("{}-{region}-{project_name}", environment_stage.as_str())
    }

    /// The environment as the value of a label: readable, and no other environment's.
    pub(super) fn environment(&self) -> String {
        let digest = hex::encode(Sha256::digest(self.snapshot.state_key()));
        format!("{}-{}-{}", self.snapshot.project_name, self.snapshot.environment_stage.as_str(), &digest[..12])
    }
}

/// It means itself wherever a chart puts it, and is never an option.
fn is_word(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-._:/@+=,".contains(&b);
    text.len() <= LONGEST && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(inside)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_plain_word_is_a_fact() {
        for good in ["eks-euc1-dev-shop", "arn:aws:iam::1:role/a", "https://ABC.gr7.eu.eks.amazonaws.com", "a@b.iam"] {
            assert!(is_word(good), "{good}");
        }
        for hostile in [
            "-x",
            "a b",
            "a\nb: c",
            "{{ .Values }}",
            "$(id)",
            "a'b",
            "a\"b",
            "`id`",
            "a#b",
            "&a",
            "*a",
            "a\\b",
            "ä",
            "a\0",
        ] {
            assert!(!is_word(hostile), "{hostile:?}");
        }
        assert!(!is_word(&"a".repeat(513)));
    }

    #[test]
    fn an_output_is_a_word_or_nothing() {
        let snapshot = crate::after_apply::example::snapshot(json!({ "provider": "aws" }));
        let outputs = json!({ "a": "x", "b": null, "c": "", "d": ["x"], "e": "$(id)", "f": 1 });
        let outputs = outputs.as_object().unwrap();
        let facts = Facts::new(&snapshot, outputs);
        let read = |name| facts.word(name).unwrap();
        assert_eq!([read("a"), read("b"), read("c"), read("nothing")], [Some("x"), None, None, None]);
        for name in ["d", "e", "f"] {
            let error = facts.word(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("terraform's output {name} ")) && !error.contains("$(id)"), "{error}");
        }
    }
}
