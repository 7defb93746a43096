//! The commit point: the job asks, the plane answers, the answer is written down.

use wire::{JobStatus, Phase, StatusReport};

use super::{Delivery, Stopped};
use crate::heartbeat;
use crate::job_directory::{COMMIT, COMMITTED, Committed};

/// Delivers the wish to commit, if there is one without an answer.
pub(super) async fn deliver(delivery: &Delivery<'_>) -> Result<(), Stopped> {
    let directory = delivery.directory;
    if !directory.has(COMMIT) || directory.has(COMMITTED) {
        return Ok(());
    }
    let report = StatusReport {
        status: JobStatus::Processing,
        error_message: None,
        execution_metadata: None,
        phase: Some(Phase::Committed),
        reason: None,
        log: None,
        finished_at: None,
    };
    let answer = delivery
        .insist("pass the commit point", || delivery.runner.client.report(delivery.job, delivery.attempt, &report));
    let refused = answer.await.err().map(|error| crate::chain(&error));
    if refused.is_some() {
        // It may be refused because somebody wants the job's end; then the job should know that first.
        heartbeat::beat(delivery.runner).await;
    }
    directory.write(COMMITTED, &Committed { refused })?;
    Ok(())
}
