//! The end: reported after the last byte of log, until it is acknowledged.

use serde_json::Value;
use wire::{JobStatus, LogSummary, StatusReport};

use super::{Delivery, Stopped, Taken, refused};
use crate::claim::{self, Room};
use crate::client::ClientError;
use crate::dialect::Dialect;
use crate::job_directory::{LOG, OUTCOME, OutcomeRecord};
use crate::job_log::FrameReader;

/// What the plane says to the end.
pub(super) enum Answer {
    /// It has it.
    Taken(Taken),
    /// It lacks the log from here on.
    LogBehind(u64),
}

/// Reports how the job ended. Of its log the plane will never have what comes after `given_up_at`. If there is room for the
/// next job, that may come with the answer.
pub(super) async fn deliver(
    delivery: &Delivery<'_>,
    given_up_at: Option<u64>,
    room: Option<Room>,
) -> Result<Answer, Stopped> {
    let outcome: Option<OutcomeRecord> = delivery.directory.read(OUTCOME)?;
    let mut outcome = outcome.ok_or_else(|| std::io::Error::other("the outcome has gone"))?;
    if let Some(end) = given_up_at {
        let kept = FrameReader::summarize_until(&delivery.directory.file(LOG), end)?;
        let dropped_bytes = outcome.log.dropped_bytes + (outcome.log.length - kept.length);
        outcome.log = LogSummary { dropped_bytes, ..kept };
    }
    let is_two = delivery.dialect == Dialect::Two;
    let next = room.and_then(|_| claim::beside_a_report(delivery.runner));
    let report = StatusReport {
        status: outcome.status,
        error_message: outcome.error_message,
        execution_metadata: Some(Value::Object(outcome.metadata))
            .filter(|metadata| metadata.as_object().is_some_and(|map| !map.is_empty())),
        phase: is_two.then_some(outcome.phase),
        reason: outcome.reason.filter(|_| is_two),
        log: is_two.then_some(outcome.log),
        finished_at: is_two.then_some(outcome.finished_at),
        next,
    };
    if !is_two && let Some(metadata) = &report.execution_metadata {
        // The seed's runners send their results with a PROCESSING of its own.
        let progress =
            StatusReport { execution_metadata: Some(metadata.clone()), ..StatusReport::of(JobStatus::Processing) };
        // If it costs itself, the report below says so.
        drop(report_it(delivery, &progress, None).await?);
    }
    let answer = match report_it(delivery, &report, room).await? {
        Err(error) if report.execution_metadata.is_some() => {
            report_it(delivery, &without_metadata(report, &error), room).await?
        }
        answer => answer,
    };
    answer.map_err(|error| refused(&error))
}

/// How a job ended is worth more than what it has to say.
fn without_metadata(report: StatusReport, error: &ClientError) -> StatusReport {
    let why = format!("its metadata could not be stored: {}", crate::chain(error));
    tracing::error!(why, "a job is reported without its metadata");
    let error_message = Some(report.error_message.map_or(why.clone(), |said| format!("{said}; {why}")));
    StatusReport { error_message, execution_metadata: None, ..report }
}

/// The first word about a job.
pub(super) async fn say_that_it_runs(delivery: &Delivery<'_>) -> Result<(), Stopped> {
    let answer = report_it(delivery, &StatusReport::of(JobStatus::Processing), None).await?;
    answer.map(drop).map_err(|error| refused(&error))
}

async fn report_it(
    delivery: &Delivery<'_>,
    report: &StatusReport,
    room: Option<Room>,
) -> Result<Result<Answer, ClientError>, Stopped> {
    let Delivery { runner, job, attempt, .. } = delivery;
    let call = || async move {
        // Asked before each try: there may be days between them.
        if let Some(room) = room.filter(|_| report.next.is_some())
            && !room.is_there(runner).await
        {
            let report = StatusReport { next: None, ..report.clone() };
            return runner.client.report(job, *attempt, &report).await;
        }
        runner.client.report(job, *attempt, report).await
    };
    Ok(match delivery.insist("report a job", call).await? {
        Ok(claim) => Ok(Answer::Taken(Taken { status: report.status, claim: claim.map(Box::new) })),
        Err(ClientError::LogBehind(offset)) => Ok(Answer::LogBehind(offset)),
        Err(error) => Err(error),
    })
}
