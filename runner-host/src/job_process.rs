//! The job process: one executor, one job directory, one outcome. It never talks to the control plane.

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use executor_api::{
    AMBIENT_SECRETS, Ambient, ExecutorError, ExecutorPlugin, ExecutorRegistry, JobContext, JobContextParts, LogSink,
    Outcome, RunAs, StopSignal, StopTrigger, run_as,
};
use futures_util::FutureExt;
use process_supervisor::{become_subreaper, kill_descendants};
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};
use wire::{JobStatus, Phase, Reason, Timestamp};

use crate::config::Variables;
use crate::directory_backend::DirectoryBackend;
use crate::job_directory::{CLAIM, Claimed, JobDirectory, LOG, OUTCOME, OutcomeRecord, STOP};
use crate::job_log::{FrameWriter, LogTotals};
use crate::short_name::ShortName;
use crate::stand_in_outcome::{status_for, stop_reason};
use crate::{cloud, oidc_token, time_limit};

/// The hidden verb.
pub(crate) const VERB: &str = "__job";

/// Longer texts help nobody.
const ERROR_CHARS: usize = 16 * 1024;

/// Runs the job in `dir` to its outcome. Exits with success whenever there is one, whatever it says.
pub(crate) fn run(dir: &Path) -> ExitCode {
    let directory = JobDirectory::at(dir.to_owned());
    let ambient = Variables::of_process().ambient();
    // While there is one thread. Where it fails, tools of other users still cannot read us.
    let _ = process_supervisor::hide_secrets(AMBIENT_SECRETS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(run_to_outcome(&directory, ambient));
        // There is an outcome: a thread that an executor left behind need not end for it.
        runtime.shutdown_background();
        ended
    });
    // Whatever the tools left behind, also in sessions of their own.
    let _ = kill_descendants();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot run the job in {}: {}", dir.display(), crate::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run_to_outcome(directory: &JobDirectory, ambient: Ambient) -> io::Result<()> {
    become_subreaper()?;
    // Before anybody can know us by name: from here on SIGTERM means "look into stop.json".
    let mut terminate = signal(SignalKind::terminate())?;
    let Some(_lock) = directory.claim_process()? else {
        return Err(io::Error::other("another process runs this job"));
    };
    if directory.has(OUTCOME) {
        return Err(io::Error::other("this job has ended already"));
    }
    let claimed: Claimed = directory.read(CLAIM)?.ok_or_else(|| io::Error::other("there is no claim"))?;
    let early = directory.clone();
    // So that its end need not wait for that. What fails now is tried again then.
    drop(tokio::task::spawn_blocking(move || early.sync_claim()));
    let (stop, stopped) = StopSignal::new();
    let job = run_job(directory, claimed, ambient, stop.clone(), stopped);
    let orders = async {
        loop {
            pass_on_stop(directory, &stop);
            if terminate.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        ended = job => ended,
        () = orders => Ok(()),
    }
}

fn pass_on_stop(directory: &JobDirectory, stop: &StopTrigger) {
    match directory.stop() {
        Ok(Some(wanted)) => stop.stop(wanted),
        // Not ours: somebody else wants this machine to go down.
        Ok(None) => {}
        Err(error) => eprintln!("cannot read {STOP}: {error}"),
    }
}

async fn run_job(
    directory: &JobDirectory,
    claimed: Claimed,
    ambient: Ambient,
    stop: StopTrigger,
    stopped: StopSignal,
) -> io::Result<()> {
    let (writer, totals) = FrameWriter::open(&directory.file(LOG), claimed.log_limit_bytes)?;
    let log = LogSink::new(Box::new(writer));
    let registry = ExecutorRegistry::from_linked().map_err(io::Error::other)?;
    let mut name = None;
    let ending = match registry.get(&claimed.job.job_type) {
        Ok(plugin) => {
            let limit = time_limit::of(&claimed.job, plugin);
            let backend = Arc::new(DirectoryBackend::new(directory.clone()));
            let mut paths = directory.paths();
            name = Some(ShortName::give(&mut paths, &log));
            let context = JobContext::new(JobContextParts {
                job: claimed.job,
                paths,
                settings: claimed.settings,
                log: log.clone(),
                stop: stopped.clone(),
                grace: plugin.cancel_grace(),
                backend,
            });
            let who = cloud::run_as(claimed.cloud_identity, plugin, context.job(), &context.settings().cloud, ambient);
            let work = execute(plugin, &context, who, stopped);
            let ended = tokio::select! {
                biased;
                () = oidc_token::hide(&log, &context.paths().inputs) => unreachable!("it hides until the job ends"),
                ended = time_limit::within(limit, &stop, work) => ended,
            };
            log.flush();
            Ending::of(ended, &context, directory)
        }
        Err(error) => Ending::failed(Reason::InvalidInput, error.to_string()),
    };
    if let Some(text) = &ending.error_message {
        log.system(text);
    }
    log.flush();
    let written = write_outcome(directory, ending, &totals);
    // Nobody waits for it.
    drop(name);
    written
}

/// What a panic says, or what the executor returned.
type Ended = Result<Result<Outcome, ExecutorError>, String>;

async fn execute(
    plugin: &ExecutorPlugin,
    context: &JobContext,
    who: Result<RunAs, ExecutorError>,
    stopped: StopSignal,
) -> Ended {
    let work = async { run_as(context, who?, plugin.executor().execute(context)).await };
    match time_limit::unless_deaf(plugin, stopped, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(ended) => ended.map_err(|panic| panic_text(panic.as_ref())),
        Err(reason) => Ok(Err(ExecutorError::Stopped(reason))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".to_owned())
}

/// How a run ended, before it is written down.
struct Ending {
    status: JobStatus,
    reason: Option<Reason>,
    error_message: Option<String>,
    metadata: Map<String, Value>,
}

impl Ending {
    /// A tool that ended well although it was asked to stop did end well.
    fn of(ended: Ended, context: &JobContext, directory: &JobDirectory) -> Self {
        let error = match ended {
            Ok(Ok(outcome)) => {
                let metadata = context.masked_map(outcome.metadata);
                return Self { status: JobStatus::Success, reason: None, error_message: None, metadata };
            }
            Ok(Err(error)) => error,
            Err(panic) => {
                let text = context.log().masked(&format!("the executor panicked: {panic}"));
                return Self::failed(Reason::Panicked, text);
            }
        };
        let reason = match error {
            // It is refused, for one, because somebody wants the job's end: the host writes that down first.
            ExecutorError::CommitRefused(_) => stop_reason(directory).unwrap_or(error.reason()),
            _ => error.reason(),
        };
        let text = context.log().masked(&crate::chain(&error)).chars().take(ERROR_CHARS).collect();
        Self { status: status_for(reason), ..Self::failed(reason, text) }
    }

    fn failed(reason: Reason, text: String) -> Self {
        Self { status: JobStatus::Failed, reason: Some(reason), error_message: Some(text), metadata: Map::new() }
    }
}

/// The one thing that must not get lost: on a full disk it has the room that was kept for it, and if that is not enough,
/// its metadata goes.
fn write_outcome(directory: &JobDirectory, ending: Ending, totals: &LogTotals) -> io::Result<()> {
    let phase = if directory.phase() == Phase::Preparing { Phase::Preparing } else { Phase::Committed };
    let mut outcome = OutcomeRecord {
        status: ending.status,
        reason: ending.reason,
        error_message: ending.error_message,
        metadata: ending.metadata,
        phase,
        log: totals.finish(),
        finished_at: Timestamp::now(),
        is_stand_in: false,
    };
    directory.write(OUTCOME, &outcome).or_else(|error| {
        outcome.metadata = Map::new();
        outcome.error_message.get_or_insert_with(|| format!("its metadata could not be kept: {error}"));
        directory.write(OUTCOME, &outcome)
    })
}
