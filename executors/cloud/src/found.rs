//! What a discovery comes back with, and how it is shown.

use executor_api::{ExecutorError, Outcome};
use serde::Serialize;
#[cfg(any(feature = "gcp", feature = "azure"))]
use serde_json::Map;
use serde_json::{Value, json};

#[cfg(any(feature = "gcp", feature = "azure"))]
use crate::http::HttpError;

/// What there is at a cloud, as far as it could be read.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In the shape that the provider's user interface knows.
    pub cached_resources: Value,
    /// What was tried, and whether the identity may do it.
    pub reads: Vec<Read>,
    /// What could not be read, and where.
    pub errors: Vec<FetchError>,
}

/// A call that discovery makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Read {
    /// In the provider's own words: what a policy or a role has to allow.
    pub action: String,
    /// Whether it worked at least once.
    pub allowed: bool,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FetchError {
    /// For example `ec2`.
    pub service: String,
    /// For example `ec2:DescribeVpcs`.
    pub action: String,
    /// Where, if it was somewhere.
    pub region: Option<String>,
    /// The provider's word for it.
    pub code: String,
    /// What it said.
    pub message: String,
}

impl Found {
    /// Notes that a call was made.
    pub(crate) fn read(&mut self, action: &str, worked: bool) {
        match self.reads.iter_mut().find(|read| read.action == action) {
            Some(read) => read.allowed |= worked,
            None => self.reads.push(Read { action: action.to_owned(), allowed: worked }),
        }
    }

    /// Notes how a call went and gives what it brought.
    pub(crate) fn taken<T>(&mut self, action: &str, result: Result<T, FetchError>) -> Option<T> {
        match result {
            Ok(brought) => {
                self.read(action, true);
                Some(brought)
            }
            Err(error) => {
                self.failed(error);
                None
            }
        }
    }

    /// Notes that a call failed.
    pub(crate) fn failed(&mut self, error: FetchError) {
        self.read(&error.action, false);
        self.errors.push(error);
    }

    /// What the identity may not read at all.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.reads.iter().filter(|read| !read.allowed).map(|read| read.action.as_str()).collect()
    }

    /// Puts everything into the one order that it always has.
    pub(crate) fn sorted(mut self) -> Self {
        self.errors.sort();
        self
    }

    pub(crate) fn outcome(self) -> Outcome {
        Outcome::success().with("cached_resources", self.cached_resources).with("errors", json!(self.errors))
    }

    /// The first error as the job's own, where nothing at all could be read.
    pub(crate) fn error(&self) -> ExecutorError {
        let first = self.errors.first().map(ToString::to_string);
        ExecutorError::Other(format!("nothing could be read: {}", first.unwrap_or_default()))
    }
}

#[cfg(any(feature = "gcp", feature = "azure"))]
impl FetchError {
    /// Of a call that is for no region alone.
    pub(crate) fn of(service: &str, action: &str, error: &HttpError) -> Self {
        Self {
            service: service.to_owned(),
            action: action.to_owned(),
            region: None,
            code: error.code().to_owned(),
            message: error.to_string(),
        }
    }
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        write!(f, "{}{place}: {}", self.action, self.message)
    }
}

/// The same object under both spellings of its keys: `Name` and `name`. The original sends the first, and its own user
/// interface reads the second.
#[cfg(any(feature = "gcp", feature = "azure"))]
pub(crate) fn both_spellings(object: Value) -> Value {
    let Value::Object(fields) = object else { return object };
    let mut both = Map::new();
    for (key, value) in fields {
        both.insert(lower_camel(&key), value.clone());
        both.insert(key, value);
    }
    both.sort_keys();
    Value::Object(both)
}

#[cfg(any(feature = "gcp", feature = "azure"))]
fn lower_camel(key: &str) -> String {
    if key.chars().all(|c| c.is_ascii_uppercase()) {
        return key.to_ascii_lowercase();
    }
    let mut chars = key.chars();
    chars.next().map(|first| first.to_ascii_lowercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[cfg(all(test, any(feature = "gcp", feature = "azure")))]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_there() {
        let both = both_spellings(json!({ "ID": 1, "AddressPrefixes": [2] }));
        assert_eq!(both, json!({ "AddressPrefixes": [2], "ID": 1, "addressPrefixes": [2], "id": 1 }));
    }
}
