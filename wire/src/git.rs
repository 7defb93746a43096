//! Tokens for the git hosts of an organisation.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// `PUT /api/git-credentials/{host}`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitCredentialRequest {
    /// What git sends as a password. A secret.
    pub token: String,
}

/// A host that there is a token for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitCredentialInfo {
    /// With the port where it is not 443.
    pub host: String,
    /// When the token was put.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

impl std::fmt::Debug for GitCredentialRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GitCredentialRequest(hidden)")
    }
}

/// `POST /api/jobs/{id}/git-token`. The seed's clients send nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitTokenRequest {
    /// The host that it is for; the one that the job names if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// The answer to it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitTokenAnswer {
    /// None if there is none. A secret.
    #[serde(default)]
    pub token: Option<String>,
    /// The host that it is for. A plane of the seed's contract does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl std::fmt::Debug for GitTokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GitTokenAnswer(hidden)")
    }
}
