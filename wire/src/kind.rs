//! What a runner publishes about a kind of job that it can run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Exclusive;

/// What may happen to a job of a kind when its runner is lost. None that has passed its commit point is run again, whatever its
/// kind says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossPolicy {
    /// It only reads: run it again as a new attempt.
    Requeue,
    /// It changes the world: run it again only while it has not passed its commit point.
    RequeueBeforeCommit,
    /// Never run it again.
    Fail,
}

/// A kind of job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindInfo {
    /// The key, for example `terraform`: what a job names as its `job_type`.
    pub kind: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema (2020-12) of the payload.
    pub schema: Value,
    /// What may happen when its runner is lost.
    pub loss: LossPolicy,
    /// How long a job may run where its submitter says nothing, in seconds.
    pub timeout_s: u64,
    /// How long its tool has to stop after a cancel, in seconds.
    pub grace_s: u64,
    /// The command-line tools that it needs.
    #[serde(default)]
    pub tools: Vec<ToolInfo>,
    /// What two of its jobs must not work on at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive: Option<Exclusive>,
}

/// A command-line tool that a kind needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolInfo {
    /// The name of the program.
    pub name: String,
    /// The versions that work, as a semver requirement.
    pub versions: String,
    /// The version found on the runner, where it was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}
