//! The end: reported after the last byte of log, until it is acknowledged.

use serde_json::Value;
use wire::{JobStatus, StatusReport};

use super::{Delivery, Stopped, refused};
use crate::client::ClientError;
use crate::job_directory::{OUTCOME, OutcomeRecord};
use crate::runner::Dialect;

/// What the plane says to the end.
pub(super) enum Answer {
    /// It has it.
    Taken(JobStatus),
    /// It lacks the log from here on.
    LogBehind(u64),
}

/// Reports how the job ended.
pub(super) async fn deliver(delivery: &Delivery<'_>) -> Result<Answer, Stopped> {
    let outcome: Option<OutcomeRecord> = delivery.directory.read(OUTCOME)?;
    let outcome = outcome.ok_or_else(|| std::io::Error::other("the outcome has gone"))?;
    let is_two = delivery.dialect == Dialect::Two;
    let report = StatusReport {
        status: outcome.status,
        error_message: outcome.error_message,
        execution_metadata: Some(Value::Object(outcome.metadata))
            .filter(|metadata| metadata.as_object().is_some_and(|map| !map.is_empty())),
        phase: is_two.then_some(outcome.phase),
        reason: outcome.reason.filter(|_| is_two),
        log: is_two.then_some(outcome.log),
        finished_at: is_two.then_some(outcome.finished_at),
    };
    if !is_two && let Some(metadata) = &report.execution_metadata {
        // The seed's runners send their results with a PROCESSING of its own.
        let progress =
            StatusReport { status: JobStatus::Processing, execution_metadata: Some(metadata.clone()), ..plain() };
        report_it(delivery, &progress).await?;
    }
    report_it(delivery, &report).await
}

/// The first word to a plane of the seed's contract.
pub(super) async fn say_that_it_runs(delivery: &Delivery<'_>) -> Result<(), Stopped> {
    report_it(delivery, &plain()).await.map(drop)
}

fn plain() -> StatusReport {
    StatusReport {
        status: JobStatus::Processing,
        error_message: None,
        execution_metadata: None,
        phase: None,
        reason: None,
        log: None,
        finished_at: None,
    }
}

async fn report_it(delivery: &Delivery<'_>, report: &StatusReport) -> Result<Answer, Stopped> {
    let call = || delivery.runner.client.report(delivery.job, delivery.attempt, report);
    match delivery.insist("report a job", call).await {
        Ok(()) => Ok(Answer::Taken(report.status)),
        Err(ClientError::LogBehind(offset)) => Ok(Answer::LogBehind(offset)),
        Err(error) => Err(refused(&error)),
    }
}
