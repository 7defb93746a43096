//! The outputs of a stack, what may be shown apart from what may not.

use executor_api::{ExecutorError, texts};
use serde_json::{Map, Value, json};

/// The outputs of a stack.
#[derive(Clone, Default, PartialEq)]
pub struct Outputs {
    /// Those that anybody may see.
    pub plain: Map<String, Value>,
    /// Those that the stack calls sensitive. They are masked in the log and in metadata; for a secret artifact, and for
    /// nothing else.
    pub sensitive: Map<String, Value>,
}

impl Outputs {
    /// The answer of `output -json`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ExecutorError> {
        let read: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| ExecutorError::Other(format!("the outputs cannot be read: {error}")))?;
        let mut outputs = Self::default();
        for (name, mut output) in read {
            let of_its_kind = if output["sensitive"] == true { &mut outputs.sensitive } else { &mut outputs.plain };
            of_its_kind.insert(name, output["value"].take());
        }
        Ok(outputs)
    }

    /// For metadata: plain values, and `{"sensitive": true}` where one is hidden.
    #[must_use]
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = self.plain.clone();
        shown.extend(self.sensitive.keys().map(|name| (name.clone(), json!({ "sensitive": true }))));
        shown
    }

    /// The texts to hide from the log.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.sensitive.values().flat_map(texts).collect()
    }
}

impl std::fmt::Debug for Outputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(&self.shown()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_outputs_are_apart_and_handed_to_the_masker() {
        let read = json!({ "a": { "sensitive": false, "value": 1 },
                           "s": { "sensitive": true, "value": { "k": ["hunter22", 1234567] } } });
        let outputs = Outputs::read(read.to_string().as_bytes()).unwrap();
        assert_eq!(Value::Object(outputs.shown()), json!({ "a": 1, "s": { "sensitive": true } }));
        assert_eq!(outputs.secrets(), ["hunter22", "1234567"]);
        assert_eq!(outputs.sensitive["s"], json!({ "k": ["hunter22", 1234567] }));
        assert!(!format!("{outputs:?}").contains("hunter22"));
    }
}
