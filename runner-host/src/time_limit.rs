//! How long a run may take: its timeout, and what it has left once it was asked to stop.

use std::time::Duration;

use executor_api::{ExecutorPlugin, Stop, StopReason, StopSignal, StopTrigger};
use wire::Job;

/// No timer is longer; a longer timeout is a typing error.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// What an executor has to return after a stop once its grace is over: it may put things in order.
const TIDYING: Duration = Duration::from_secs(600);
/// The same where somebody asked for force.
pub(crate) const TIDYING_BY_FORCE: Duration = Duration::from_secs(20);

/// How long a run may take, within what a timer can do.
pub(crate) fn of(job: &Job, plugin: &ExecutorPlugin) -> Duration {
    plugin.time_limit(job).clamp(Duration::from_secs(1), LONGEST)
}

/// Runs `work`, and asks it to stop when `limit` is over. How it ends then is its own to say.
pub(crate) async fn within<T>(limit: Duration, stop: &StopTrigger, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        ended = &mut work => return ended,
        () = tokio::time::sleep(limit) => stop.stop(Stop { reason: StopReason::TimedOut, force: false }),
    }
    work.await
}

/// Runs `work`. If it does not return long after it was asked to stop, it is left where it is.
///
/// # Errors
/// Why it was asked.
pub(crate) async fn unless_deaf<T>(
    plugin: &ExecutorPlugin,
    mut stopped: StopSignal,
    work: impl Future<Output = T>,
) -> Result<T, StopReason> {
    let deaf = async {
        let mut stop = stopped.changed_from(None).await;
        loop {
            let patience = if stop.force { TIDYING_BY_FORCE } else { plugin.cancel_grace().saturating_add(TIDYING) };
            match tokio::time::timeout(patience.min(LONGEST), stopped.changed_from(Some(stop))).await {
                Ok(graver) => stop = graver,
                Err(_) => return stop.reason,
            }
        }
    };
    tokio::select! {
        ended = work => Ok(ended),
        reason = deaf => Err(reason),
    }
}
