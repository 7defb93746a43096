//! A waiting job, as far as a claim must know it: without its payload, which may be large.

use serde_json::{Map, Value};
use wire::{Job, JobId, RunnerId};

/// A job that waits for a runner.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Which job.
    pub id: JobId,
    /// Whose it is.
    pub org: Option<String>,
    /// Its kind.
    pub kind: String,
    /// How often it was taken before.
    pub attempt: u32,
    /// The only runner that may take it.
    pub assigned_runner: Option<RunnerId>,
    /// Who it is at a cloud.
    pub cloud_identity: Option<String>,
    /// What it works on.
    pub concurrency_key: Option<String>,
    /// What its runner must offer.
    pub labels: Map<String, Value>,
}

impl Offer {
    /// What a claim must know of a job.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        Self {
            id: job.id.clone(),
            org: job.org_id.clone(),
            kind: job.job_type.clone(),
            attempt: job.attempt,
            assigned_runner: job.assigned_runner_id.clone(),
            cloud_identity: job.cloud_identity_id.clone(),
            concurrency_key: job.concurrency_key.clone(),
            labels: job.labels.clone(),
        }
    }
}
