//! Names of branches, tags and commits.

use std::fmt;

use serde::Serialize;

use crate::failure::{Field, GitError};

const MOST_BYTES: usize = 255;

/// A branch, a tag or a whole commit id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitRef(String);

impl GitRef {
    /// Checks a name.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Ref`].
    pub fn parse(text: &str) -> Result<Self, GitError> {
        // `git fetch URL tag NAME` is something else than a ref of this name.
        if is_name(text) && text != "tag" {
            return Ok(Self(text.to_owned()));
        }
        let form = "a ref is a branch, a tag or a commit id: letters, digits, '.', '_', '/', '-', '+'";
        Err(GitError::invalid(Field::Ref, form))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A branch to push to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Branch(String);

impl Branch {
    /// Checks a name: without `refs/heads/`.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Branch`].
    pub fn parse(text: &str) -> Result<Self, GitError> {
        if is_name(text) && text != "HEAD" && !text.starts_with("refs/") {
            return Ok(Self(text.to_owned()));
        }
        let form = "a branch is letters, digits, '.', '_', '/', '-', '+', without refs/heads/, for example main";
        Err(GitError::invalid(Field::Branch, form))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subset of git-check-ref-format(1): no option, no range, no refspec, no force.
fn is_name(text: &str) -> bool {
    (1..=MOST_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-' | b'+'))
        && !text.starts_with(['-', '+'])
        && !text.contains("..")
        && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
        && !text.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_an_option_a_range_or_a_refspec() {
        let long = "x".repeat(100 * 1024);
        for bad in [
            "",
            "-h",
            "--output=x",
            "--force",
            "+main",
            "a:b",
            ":main",
            "a..b",
            "@",
            "@{-1}",
            "@file",
            "a,b={c}",
            "$(id)",
            "a b",
            "a\n",
            "a\0b",
            "a/",
            "/a",
            "a//b",
            "a.",
            "x.lock",
            "a.lock/b",
            ".x",
            "a/.b",
            "a~1",
            "a^",
            "a*",
            "a\\b",
            "ref\u{e9}",
            &long,
        ] {
            assert_eq!(GitRef::parse(bad).expect_err(bad).field(), Some(Field::Ref), "{bad:?}");
            assert_eq!(Branch::parse(bad).expect_err(bad).field(), Some(Field::Branch), "{bad:?}");
        }
        for good in ["main", "v1.2.3", "feature/x-1", "0123456789abcdef0123456789abcdef01234567", "a+b_c"] {
            assert_eq!(GitRef::parse(good).unwrap().as_str(), good);
            assert_eq!(Branch::parse(good).unwrap().as_str(), good);
        }
        assert!(GitRef::parse("refs/heads/main").is_ok() && GitRef::parse("HEAD").is_ok());
        assert!(GitRef::parse("tag").is_err());
        assert!(Branch::parse("refs/heads/main").is_err() && Branch::parse("HEAD").is_err());
    }
}
