//! What jobs deliver besides their log, as lists show it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

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
