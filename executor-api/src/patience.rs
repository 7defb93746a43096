//! Trying again: what goes away by itself is tried three times, five seconds apart.

use std::fmt::Display;
use std::time::Duration;

use backon::{BackoffBuilder, ConstantBackoff, ConstantBuilder};

use crate::JobContext;

const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// How often something of a job is tried again. What may go away by itself, and may be done twice, only the executor knows.
pub struct Patience<'a> {
    job: &'a JobContext,
    pauses: ConstantBackoff,
}

impl<'a> Patience<'a> {
    /// Nothing was tried yet.
    #[must_use]
    pub fn new(job: &'a JobContext) -> Self {
        let policy = ConstantBuilder::default().with_delay(PAUSE).with_max_times(TRIES - 1);
        Self { job, pauses: policy.build() }
    }

    /// Says in the job's log why there is another try, and waits for it; false if it was tried often enough. A request to
    /// stop ends the wait, and it is for the next try to see it.
    pub async fn waits_for_another_try(&mut self, why: impl Display) -> bool {
        let Some(pause) = self.pauses.next() else { return false };
        self.job.log().system(format!("{why}; trying again in {} s", pause.as_secs()));
        // In time or because of a stop: either way the wait is over.
        let _ = tokio::time::timeout(pause, self.job.stop().changed_from(None)).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestJob;
    use crate::{Stop, StopReason};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn three_tries_five_seconds_apart() {
        let job = TestJob::builder("k", &serde_json::json!({})).build().unwrap();
        let (started, mut tries) = (Instant::now(), 1);
        let mut patience = Patience::new(&job.context);
        while patience.waits_for_another_try("no").await {
            tries += 1;
        }
        assert_eq!((tries, started.elapsed().as_secs()), (3, 10));
        assert_eq!(job.log().matches("no; trying again in 5 s").count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait() {
        let job = TestJob::builder("k", &serde_json::json!({})).build().unwrap();
        let started = Instant::now();
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
        assert!(Patience::new(&job.context).waits_for_another_try("no").await);
        assert_eq!(started.elapsed().as_secs(), 0);
    }
}
