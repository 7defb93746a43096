//! Trying again what goes away by itself and has changed nothing.

use executor_api::{ExecutorError, JobContext, Patience};

/// Why a try did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It has changed nothing, and the next one may succeed.
    Transient(ExecutorError),
    /// Trying again would not help, or would do something twice.
    Final(ExecutorError),
}

impl From<Failure> for ExecutorError {
    fn from(failure: Failure) -> Self {
        let (Failure::Transient(error) | Failure::Final(error)) = failure;
        error
    }
}

/// Tries with [`Patience`]. What went wrong, the tool has said in the log already.
pub(crate) async fn patiently<T, W: Future<Output = Result<T, Failure>>>(
    job: &JobContext,
    mut work: impl FnMut() -> W,
) -> Result<T, ExecutorError> {
    let mut patience = Patience::new(job);
    loop {
        match work().await {
            Err(Failure::Transient(_)) if patience.waits_for_another_try("that may go away by itself").await => {}
            ended => return ended.map_err(ExecutorError::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use executor_api::testing::TestJob;

    fn error() -> ExecutorError {
        ExecutorError::Other("no".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn three_tries_five_seconds_apart() {
        let job = TestJob::builder("helm", &serde_json::json!({})).build().unwrap();
        let started = tokio::time::Instant::now();
        let tries = Cell::new(0);
        let ended: Result<(), _> = patiently(&job.context, async || {
            tries.set(tries.get() + 1);
            Err(Failure::Transient(error()))
        })
        .await;
        assert!(ended.is_err());
        assert_eq!((tries.get(), started.elapsed().as_secs()), (3, 10));
        assert_eq!(job.log().matches("trying again in 5 s").count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_final_is_tried_once() {
        let job = TestJob::builder("helm", &serde_json::json!({})).build().unwrap();
        let tries = Cell::new(0);
        let ended: Result<(), _> = patiently(&job.context, async || {
            tries.set(tries.get() + 1);
            Err(Failure::Final(error()))
        })
        .await;
        assert!(ended.is_err());
        assert_eq!(tries.get(), 1);
    }
}
