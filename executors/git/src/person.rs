//! Who made a commit.

use crate::failure::{Field, GitError};

const MOST_BYTES: usize = 255;

/// Name and address of an author or a committer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    name: String,
    email: String,
}

impl Person {
    /// Checks what git would refuse or change in silence.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Author`].
    pub fn new(name: &str, email: &str) -> Result<Self, GitError> {
        for (what, text) in [("name", name), ("address", email)] {
            if !is_literal(text) {
                let form = "has 1 to 255 bytes, no '<', '>' and control characters, and begins and ends with neither space nor punctuation";
                return Err(GitError::invalid(Field::Author, format!("the {what} of an author {form}")));
            }
        }
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn email(&self) -> &str {
        &self.email
    }
}

/// Whether git keeps it as it is: it strips these from both ends (`crud` in its ident.c).
fn is_literal(text: &str) -> bool {
    let is_crud = |c: char| c <= ' ' || matches!(c, '.' | ',' | ':' | ';' | '<' | '>' | '"' | '\\' | '\'');
    (1..=MOST_BYTES).contains(&text.len())
        && !text.chars().any(|c| c.is_control() || matches!(c, '<' | '>'))
        && !text.starts_with(is_crud)
        && !text.ends_with(is_crud)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_would_change_is_refused() {
        let long = "x".repeat(100 * 1024);
        for bad in ["", " ", "a\nb", "a\0b", "a\r", "<", "a <b>", ".", "a.", "\"a\"", "\u{1b}[2J", &long] {
            assert_eq!(Person::new(bad, "a@example.com").expect_err(bad).field(), Some(Field::Author), "{bad:?}");
            assert_eq!(Person::new("a", bad).expect_err(bad).field(), Some(Field::Author), "{bad:?}");
        }
        for good in ["A B", "-x", "--author=x", "$(id)", "@file", "a,b={c}", "J\u{f6}rg", "`id`"] {
            assert!(Person::new(good, good).is_ok(), "{good:?}");
        }
    }
}
