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
    /// Its id once more, where the contract's platform clients look for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<RunnerId>,
}

/// `POST /api/cli/runners/deploy`, with a user's token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeployRunnerRequest {
    /// 1 to 64 printable characters, unique in its organisation.
    pub name: String,
    /// Who deploys it, and whose jobs it takes.
    pub cloud_identity_id: String,
    /// Where it will run.
    pub region: String,
    /// Whom it works for.
    pub mode: RunnerMode,
    /// The runner that deploys it; any if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_runner_id: Option<RunnerId>,
    /// What it offers to jobs that ask for labels.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map<String, Value>,
    /// More of the payload of `DEPLOY_RUNNER`, for example `subnet_ids`.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

/// 201 of `POST /api/cli/runners/deploy`. The token goes to the job and is shown to nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeployRunnerAnswer {
    /// The new runner.
    pub runner: RunnerInfo,
    /// The job that deploys it.
    pub job: crate::Job,
}

/// `POST /api/runners/{id}/update`, with a user's token: the plane's image if it says neither repository nor tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateRunnerRequest {
    /// The image, without tag; the one that the runner has if only a tag is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_repository: Option<String>,
    /// Its tag or digest; `latest` if only a repository is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
    /// The runner that does it; any if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_runner_id: Option<RunnerId>,
}

/// 200 of `POST /api/platform/queue`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueDemand {
    /// Jobs that were taken from lost runners and wait again.
    pub recovered: u64,
    /// Jobs that could be claimed now. One that waits for another on the same thing could not.
    pub queued: u64,
    /// Jobs that runners hold.
    pub running: u64,
    /// For how many seconds there has been nothing to do; 0 while there is.
    pub idle_s: u64,
    /// Per runner: each is a pool of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<RunnerDemand>,
}

/// The work that there is for one runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerDemand {
    /// Which runner.
    pub runner_id: RunnerId,
    /// What people call it.
    pub name: String,
    /// Whether it is there.
    pub status: RunnerStatus,
    /// Jobs that it could claim now.
    pub queued: u64,
    /// Jobs that it holds.
    pub running: u64,
    /// For how many seconds there has been nothing to do for it; 0 while there is.
    pub idle_s: u64,
    /// Whether it can be stopped without a loss.
    pub drainable: bool,
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
    /// How a job has deployed it; none if it was set up by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_config: Option<Value>,
    /// When it was registered.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}
