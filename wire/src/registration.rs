//! How a runner comes to be known, and how the plane shows it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{KindInfo, RunnerId, RunnerStatus, Timestamp};

/// Whom a runner works for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunnerMode {
    /// For the one organisation that registered it.
    #[default]
    SelfHosted,
    /// For all organisations, run by the platform.
    CloudHosted,
}

impl RunnerMode {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfHosted => "self-hosted",
            Self::CloudHosted => "cloud-hosted",
        }
    }
}

impl std::str::FromStr for RunnerMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "self-hosted" => Ok(Self::SelfHosted),
            "cloud-hosted" => Ok(Self::CloudHosted),
            _ => Err("a mode is self-hosted or cloud-hosted".to_owned()),
        }
    }
}

/// `POST /api/runners/register`, with a user's token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegisterRequest {
    /// 1 to 64 printable characters, unique in its organisation.
    pub name: String,
    /// Whom it works for.
    pub mode: RunnerMode,
    /// What it offers to jobs that ask for labels.
    pub labels: Map<String, Value>,
    /// The only identity whose jobs it takes, besides those that are assigned to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_identity_id: Option<String>,
}

/// The token is shown this once and stored only as a digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisterAnswer {
    /// The new runner.
    #[serde(alias = "worker")]
    pub runner: RunnerInfo,
    /// 32 random bytes as hexadecimal digits. A secret.
    #[serde(alias = "worker_token")]
    pub runner_token: String,
}

/// A runner, as list and show return it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerInfo {
    /// Which runner.
    pub id: RunnerId,
    /// What people call it.
    pub name: String,
    /// Whom it works for.
    #[serde(default)]
    pub mode: RunnerMode,
    /// ONLINE within 60 s of a heartbeat.
    pub status: RunnerStatus,
    /// When it was last heard of.
    #[serde(default)]
    pub last_heartbeat: Option<Timestamp>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// What it offers.
    #[serde(default)]
    pub labels: Map<String, Value>,
    /// The only identity whose jobs it takes, besides those that are assigned to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_identity_id: Option<String>,
    /// The kinds that it links.
    #[serde(default)]
    pub kinds: Vec<KindInfo>,
    /// The jobs that it holds now.
    #[serde(default)]
    pub jobs: Vec<crate::JobId>,
    /// Free for its operator to use; `PATCH .../metadata` replaces it.
    #[serde(default)]
    pub metadata: Option<Value>,
    /// When it was registered.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}
