//! A folder in a repository, as a payload names it.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::failure::{Field, GitError};

const MOST_BYTES: usize = 1024;

/// A relative path that stays in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPath(PathBuf);

impl FolderPath {
    /// Checks a path: relative, with `/` between its parts.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Path`].
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let wrong =
            |why: &str| Err(GitError::invalid(Field::Path, format!("the path {why}; name a folder of the repository")));
        if text.is_empty() || text.len() > MOST_BYTES {
            return wrong("must have 1 to 1024 bytes");
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return wrong("holds a control character or a backslash");
        }
        let mut clean = PathBuf::new();
        for component in Path::new(text).components() {
            match component {
                Component::Normal(part) if part.eq_ignore_ascii_case(".git") => return wrong("leads into .git"),
                Component::Normal(part) if part.len() <= 255 => clean.push(part),
                Component::Normal(_) => return wrong("has a part of more than 255 bytes"),
                Component::CurDir => {}
                _ => return wrong("must be relative and must not contain '..'"),
            }
        }
        Ok(Self(clean))
    }

    /// The path, without `.` parts; empty for the root of the repository.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_the_repository_is_refused() {
        let long = "x".repeat(100 * 1024);
        for bad in [
            "",
            "/etc",
            "../x",
            "a/../../x",
            "a/..",
            "a\\b",
            "a\nb",
            "a\0b",
            ".git",
            "a/.GIT/b",
            &"x".repeat(256),
            &long,
        ] {
            assert_eq!(FolderPath::parse(bad).expect_err(bad).field(), Some(Field::Path), "{bad:?}");
        }
        for good in ["a", "./a/b", "a//b", ".", "-x", "--upload-pack=x", "$(id)", "@file", "a,b={c}", "..a"] {
            assert!(FolderPath::parse(good).is_ok(), "{good:?}");
        }
    }
}
