//! What a user's client sends and gets.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Job, JobId, RunnerId};

/// `POST /api/jobs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubmitRequest {
    /// The kind.
    pub job_type: String,
    /// The payload; checked against the kind's JSON Schema.
    pub config_snapshot: Value,
    /// The job whose plan this one applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_job_id: Option<JobId>,
    /// The only runner that may claim it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_runner_id: Option<RunnerId>,
    /// The identity at a cloud provider that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_identity_id: Option<String>,
    /// What it works on: of the jobs of one organisation with the same key, one runs at a time. That of the plan that it
    /// applies, or of its kind, if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// A runner must carry all of these to claim it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map<String, Value>,
    /// How long it may run, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
}

/// 201 of `POST /api/jobs`, and 200 of retry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubmitAnswer {
    /// The new job.
    pub job: Job,
}

/// `GET /api/jobs?status=&kind=&limit=&offset=`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobList {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// How many there are in all.
    pub total: u64,
    /// At most this many were asked for.
    pub limit: u32,
    /// Starting here.
    pub offset: u64,
}

/// 201 of `POST /api/sources` (a tar.gz of at most 50 MB).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceAnswer {
    /// SHA-256 of the archive in hexadecimal digits: what a payload names as `{"archive": id}`.
    pub id: String,
    /// Its size.
    pub size_bytes: u64,
}
