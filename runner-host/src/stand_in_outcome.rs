//! What the runner says of a job whose process cannot: that it was not started, that it is gone, that there is no disk.

use std::fs;
use std::io;

use backon::Retryable;
use executor_api::{LogWriter, credential_folder};
use serde_json::Map;
use wire::{JobStatus, LogStream, Phase, Reason, StatusReport, Timestamp};

use crate::client::ClientError;
use crate::delivery;
use crate::job_directory::{Claimed, JobDirectory, LOG, OUTCOME, OutcomeRecord, PROCESS_OUTPUT};
use crate::job_log::{FrameReader, FrameWriter};
use crate::runner::Runner;

/// Who wanted the end decides whether it is a failure.
pub(crate) fn status_for(reason: Reason) -> JobStatus {
    if reason == Reason::CancelledByUser { JobStatus::Cancelled } else { JobStatus::Failed }
}

/// A job that cannot be started ends like any other: with a line of log and an outcome.
pub(crate) fn write_refused(directory: &JobDirectory, (reason, text): &(Reason, String)) -> io::Result<()> {
    let (mut writer, totals) = FrameWriter::open(&directory.file(LOG), u64::MAX)?;
    writer.append(LogStream::System, Timestamp::now(), format!("{text}\n").as_bytes());
    let outcome = OutcomeRecord {
        status: status_for(*reason),
        reason: Some(*reason),
        error_message: Some(text.clone()),
        metadata: Map::new(),
        phase: Phase::Preparing,
        log: totals.finish(),
        finished_at: Timestamp::now(),
    };
    directory.write(OUTCOME, &outcome)
}

/// The process is gone and has not said how it ended.
pub(crate) fn write_lost(directory: &JobDirectory) -> io::Result<()> {
    // It had no time to take its credentials away.
    let _ = fs::remove_dir_all(credential_folder(&directory.paths()));
    let said = fs::read(directory.file(PROCESS_OUTPUT)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<_> = said.trim().lines().rev().take(5).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    let mut text = "the job's process ended without saying how; it was killed, or ran out of memory".to_owned();
    let phase = directory.phase();
    if phase == Phase::Committed {
        text.push_str(", after its commit point: nobody knows how far it came");
    }
    if !last.is_empty() {
        text = format!("{text}. It said: {}", last.join(" | "));
    }
    let outcome = OutcomeRecord {
        status: JobStatus::Failed,
        reason: Some(Reason::ProcessLost),
        error_message: Some(text),
        metadata: Map::new(),
        phase,
        log: FrameReader::summarize(&directory.file(LOG))?,
        finished_at: Timestamp::now(),
    };
    directory.write(OUTCOME, &outcome)
}

/// No disk, no directory: the result is all that can be saved.
pub(crate) async fn report_without_directory(runner: &Runner, claimed: &Claimed, error: &io::Error) {
    let remedy = if error.kind() == io::ErrorKind::StorageFull { "; free some disk space there" } else { "" };
    let text = format!("the runner cannot make a folder for the job: {error}{remedy}");
    tracing::error!(job.id = %claimed.job.id, text);
    let report = StatusReport {
        error_message: Some(text),
        reason: Some(Reason::RunnerError),
        finished_at: Some(Timestamp::now()),
        ..StatusReport::of(JobStatus::Failed)
    };
    let (job, attempt) = (&claimed.job.id, claimed.job.attempt_no());
    let reported =
        (|| runner.client.report(job, attempt, &report)).retry(delivery::pauses()).when(ClientError::is_retryable);
    if let Err(error) = reported.await {
        tracing::error!(error = crate::chain(&error), job.id = %job, "cannot report a job");
    }
}
