//! What the runner says of a job whose process cannot: that it was not started, that it is gone, that there is no disk.

use std::fs;
use std::io;
use std::time::Duration;

use backon::Retryable;
use executor_api::{LogWriter, credential_folder};
use futures_util::FutureExt;
use serde_json::Map;
use wire::{JobId, JobStatus, LogStream, Phase, Reason, StatusReport, Timestamp};

use crate::client::ClientError;
use crate::job_directory::{Claimed, JobDirectory, LOG, OUTCOME, OutcomeRecord, PROCESS_OUTPUT};
use crate::job_log::{FrameReader, FrameWriter};
use crate::runner::Runner;
use crate::{delivery, dispatch};

/// How long tools whose job's process was killed may go on before its end is reported: what only looks is cut off from its
/// output and ends by itself; what changes the world has the time that nearly any change takes.
const BEFORE_COMMIT: Duration = Duration::from_secs(30);
const AFTER_COMMIT: Duration = Duration::from_secs(3600);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const WRITE_AGAIN: Duration = Duration::from_secs(5);

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

/// Sees to it that there is an outcome, for a job whose process is gone. If that has left none, it was killed, and its tools
/// may be at work: as long as they are, nobody else may change what they change, and they need what the job was given.
pub(crate) async fn complete(directory: &JobDirectory, job: &JobId) {
    if directory.has(OUTCOME) {
        return;
    }
    let tools_work = !tools_have_ended(directory, job).await;
    loop {
        let of_it = directory.clone();
        match dispatch::blocking(move || write_lost(&of_it, tools_work)).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(error = crate::chain(&error), job.id = %job, "cannot write down how a job ended; trying again");
                tokio::time::sleep(WRITE_AGAIN).await;
            }
        }
    }
}

/// False if that takes too long.
async fn tools_have_ended(directory: &JobDirectory, job: &JobId) -> bool {
    let patience = if directory.phase() == Phase::Committed { AFTER_COMMIT } else { BEFORE_COMMIT };
    let ended = async {
        // What cannot be seen may live.
        while tools_work(directory).unwrap_or(true) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let mut ended = std::pin::pin!(ended);
    if let Some(()) = (&mut ended).now_or_never() {
        return true;
    }
    tracing::warn!(job.id = %job, "a job's process was killed, and its tools still work; its end is reported after theirs");
    tokio::time::timeout(patience, ended).await.is_ok()
}

fn tools_work(directory: &JobDirectory) -> io::Result<bool> {
    directory.process()?.map_or(Ok(false), |process| process.session_is_alive())
}

/// The process is gone and has not said how it ended.
fn write_lost(directory: &JobDirectory, tools_work: bool) -> io::Result<()> {
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
    if tools_work {
        text.push_str("; tools that it has started still work");
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
