//! Trying again: three times, five seconds apart, what goes away by itself and has changed nothing.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use executor_api::{ExecutorError, JobContext};

const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(5);

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

/// A request to stop ends the pause, and it is for the work to see it then.
pub(crate) async fn patiently<T, W: Future<Output = Result<T, Failure>>>(
    job: &JobContext,
    work: impl FnMut() -> W,
) -> Result<T, ExecutorError> {
    let stop = job.stop();
    let pause = move |time| {
        let mut stop = stop.clone();
        async move {
            let stopped = stop.changed_from(None);
            // In time or because of a stop: either way the pause is over.
            let _ = tokio::time::timeout(time, stopped).await;
        }
    };
    let policy = ConstantBuilder::default().with_delay(PAUSE).with_max_times(TRIES - 1);
    work.retry(policy)
        .sleep(pause)
        .when(|failure| matches!(failure, Failure::Transient(_)))
        .notify(|_, pause| {
            job.log().system(format!("that may go away by itself; trying again in {} s", pause.as_secs()));
        })
        .await
        .map_err(ExecutorError::from)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use executor_api::testing::TestJob;
    use executor_api::{Stop, StopReason};

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

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_pause() {
        let job = TestJob::builder("helm", &serde_json::json!({})).build().unwrap();
        let started = tokio::time::Instant::now();
        let tries = Cell::new(0);
        let ended: Result<(), _> = patiently(&job.context, async || {
            tries.set(tries.get() + 1);
            job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
            job.context.check_stop().map_err(Failure::Final)?;
            Ok(())
        })
        .await;
        assert!(matches!(ended, Err(ExecutorError::Stopped(_))));
        assert_eq!((tries.get(), started.elapsed().as_secs()), (1, 0));
    }
}
