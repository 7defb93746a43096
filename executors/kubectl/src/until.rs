//! What `kubectl wait` waits for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to wait for. Exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Until {
    /// A condition of the objects, for example `Available`.
    Condition(String),
    /// A condition that is not true.
    ConditionFalse(String),
    /// A field has a value.
    Jsonpath {
        /// For example `{.status.phase}`.
        path: String,
        /// For example `Running`.
        value: String,
    },
    /// The objects are there. Needs kubectl 1.31.
    Created {},
    /// The objects are gone.
    Deleted {},
}

impl Until {
    /// What is wrong, and the place of it below this.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_word = |text: &str| {
            let inside = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
            (1..=316).contains(&text.len()) && text.bytes().all(inside) && !text.starts_with('-')
        };
        let is_line = |text: &str| text.len() <= 1024 && !text.chars().any(char::is_control);
        match self {
            Self::Condition(name) if !is_word(name) => Err(("/condition", NO_CONDITION)),
            Self::ConditionFalse(name) if !is_word(name) => Err(("/condition_false", NO_CONDITION)),
            Self::Jsonpath { path, .. } if !is_line(path) || !path.starts_with('{') || !path.ends_with('}') => {
                Err(("/jsonpath/path", "give a path in braces, for example `{.status.phase}`"))
            }
            Self::Jsonpath { value, .. } if value.is_empty() || !is_line(value) => {
                Err(("/jsonpath/value", "a value has 1 to 1024 bytes in one line"))
            }
            _ => Ok(()),
        }
    }

    /// For `--for=`.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Condition(name) => format!("condition={name}"),
            Self::ConditionFalse(name) => format!("condition={name}=false"),
            Self::Jsonpath { path, value } => format!("jsonpath={path}={value}"),
            Self::Created {} => "create".to_owned(),
            Self::Deleted {} => "delete".to_owned(),
        }
    }
}

const NO_CONDITION: &str = "give the type of a condition, for example `Available`";
