//! What a sync is asked to do.

use std::fmt;

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// A branch, a tag or a commit, or a chart's version, instead of what the application says.
    pub revision: Option<String>,
    /// Delete what is no longer in the source.
    pub prune: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Replace what cannot be changed.
    pub force: bool,
    /// Only these.
    pub resources: Vec<SyncResource>,
}

/// One resource of an application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncResource {
    /// Empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// For example `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace, where there are more of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl SyncResource {
    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        let parts = [("kind", Some(&self.kind)), ("name", Some(&self.name)), ("namespace", self.namespace.as_ref())];
        for (field, text) in parts.into_iter().chain([("group", Some(&self.group).filter(|group| !group.is_empty()))]) {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            if text.is_some_and(|text| {
                !(1..=253).contains(&text.len()) || !text.bytes().all(fits) || text.starts_with('-')
            }) {
                let why = "give 1 to 253 letters, digits, '-', '.' and '_', and no '-' at the beginning";
                return Err(ExecutorError::invalid(&format!("{pointer}/{field}"), why));
            }
        }
        Ok(())
    }
}

/// As Argo CD's program takes it.
impl fmt::Display for SyncResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.group, self.kind)?;
        self.namespace.iter().try_for_each(|namespace| write!(f, "{namespace}/"))?;
        f.write_str(&self.name)
    }
}
