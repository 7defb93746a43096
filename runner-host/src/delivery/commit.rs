//! The commit point: the job asks, the plane answers, the answer is written down.

use tokio::sync::watch;
use wire::{JobStatus, Phase, StatusReport};

use super::{Delivery, LOOK_AGAIN, Stopped};
use crate::heartbeat;
use crate::job_directory::{COMMIT, COMMITTED, Committed, JobDirectory};
use crate::life::Life;

/// Waits for the wish to commit and delivers it, until the process is gone: then nobody waits for an answer, and a yes would
/// use up a plan that was not applied. Returns only if our own disk fails.
pub(super) async fn deliver_when_asked(
    delivery: &Delivery<'_>,
    changes: watch::Receiver<()>,
    mut life: watch::Receiver<Life>,
) -> Stopped {
    tokio::select! {
        biased;
        _ = life.wait_for(|life| life.is_gone()) => {}
        stopped = deliver_each(delivery, changes) => return stopped,
    }
    std::future::pending().await
}

async fn deliver_each(delivery: &Delivery<'_>, mut changes: watch::Receiver<()>) -> Stopped {
    loop {
        changes.mark_unchanged();
        if let Err(stopped) = deliver(delivery).await {
            return stopped;
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Whether the job has asked and has no answer yet.
fn is_open(directory: &JobDirectory) -> bool {
    directory.has(COMMIT) && !directory.has(COMMITTED)
}

/// Delivers the wish to commit, if there is one without an answer.
async fn deliver(delivery: &Delivery<'_>) -> Result<(), Stopped> {
    let directory = delivery.directory;
    if !is_open(directory) {
        return Ok(());
    }
    let report = StatusReport { phase: Some(Phase::Committed), ..StatusReport::of(JobStatus::Processing) };
    let call = || delivery.runner.client.report(delivery.job, delivery.attempt, &report);
    let refused = match delivery.insist("pass the commit point", call).await {
        Ok(answer) => answer.err().map(|error| crate::chain(&error)),
        Err(Stopped::Refused(why)) => Some(why),
        Err(disk) => return Err(disk),
    };
    if refused.is_some() {
        // It may be refused because somebody wants the job's end; then the job should know that first.
        heartbeat::beat(delivery.runner).await;
    }
    directory.write(COMMITTED, &Committed { refused })?;
    Ok(())
}
