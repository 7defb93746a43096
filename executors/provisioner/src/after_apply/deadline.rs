//! When we give up.

use std::time::Duration;

use executor_api::{ExecutorError, JobContext};
use tokio::time::Instant;

/// A time after which nothing is waited for any more.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    pub(super) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    pub(super) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// How long it was when it began.
    pub(super) fn limit(self) -> Duration {
        self.limit
    }

    /// Waits, but not past the deadline.
    ///
    /// # Errors
    /// [`ExecutorError::Stopped`] as soon as the job is asked to stop.
    pub(super) async fn rest(self, job: &JobContext, pause: Duration) -> Result<(), ExecutorError> {
        let mut stop = job.stop();
        match tokio::time::timeout(pause.min(self.left()), stop.changed_from(None)).await {
            Ok(stop) => Err(ExecutorError::Stopped(stop.reason)),
            Err(_) => Ok(()),
        }
    }
}

/// As a person reads it.
impl std::fmt::Display for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", humantime::format_duration(self.limit))
    }
}
