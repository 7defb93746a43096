//! Runner says that it lives, plane says what it wants.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AttemptNo, JobId, KindInfo, Phase, RunnerId};

/// The protocol that this crate speaks. A heartbeat's answer without it comes from a plane of the seed's contract.
pub const PROTOCOL: u32 = 2;

/// What a runner says of itself, and what a plane thinks of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunnerStatus {
    /// Takes jobs.
    #[default]
    Online,
    /// Finishes what it has and takes no more.
    Draining,
    /// Gone.
    Offline,
}

impl RunnerStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "ONLINE",
            Self::Draining => "DRAINING",
            Self::Offline => "OFFLINE",
        }
    }
}

/// `POST /api/workers/heartbeat`. Every field may be missing, as in the seed's contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Heartbeat {
    /// The runner, again; the headers decide.
    #[serde(alias = "runner_id", skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<RunnerId>,
    /// What the runner does.
    pub status: RunnerStatus,
    /// One of the jobs it runs, as the seed has it.
    pub current_job_id: Option<JobId>,
    /// The runner's version.
    pub version: String,
    /// The highest protocol it speaks; missing means the seed's contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// Names the state directory: the plane refuses a second one for a runner that is alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// All jobs it holds, whose leases it asks to extend.
    pub jobs: Vec<HeldJob>,
    /// The kinds that it links, sent once, when the plane has answered the first heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<KindInfo>>,
    /// What it offers besides what it was registered with, sent with `kinds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Map<String, Value>>,
}

/// A job that a runner holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldJob {
    /// Which job.
    pub id: JobId,
    /// Which claim of it.
    pub attempt: AttemptNo,
    /// How far it has come.
    #[serde(default)]
    pub phase: Phase,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeartbeatAnswer {
    /// Always true, for clients of the seed's contract.
    pub success: bool,
    /// The protocol of the plane; missing means the seed's contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// How long the leases now last, in seconds from the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_s: Option<u64>,
    /// Jobs to stop.
    pub cancel: Vec<CancelOrder>,
    /// Attempts among the ones sent that this runner holds no more.
    pub lost: Vec<HeldJob>,
    /// The plane wants the runner to finish what it has and leave.
    pub drain: bool,
}

/// A job to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    /// Which job.
    pub job_id: JobId,
    /// Which claim of it.
    pub attempt: AttemptNo,
    /// Skip the grace; only a person asks for that.
    #[serde(default)]
    pub force: bool,
}

/// One server-sent event of `GET /api/runners/{id}/events`. The event's name is the variant, its data the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunnerEvent {
    /// `event: cancel`
    Cancel(CancelOrder),
    /// `event: drain`
    Drain,
}
