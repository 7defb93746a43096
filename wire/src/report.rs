//! What a runner reports about a job, and how errors look.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Claim, ClaimRequest, JobStatus, Phase, Timestamp};

/// `PUT /api/jobs/{id}/status`. The first three fields are the seed's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// PROCESSING, SUCCESS, FAILED or CANCELLED.
    pub status: JobStatus,
    /// What went wrong, in words for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Merged into the job's metadata key by key, not deeply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_metadata: Option<Value>,
    /// How far the attempt has come. `committed` with PROCESSING is the commit point: 200 means "go".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Why it ended so, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Says what the whole log is; only with a terminal status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogSummary>,
    /// When it really ended; the report may come much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What to claim once an end is taken: the slot is free then. Never waited for; the next job is in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ClaimRequest>,
}

impl StatusReport {
    /// A report that says no more than this.
    #[must_use]
    pub fn of(status: JobStatus) -> Self {
        let (error_message, execution_metadata, phase, reason, log, finished_at, next) = Default::default();
        Self { status, error_message, execution_metadata, phase, reason, log, finished_at, next }
    }
}

/// The answer to a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// It was taken.
    pub success: bool,
    /// The job for [`StatusReport::next`], if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

/// The whole log of one attempt, as the runner has it on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSummary {
    /// Bytes of log.
    pub length: u64,
    /// SHA-256 of those bytes, in hexadecimal digits.
    pub sha256: String,
    /// Bytes that a tool wrote and the runner could not keep (its limit, or a full disk). 0 means none.
    #[serde(default)]
    pub dropped_bytes: u64,
}

/// Why a job ended or waits, for programs. People read `error_message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The payload or its inputs are wrong; trying again will not help.
    InvalidInput,
    /// A tool ended with an error.
    ToolFailed,
    /// Something in the runner failed before or around the tool.
    RunnerError,
    /// The executor panicked.
    Panicked,
    /// The job process ended without an outcome (killed, out of memory).
    ProcessLost,
    /// A person cancelled it.
    CancelledByUser,
    /// It ran longer than it may.
    TimedOut,
    /// The runner had to leave and its drain time was over.
    RunnerShutdown,
    /// The lease went to another attempt.
    LeaseLost,
    /// Its runner was lost; it is queued again as a new attempt.
    RunnerLost,
    /// Its runner was lost after the commit point: nobody knows how far it came.
    OutcomeUnknown,
}

impl Reason {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::ToolFailed => "tool_failed",
            Self::RunnerError => "runner_error",
            Self::Panicked => "panicked",
            Self::ProcessLost => "process_lost",
            Self::CancelledByUser => "cancelled_by_user",
            Self::TimedOut => "timed_out",
            Self::RunnerShutdown => "runner_shutdown",
            Self::LeaseLost => "lease_lost",
            Self::RunnerLost => "runner_lost",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }
}

/// Every error answer: `{"error": "..."}`, with the place in the body where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A sentence for a person, with the remedy.
    pub error: String,
    /// JSON pointer into the request body, for example `/config_snapshot/action`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}
