//! A job as the contract shows it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AttemptNo, JobId, RunnerId, Timestamp, time};

/// Where a job stands. The last three are terminal: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobStatus {
    /// Waits for a runner.
    Queued,
    /// Handed to a runner that has not said yet that it started.
    Claimed,
    /// Runs.
    Processing,
    /// Ended well.
    Success,
    /// Ended badly, or nobody knows how.
    Failed,
    /// Somebody asked for its end before it came to it.
    Cancelled,
}

impl JobStatus {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Claimed, Self::Processing, Self::Success, Self::Failed, Self::Cancelled];

    /// Whether nothing may change any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Claimed => "CLAIMED",
            Self::Processing => "PROCESSING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for JobStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// Why a text is not a status.
#[derive(Debug, thiserror::Error)]
#[error("a status is one of QUEUED, CLAIMED, PROCESSING, SUCCESS, FAILED, CANCELLED")]
pub struct UnknownStatus;

/// How far the current attempt has come. It decides what may happen when its runner is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing in the world has changed yet.
    #[default]
    Preparing,
    /// The executor said "from here on I change the world". Never run again by us.
    Committed,
    /// The tool has ended; log and outcome are on their way.
    Ending,
}

impl Phase {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Committed => "committed",
            Self::Ending => "ending",
        }
    }
}

/// A job, as claim, list and show return it.
///
/// The names are those of the seed's contract; `kind` is there `job_type`. What a plane of that contract does not
/// send has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Which job.
    pub id: JobId,
    /// What kind of executor runs it, for example `terraform` or `PLAN`.
    pub job_type: String,
    /// The payload: what the kind's JSON Schema describes.
    #[serde(default)]
    pub config_snapshot: Value,
    /// Where it stands.
    pub status: JobStatus,
    /// The current or last attempt; 0 while it was never claimed.
    #[serde(default)]
    pub attempt: u32,
    /// How far the current attempt has come.
    #[serde(default)]
    pub phase: Phase,
    /// Why it stands where it stands, in one word where there is one: see [`crate::Reason`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who may see it.
    #[serde(default)]
    pub org_id: Option<String>,
    /// Who submitted it.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Who runs it or ran it last.
    #[serde(default, alias = "worker_id")]
    pub runner_id: Option<RunnerId>,
    /// The only runner that may claim it.
    #[serde(default, alias = "assigned_worker_id")]
    pub assigned_runner_id: Option<RunnerId>,
    /// The job whose plan this one applies.
    #[serde(default)]
    pub plan_job_id: Option<JobId>,
    /// The identity at a cloud provider that it needs.
    #[serde(default)]
    pub cloud_identity_id: Option<String>,
    /// Digest of the configuration, as the submitter computed it.
    #[serde(default)]
    pub configuration_hash: Option<String>,
    /// What it works on: of the jobs of one organisation with the same key, one runs at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// A runner must carry all of these to claim it.
    #[serde(default)]
    pub labels: Map<String, Value>,
    /// Set by the submitter; the kind's own timeout otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// What went wrong.
    #[serde(default)]
    pub error_message: Option<String>,
    /// What the executor reported, merged key by key.
    #[serde(default)]
    pub execution_metadata: Option<Value>,
    /// Whether every byte of the log is stored and its digest was confirmed; none while it runs.
    #[serde(default)]
    pub log_complete: Option<bool>,
    /// Bytes of log stored so far.
    #[serde(default)]
    pub log_length: u64,
    /// A person asked for its end.
    #[serde(default)]
    pub cancel_requested: bool,
    /// When it was submitted.
    #[serde(default, deserialize_with = "time::lenient")]
    pub created_at: Option<Timestamp>,
    /// When it was last claimed.
    #[serde(default, deserialize_with = "time::lenient")]
    pub claimed_at: Option<Timestamp>,
    /// When it first ran.
    #[serde(default, deserialize_with = "time::lenient")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "time::lenient")]
    pub completed_at: Option<Timestamp>,
    /// When the row last changed.
    #[serde(default, deserialize_with = "time::lenient")]
    pub updated_at: Option<Timestamp>,
}

impl Job {
    /// The attempt to write with; a plane that knows none means the first.
    #[must_use]
    pub fn attempt_no(&self) -> AttemptNo {
        AttemptNo(self.attempt.max(1))
    }
}
