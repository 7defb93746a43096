//! The name of a release, checked.

use std::fmt;

use executor_api::{ExecutorError, is_label, is_subdomain};

/// A release's name and its namespace. Both are words of Kubernetes: neither can be taken for an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    name: String,
    namespace: String,
}

impl Release {
    /// Checks both as helm and Kubernetes would.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] at `/release` or `/namespace`.
    pub fn new(name: &str, namespace: &str) -> Result<Self, ExecutorError> {
        if name.len() > 53 || !is_subdomain(name) {
            let error = "a release's name has 1 to 53 lower-case letters, digits, '-' and '.', and begins and ends with \
                         a letter or a digit";
            return Err(ExecutorError::invalid("/release", error));
        }
        if !is_label(namespace) {
            let error = "a namespace has 1 to 63 lower-case letters, digits and '-', and begins and ends with a letter \
                         or a digit";
            return Err(ExecutorError::invalid("/namespace", error));
        }
        Ok(Self { name: name.to_owned(), namespace: namespace.to_owned() })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_kubernetes_are_names() {
        let long = "a".repeat(54);
        for bad in
            ["", "-n", "--post-renderer=/bin/sh", "A_B", "a b", "a\nb", "a\0", "a.", ".a", "a..b", "a-", "ä", &long]
        {
            assert!(Release::new(bad, "x").unwrap_err().to_string().starts_with("/release: "), "{bad:?}");
        }
        for bad in ["", "-n", "a.b", "A", "$(id)", "kube-system ", &"a".repeat(64)] {
            assert!(Release::new("x", bad).unwrap_err().to_string().starts_with("/namespace: "), "{bad:?}");
        }
        for good in ["a", "web-1", "my.rel.1", "0", &"a".repeat(53)] {
            assert_eq!(Release::new(good, "team-a").unwrap().to_string(), format!("team-a/{good}"));
        }
    }
}
