//! What jobs deliver besides their log, as lists show it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Whether a text can be an artifact's name: safe in a header, a URL and a file system.
#[must_use]
pub fn is_artifact_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// What [`is_artifact_name`] asks for, in words.
pub const ARTIFACT_NAME_FORM: &str =
    "an artifact's name has 1 to 64 letters, digits, '.', '_' or '-', and does not start with '.'";

/// An artifact. A secret one has neither digest nor size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactInfo {
    /// What it is called.
    pub name: String,
    /// The attempt that delivered it.
    pub attempt: u32,
    /// SHA-256 of its bytes in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// What its sender said that it is.
    pub media_type: String,
    /// When it came.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

/// `GET /api/jobs/{id}/artifacts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactList {
    /// By name and then attempt; secrets come last.
    pub artifacts: Vec<ArtifactInfo>,
}
