//! Who may write to a job now. Small enough to be kept in memory for every job that anybody writes to, so that a line of
//! log asks no database.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wire::{AttemptNo, JobId, JobStatus, RunnerId, RunnerMode};

use super::{Queue, Row};
use crate::directory::Runner;
use crate::error::PlaneError;

/// Entries above which the ones of jobs that nobody holds are forgotten.
const MANY: usize = 4096;

/// A job, as far as a write to it must know it.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) job: JobId,
    pub(crate) status: JobStatus,
    /// Where the attempt's log begins in the job's log.
    pub(crate) log_base: Option<u64>,
    pub(crate) org: Option<String>,
    pub(crate) runner: Option<RunnerId>,
    pub(crate) attempt: AttemptNo,
    revision: i64,
}

impl Holding {
    /// Whether `attempt` of this job is this runner's. A runner that knows only the seed's contract names none.
    pub(crate) fn check(&self, runner: &RunnerId, attempt: AttemptNo) -> Result<(), PlaneError> {
        let lost = || PlaneError::LeaseLost { job: self.job.clone(), attempt };
        match &self.runner {
            _ if self.attempt != attempt => Err(lost()),
            Some(holder) if holder == runner => Ok(()),
            Some(_) => Err(PlaneError::NotYours),
            // It was taken from its runner, and nobody has it.
            None => Err(lost()),
        }
    }

    pub(crate) fn is_held_by(&self, runner: &RunnerId) -> bool {
        self.is_held() && self.runner.as_ref() == Some(runner)
    }

    fn is_held(&self) -> bool {
        matches!(self.status, JobStatus::Claimed | JobStatus::Processing)
    }
}

impl Row {
    /// Who may write to it.
    pub(crate) fn holding(&self) -> Holding {
        Holding {
            job: self.job.id.clone(),
            status: self.job.status,
            log_base: self.log_base,
            org: self.job.org_id.clone(),
            runner: self.job.runner_id.clone(),
            attempt: self.job.attempt_no(),
            revision: self.revision,
        }
    }
}

/// What is in memory.
#[derive(Default)]
pub(super) struct Holdings(Mutex<HashMap<JobId, Holding>>);

impl Holdings {
    fn get(&self, id: &JobId) -> Option<Holding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Keeps the newest: announcements may overtake each other.
    pub(super) fn remember(&self, row: &Row) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&row.job.id).is_some_and(|known| known.revision > row.revision) {
            return;
        }
        if known.len() > MANY {
            known.retain(|_, holding| holding.is_held());
        }
        known.insert(row.job.id.clone(), row.holding());
    }
}

impl Queue {
    /// Who holds a job that this runner may know of: from memory where possible.
    pub(crate) async fn holding(&self, runner: &Runner, id: &JobId) -> Result<Holding, PlaneError> {
        let holding = self.newest_holding(id).await?;
        let is_foreign = runner.mode == RunnerMode::SelfHosted && holding.org.as_ref() != Some(&runner.org);
        if is_foreign { Err(PlaneError::NotFound("job")) } else { Ok(holding) }
    }

    /// Who holds a job.
    pub(super) async fn newest_holding(&self, id: &JobId) -> Result<Holding, PlaneError> {
        if let Some(holding) = self.0.holdings.get(id) {
            return Ok(holding);
        }
        let row = self.get(id).await?;
        self.0.holdings.remember(&row);
        // A newer one may be there by now.
        Ok(self.0.holdings.get(id).unwrap_or_else(|| row.holding()))
    }
}
