//! A job's row: what the contract shows, and what only the queue knows.

use serde_json::{Map, Value};
use wire::{Job, LossPolicy, Phase, Timestamp};

use super::transitions::{Event, next};
use crate::error::PlaneError;

/// What the metadata of a job may come to, over all its reports.
const METADATA_BYTES: usize = 16 << 20;

/// A job, as the queue sees it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the contract shows.
    pub job: Job,
    /// The secrets of its payload, encrypted.
    pub sealed: Option<String>,
    /// What may happen when its runner is lost; fixed at submission.
    pub loss: LossPolicy,
    /// The claim that made the current attempt.
    pub request_id: Option<String>,
    /// Its runner has shown that it has the attempt.
    pub confirmed: bool,
    /// Until when the attempt is its runner's.
    pub lease_until: Timestamp,
    /// Where the current attempt's log begins in the job's log; none until that is fixed, after the claim.
    pub log_base: Option<u64>,
    /// A person asked to skip the grace.
    pub cancel_force: bool,
    /// The job that has applied this job's plan.
    pub plan_used_by: Option<String>,
    /// Grows with every change.
    pub revision: i64,
}

impl Row {
    /// A job that nobody has taken yet.
    #[must_use]
    pub fn new(job: Job, loss: LossPolicy) -> Self {
        Self {
            job,
            sealed: None,
            loss,
            request_id: None,
            confirmed: false,
            lease_until: Timestamp::from_micros(0),
            log_base: Some(0),
            cancel_force: false,
            plan_used_by: None,
            revision: 0,
        }
    }

    /// Moves the status, or says why that cannot be.
    pub(super) fn apply(&mut self, event: Event) -> Result<(), PlaneError> {
        let from = self.job.status;
        self.job.status = next(from, event).ok_or_else(|| {
            PlaneError::Conflict(format!("job {} is {from}; that does not change any more", self.job.id))
        })?;
        Ok(())
    }

    /// Merges metadata key by key, not deeply, as the seed's contract has it; or says that it would be too much.
    pub(super) fn merge_metadata(&mut self, more: Option<Value>) -> Result<(), PlaneError> {
        let Some(Value::Object(more)) = more else { return Ok(()) };
        let mut all = match self.job.execution_metadata.take() {
            Some(Value::Object(all)) => all,
            _ => Map::new(),
        };
        all.extend(more);
        let all = Value::Object(all);
        if all.to_string().len() > METADATA_BYTES {
            let error = "the job's metadata would have more than 16 MiB; hand large results over as artifacts";
            return Err(PlaneError::TooLarge(error.to_owned()));
        }
        self.job.execution_metadata = Some(all);
        Ok(())
    }

    /// Ends the job, or makes it wait again: no runner has it from here on.
    pub(super) fn leave_runner(&mut self, now: Timestamp) {
        self.lease_until = Timestamp::from_micros(0);
        if self.job.status.is_terminal() {
            self.job.completed_at = Some(now);
        } else {
            self.job.runner_id = None;
            self.job.claimed_at = None;
            self.job.phase = Phase::Preparing;
            self.request_id = None;
            self.confirmed = false;
        }
    }

    /// The organisation that it belongs to.
    pub(crate) fn org(&self) -> &str {
        self.job.org_id.as_deref().unwrap_or_default()
    }
}
