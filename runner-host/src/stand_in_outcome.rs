//! What the runner says of a job whose process cannot: that it was not started, that it is gone, that there is no disk.

use std::fs;
use std::io;
use std::time::Duration;

use backon::Retryable;
use executor_api::{LogWriter, Stop, credential_folder, without_secrets_of};
use process_supervisor::ProcessIdentity;
use serde_json::Map;
use tokio::time::Instant;
use wire::{JobId, JobStatus, LogStream, LogSummary, Phase, Reason, StatusReport, Timestamp};

use crate::client::ClientError;
use crate::job_directory::{Claimed, JobDirectory, LOG, OUTCOME, OutcomeRecord, PROCESS_OUTPUT};
use crate::job_log::{FrameReader, FrameWriter};
use crate::runner::Runner;
use crate::{delivery, dispatch};

/// How long tools whose job's process was killed may go on: what only looks is ended then, what changes the world has the
/// time that nearly any change takes before the job's end is reported without its.
const BEFORE_COMMIT: Duration = Duration::from_secs(30);
const AFTER_COMMIT: Duration = Duration::from_secs(3600);
/// As long as killing may take. The kernel cannot end every process.
const KILLING: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const WRITE_AGAIN: Duration = Duration::from_secs(5);

/// Who wanted the end decides whether it is a failure.
pub(crate) fn status_for(reason: Reason) -> JobStatus {
    if reason == Reason::CancelledByUser { JobStatus::Cancelled } else { JobStatus::Failed }
}

/// What somebody wanted, if the job was to stop.
pub(crate) fn stop_reason(directory: &JobDirectory) -> Option<Reason> {
    stop_of(directory).map(|stop| stop.reason.as_reason())
}

fn stop_of(directory: &JobDirectory) -> Option<Stop> {
    directory.stop().ok().flatten()
}

/// A job that cannot be started ends like any other: with a line of log and an outcome.
pub(crate) fn write_refused(directory: &JobDirectory, (reason, text): &(Reason, String)) -> io::Result<()> {
    let text = without_secrets(directory, text)?;
    let (mut writer, totals) = FrameWriter::open(&directory.file(LOG), u64::MAX)?;
    writer.append(LogStream::System, Timestamp::now(), format!("{text}\n").as_bytes());
    directory.write(OUTCOME, &stand_in(*reason, text, Phase::Preparing, totals.finish()))
}

/// How a job ended that cannot say it.
fn stand_in(reason: Reason, text: String, phase: Phase, log: LogSummary) -> OutcomeRecord {
    OutcomeRecord {
        status: status_for(reason),
        reason: Some(reason),
        error_message: Some(text),
        metadata: Map::new(),
        phase,
        log,
        finished_at: Timestamp::now(),
        is_stand_in: true,
    }
}

/// What others have said may hold what the job was given, and no masker of the job's own sees it here.
fn without_secrets(directory: &JobDirectory, text: &str) -> io::Result<String> {
    let claimed = directory.claimed()?.ok_or_else(|| io::Error::other("there is no claim"))?;
    Ok(without_secrets_of(&claimed.job, &claimed.settings, text))
}

/// Sees to it that there is an outcome, for a job whose process is gone. If that has left none, it was killed, and its tools
/// may be at work: as long as they are, nobody else may change what they change, and they need what the job was given. A stop
/// that is asked of the job reaches them from here.
pub(crate) async fn complete(directory: &JobDirectory, job: &JobId) {
    if directory.has(OUTCOME) {
        return;
    }
    let tools_work = !see_tools_end(directory, job).await;
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

/// Until the tools have ended, or cannot be waited for: false then.
async fn see_tools_end(directory: &JobDirectory, job: &JobId) -> bool {
    let (phase, begin) = (directory.phase(), Instant::now());
    // What was asked before, the process has passed on.
    let mut known = stop_of(directory);
    let mut is_said = false;
    // What cannot be seen may live.
    while tools_work(directory).unwrap_or(true) {
        if !std::mem::replace(&mut is_said, true) {
            say_that_tools_work(directory, job, phase).await;
        }
        let asked = stop_of(directory);
        let done = match Step::next(phase, known, asked, begin.elapsed()) {
            Step::GiveUp => return false,
            Step::Wait => Ok(()),
            Step::Interrupt => of_session(directory, ProcessIdentity::interrupt_session),
            Step::Kill => of_session(directory, ProcessIdentity::kill_session),
        };
        match done {
            Ok(()) => known = asked,
            Err(error) => {
                tracing::error!(error = crate::chain(&error), job.id = %job, "cannot stop a job's tools; trying again");
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    true
}

fn tools_work(directory: &JobDirectory) -> io::Result<bool> {
    of_session(directory, ProcessIdentity::session_is_alive)
}

/// Nobody has said who he is before he started anything.
fn of_session<T: Default>(directory: &JobDirectory, act: impl Fn(&ProcessIdentity) -> io::Result<T>) -> io::Result<T> {
    directory.process()?.map_or(Ok(T::default()), |process| act(&process))
}

/// Who follows the job sees why it does not end.
async fn say_that_tools_work(directory: &JobDirectory, job: &JobId, phase: Phase) {
    tracing::warn!(job.id = %job, "a job's process was killed, and its tools still work; its end is reported after theirs");
    let text = match phase {
        Phase::Committed => "they may come to their end; a cancel interrupts them, and one with force ends them",
        _ => "they are ended soon, or at once by a cancel",
    };
    let text = format!("the job's process was killed, and its tools still work: {text}\n");
    let file = directory.file(LOG);
    let said = dispatch::blocking(move || {
        FrameWriter::go_on(&file)?.append(LogStream::System, Timestamp::now(), text.as_bytes());
        io::Result::Ok(())
    });
    if let Err(error) = said.await {
        tracing::error!(error = crate::chain(&error), job.id = %job, "cannot say in a job's log that its tools still work");
    }
}

/// What is done about tools that work without their job's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Wait,
    /// Once: a second one makes tools lose what they are about to save.
    Interrupt,
    /// Again and again: one may start another meanwhile.
    Kill,
    GiveUp,
}

impl Step {
    /// `known` is the stop that the tools have heard of, `asked` the one that is wanted now.
    fn next(phase: Phase, known: Option<Stop>, asked: Option<Stop>, waited: Duration) -> Self {
        let is_committed = phase == Phase::Committed;
        let patience = if is_committed { AFTER_COMMIT } else { BEFORE_COMMIT + KILLING };
        let is_over = !is_committed && (asked.is_some() || waited >= BEFORE_COMMIT);
        match asked {
            _ if waited >= patience => Self::GiveUp,
            Some(Stop { force: true, .. }) => Self::Kill,
            _ if is_over => Self::Kill,
            Some(_) if known.is_none() => Self::Interrupt,
            _ => Self::Wait,
        }
    }
}

/// The process is gone and has not said how it ended.
fn write_lost(directory: &JobDirectory, tools_work: bool) -> io::Result<()> {
    // It had no time to take its credentials away.
    let _ = fs::remove_dir_all(credential_folder(&directory.paths()));
    let said = fs::read(directory.file(PROCESS_OUTPUT)).unwrap_or_default();
    let said = without_secrets(directory, &String::from_utf8_lossy(&said))?;
    let last: Vec<_> = said.trim().lines().rev().take(5).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    let mut text = "the job's process ended without saying how; it was killed, or ran out of memory".to_owned();
    let phase = directory.phase();
    if phase == Phase::Committed {
        text.push_str(", after its commit point: nobody knows how far it came; ");
        text.push_str(&directory.found_at().map_or_else(
            || "what it worked on is not kept on a runner of many organisations".to_owned(),
            |lost| format!("what it worked on is kept on the runner as {}", lost.display()),
        ));
    }
    if tools_work {
        text.push_str("; tools that it has started still work");
    }
    if !last.is_empty() {
        text = format!("{text}. It said: {}", last.join(" | "));
    }
    let reason = stop_reason(directory).unwrap_or(Reason::ProcessLost);
    let log = FrameReader::summarize(&directory.file(LOG))?;
    directory.write(OUTCOME, &stand_in(reason, text, phase, log))
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

#[cfg(test)]
mod tests {
    use executor_api::{PlaneAccess, StopReason};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_for_a_process_holds_nothing_that_it_was_given() {
        let text = "it holds canary-token\nand more";
        let of_lost = |directory: &JobDirectory| {
            fs::write(directory.file(PROCESS_OUTPUT), text).unwrap();
            write_lost(directory, false)
        };
        let of_refused = |directory: &JobDirectory| write_refused(directory, &(Reason::RunnerError, text.to_owned()));
        for say in [&of_lost as &dyn Fn(&_) -> _, &of_refused] {
            let folder = tempfile::tempdir().unwrap();
            let mut claimed = Claimed::of(json!({ "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 1 }));
            let (origin, state_token) = ("http://plane".to_owned(), "canary-token".to_owned());
            claimed.settings.plane = Some(PlaneAccess { origin, state_token });
            let directory = JobDirectory::of(folder.path(), &claimed);
            directory.create(&claimed).unwrap();
            say(&directory).unwrap();
            let outcome: OutcomeRecord = directory.read(OUTCOME).unwrap().unwrap();
            let log = fs::read(directory.file(LOG)).unwrap();
            for said in [outcome.error_message.unwrap(), String::from_utf8_lossy(&log).into_owned()] {
                assert!(!said.contains("canary") && (said.is_empty() || said.contains("it holds ***")), "{said}");
            }
        }
    }

    #[test]
    fn what_only_looks_is_ended_and_what_changes_the_world_is_asked_once() {
        use Phase::{Committed, Preparing};
        let stop = |force| Some(Stop { reason: StopReason::CancelledByUser, force });
        let (kindly, firmly) = (stop(false), stop(true));
        for (phase, known, asked, waited, step) in [
            (Preparing, None, None, Duration::ZERO, Step::Wait),
            (Preparing, None, kindly, Duration::ZERO, Step::Kill),
            (Preparing, kindly, kindly, Duration::ZERO, Step::Kill),
            (Preparing, None, None, BEFORE_COMMIT, Step::Kill),
            (Preparing, None, firmly, BEFORE_COMMIT + KILLING, Step::GiveUp),
            (Committed, None, None, BEFORE_COMMIT + KILLING, Step::Wait),
            (Committed, None, kindly, Duration::ZERO, Step::Interrupt),
            (Committed, kindly, kindly, Duration::ZERO, Step::Wait),
            (Committed, kindly, firmly, Duration::ZERO, Step::Kill),
            (Committed, firmly, firmly, Duration::ZERO, Step::Kill),
            (Committed, None, kindly, AFTER_COMMIT, Step::GiveUp),
        ] {
            assert_eq!(Step::next(phase, known, asked, waited), step, "{phase:?} {known:?} {asked:?} {waited:?}");
        }
    }
}
