//! What a kind says of its payload, against a payload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use wire::KindInfo;

use crate::error::PlaneError;

/// More kinds than this are made ready again when they are needed.
const MOST: usize = 100;

/// Schemas that were made ready to check with, by the name of their kind: it takes longer than all else of a submit.
#[derive(Debug, Default)]
pub(super) struct Schemas(Mutex<HashMap<String, Ready>>);

#[derive(Debug)]
struct Ready {
    schema: Value,
    validator: Arc<Validator>,
}

impl Schemas {
    /// The first place of the payload that the kind's schema refuses, with what it wants there.
    pub(super) fn check(&self, kind: &KindInfo, payload: &Value) -> Result<(), PlaneError> {
        let validator = self.validator(kind)?;
        let mut errors = validator.iter_errors(payload).peekable();
        let Some(place) = errors.peek().map(|error| error.instance_path().clone()) else { return Ok(()) };
        // All of one place: a misspelled name is unexpected, and the right one is missing.
        let mut said: Vec<_> =
            errors.filter(|error| *error.instance_path() == place).map(|error| in_words(&error)).collect();
        said.sort();
        Err(PlaneError::invalid(&format!("/config_snapshot{place}"), said.join("; ")))
    }

    /// Runners of two versions may publish two schemas under one name: the one that is asked for counts.
    fn validator(&self, kind: &KindInfo) -> Result<Arc<Validator>, PlaneError> {
        if let Some(ready) = self.all().get(&kind.kind).filter(|ready| ready.schema == kind.schema) {
            return Ok(Arc::clone(&ready.validator));
        }
        // Without the lock: of a large schema it takes long.
        let validator = jsonschema::draft202012::new(&kind.schema).map_err(|error| {
            PlaneError::invalid("/job_type", format!("the schema of kind {:?} is damaged: {error}", kind.kind))
        })?;
        let validator = Arc::new(validator);
        let mut all = self.all();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(kind.kind.clone(), Ready { schema: kind.schema.clone(), validator: Arc::clone(&validator) });
        Ok(validator)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Ready>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong, and what would be right where there is a choice. What was said there is not repeated: it may be a secret.
fn in_words(error: &ValidationError<'_>) -> String {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) = error.kind() else {
        return error.masked_with("it").to_string();
    };
    let firsts: Vec<_> = context.iter().filter_map(|form| form.first()).collect();
    let words = firsts.iter().map(|first| match first.kind() {
        ValidationErrorKind::Constant { expected_value } => Some(expected_value.to_string()),
        _ => None,
    });
    if let Some(words) = words.collect::<Option<Vec<_>>>() {
        return format!("it is none of: {}", words.join(", "));
    }
    let forms = firsts.iter().map(|first| match first.instance_path().as_str() {
        "" => in_words(first),
        path => format!("{path}: {}", in_words(first)),
    });
    format!("it has none of the forms that are allowed: {}", forms.collect::<Vec<_>>().join("; or: "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wire::LossPolicy;

    use super::*;

    fn kind(schema: Value) -> KindInfo {
        let (kind, summary, tools) = ("k".to_owned(), String::new(), Vec::new());
        KindInfo { kind, summary, schema, loss: LossPolicy::Requeue, timeout_s: 1, grace_s: 1, tools, exclusive: None }
    }

    #[test]
    fn the_schema_that_is_asked_for_counts() {
        let schemas = Schemas::default();
        let (text, number) = (kind(json!({ "type": "string" })), kind(json!({ "type": "number" })));
        for _ in 0..2 {
            schemas.check(&text, &json!("a")).unwrap();
            schemas.check(&number, &json!("a")).unwrap_err();
            schemas.check(&number, &json!(1)).unwrap();
        }
    }
}
