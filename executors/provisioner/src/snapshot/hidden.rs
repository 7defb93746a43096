//! A secret of a snapshot.

use std::fmt;
use std::ops::Deref;

/// A text that nobody may see: it is never shown, and never written with the rest of a snapshot.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// None for an empty text.
    #[must_use]
    pub fn new(text: Option<String>) -> Option<Self> {
        text.filter(|text| !text.is_empty()).map(Self)
    }
}

impl Deref for Hidden {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}
