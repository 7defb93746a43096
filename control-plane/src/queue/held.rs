//! A job that a runner holds, as far as its lease and the runner's other work go: without its payload and what was
//! reported of it, which may be large.

use wire::{AttemptNo, JobId, JobStatus, LossPolicy, Phase, RunnerId, Timestamp};

use super::Row;

/// A job that a runner holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// Which job.
    pub id: JobId,
    /// Whose it is.
    pub org: Option<String>,
    /// Who it is at a cloud.
    pub cloud_identity: Option<String>,
    /// The job whose plan it applies.
    pub plan: Option<JobId>,
    /// Who holds it.
    pub runner: Option<RunnerId>,
    /// CLAIMED or PROCESSING.
    pub status: JobStatus,
    /// As which attempt.
    pub attempt: AttemptNo,
    /// How far it has come.
    pub phase: Phase,
    /// Since when it is held.
    pub claimed_at: Option<Timestamp>,
    /// Somebody wants its end.
    pub cancel_requested: bool,
    /// And its end without grace.
    pub cancel_force: bool,
    /// What may happen when its runner is lost.
    pub loss: LossPolicy,
    /// The claim that made the attempt.
    pub request_id: Option<String>,
    /// Its runner has shown that it has the attempt.
    pub confirmed: bool,
    /// Until when the attempt is its runner's.
    pub lease_until: Timestamp,
}

impl Held {
    /// The same of a whole row.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let job = &row.job;
        Self {
            id: job.id.clone(),
            org: job.org_id.clone(),
            cloud_identity: job.cloud_identity_id.clone(),
            plan: job.plan_job_id.clone(),
            runner: job.runner_id.clone(),
            status: job.status,
            attempt: job.attempt_no(),
            phase: job.phase,
            claimed_at: job.claimed_at,
            cancel_requested: job.cancel_requested,
            cancel_force: row.cancel_force,
            loss: row.loss,
            request_id: row.request_id.clone(),
            confirmed: row.confirmed,
            lease_until: row.lease_until,
        }
    }

    /// Of these jobs the ones that a runner holds.
    pub fn by<'h>(runner: &RunnerId, held: &'h [Self]) -> impl Iterator<Item = &'h Self> {
        held.iter().filter(move |held| held.runner.as_ref() == Some(runner))
    }
}
