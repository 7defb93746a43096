//! One claim, one report: makes the job directory, fetches what the job needs, starts its process, looks after it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;
use executor_api::{Input, LogWriter, PlaneAccess, Stop, StopReason, credential_folder, credential_inputs};
use process_supervisor::{Command, DetachedProcess, Environment, boot_id, spawn_detached};
use secrecy::ExposeSecret;
use serde_json::Map;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use wire::{Claim, JobStatus, LogStream, Phase, Reason, RunnerStatus, StatusReport, Timestamp};

use crate::client::{Client, ClientError, OidcToken};
use crate::delivery::{self, Delivered, Taken};
use crate::job_directory::{Claimed, FORMAT, JobDirectory, LOG, OUTCOME, OutcomeRecord, PROCESS_OUTPUT, STOP};
use crate::job_log::{FrameReader, FrameWriter};
use crate::job_process;
use crate::oidc_token::{self, Renewal};
use crate::runner::{Order, Runner};

/// Runs a job, and then one after another for as long as the plane answers the end of one with the next.
pub(crate) async fn run(runner: Arc<Runner>, first: impl Future<Output = Option<Claim>>) {
    let mut next = first.await;
    while let Some(claim) = next {
        if *runner.status.borrow() != RunnerStatus::Online {
            return tracing::warn!("was given a job while it leaves; the plane gives it to another runner");
        }
        next = run_claim(Arc::clone(&runner), claim).await;
    }
}

/// Runs one claimed job until all of it is delivered.
pub(crate) async fn run_claim(runner: Arc<Runner>, claim: Claim) -> Option<Claim> {
    let job = claim.job?;
    if runner.holds(&job.id, job.attempt_no()) {
        // A plane of the seed's contract, which knows no attempts, gives a job again when it has not heard of us for
        // long. What runs goes on; a second one would run beside it, in the same directory.
        tracing::warn!(job.id = %job.id, "was given a job that it has already; that one goes on");
        return None;
    }
    let mut settings = runner.config.job_settings.clone();
    settings.tools.extend(runner.capabilities.chosen_for(&job.job_type));
    settings.plane = claim
        .access
        .map(|access| PlaneAccess { origin: runner.config.origin.clone(), state_token: access.state_token });
    tracing::info!(job.id = %job.id, attempt = job.attempt, kind = job.job_type, "claimed a job");
    let cloud_identity = claim.cloud_identity;
    let log_limit_bytes = runner.config.log_limit_bytes;
    let boot_id = boot_id().unwrap_or_default();
    let claimed = Claimed { format: FORMAT, boot_id, job, log_limit_bytes, cloud_identity, settings };
    let directory = match JobDirectory::create(&runner.jobs_dir, &claimed) {
        Ok(directory) => directory,
        Err(error) => {
            report_without_directory(&runner, &claimed, &error).await;
            return None;
        }
    };
    begin(runner, directory, claimed).await
}

/// Starts a job that has a directory and no process, and looks after it until all of it is delivered.
pub(crate) async fn begin(runner: Arc<Runner>, directory: JobDirectory, claimed: Claimed) -> Option<Claim> {
    // Before the inputs, which may take long: from here on its lease is extended and it can be cancelled.
    let mut orders = runner.hold(&claimed.job.id, claimed.job.attempt_no(), &directory);
    let fetched = tokio::select! {
        fetched = fetch_inputs(&runner, &claimed, &directory) => fetched,
        stop = stop_before_start(&mut orders, &directory) => Err((stop.reason.as_reason(), "it was stopped before it began".to_owned())),
    };
    let (process, renewal) = match fetched.and_then(|renewal| Ok((start(&runner, &directory)?, renewal))) {
        Ok((process, renewal)) => (Some(process), renewal),
        Err(why) => {
            if let Err(error) = refuse(&directory, &why) {
                tracing::error!(error = crate::chain(&error), "cannot write down why a job was not started");
            }
            (None, None)
        }
    };
    attend(runner, directory, claimed, process, renewal, orders).await
}

async fn stop_before_start(orders: &mut mpsc::UnboundedReceiver<Order>, directory: &JobDirectory) -> Stop {
    while let Some(order) = orders.recv().await {
        if let Some(stop) = wanted(order, directory) {
            return stop;
        }
    }
    std::future::pending().await
}

/// Looks after a job from here on: passes on orders, delivers what it writes, reports how it ended.
pub(crate) async fn attend(
    runner: Arc<Runner>,
    directory: JobDirectory,
    claimed: Claimed,
    process: Option<DetachedProcess>,
    renewal: Option<Renewal>,
    orders: mpsc::UnboundedReceiver<Order>,
) -> Option<Claim> {
    let (job, attempt) = (claimed.job.id.clone(), claimed.job.attempt_no());
    let (ended, mut has_ended) = watch::channel(process.is_none());
    let delivered = {
        let delivery = delivery::run(&runner, &directory, &claimed, has_ended.clone());
        let control = control(&directory, process, orders, ended);
        let mut control = std::pin::pin!(control);
        let delivered = tokio::select! {
            delivered = delivery => delivered,
            () = &mut control => unreachable_end(),
            () = oidc_token::keep_fresh(&runner, &claimed, &directory, renewal, has_ended.clone()) => unreachable_end(),
        };
        if let Delivered::Refused { .. } = delivered {
            // What may still be stopped without harm is; what has changed the world goes on to its end.
            runner.order(&job, attempt, Order::Lost);
            tokio::select! {
                _ = has_ended.wait_for(|ended| *ended) => {}
                () = &mut control => {}
            }
            delivery::say_late(&runner, &directory, &claimed).await;
        }
        delivered
    };
    runner.let_go(&job, attempt);
    let mut next = None;
    let kept = match delivered {
        Delivered::All(Taken { status, claim }) => {
            tracing::info!(job.id = %job, %status, "reported a job");
            next = claim.map(|claim| *claim);
            directory.remove()
        }
        Delivered::Refused { why } => {
            tracing::warn!(job.id = %job, why, "the control plane does not take this attempt's report");
            directory
                .keep_as_lost()
                .map(|kept| tracing::warn!(directory = %kept.display(), "its log and outcome are kept"))
        }
    };
    if let Err(error) = kept {
        tracing::error!(error = crate::chain(&error), job.id = %job, "cannot put away a job's directory");
    }
    next
}

/// `control` waits for orders for ever.
fn unreachable_end() -> Delivered {
    Delivered::Refused { why: "the runner lost sight of the job".to_owned() }
}

/// Watches the process, and passes on orders to it. Never returns.
async fn control(
    directory: &JobDirectory,
    process: Option<DetachedProcess>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    ended: watch::Sender<bool>,
) {
    let Some(process) = process else { return std::future::pending().await };
    let mut asked: Option<Stop> = None;
    loop {
        tokio::select! {
            result = process.ended(), if !*ended.borrow() => {
                if let Err(error) = result {
                    tracing::error!(error = crate::chain(&error), "cannot watch a job's process");
                }
                ended.send_replace(true);
            }
            Some(order) = orders.recv() => {
                let Some(stop) = wanted(order, directory) else { continue };
                let merged = asked.map_or(stop, |was| Stop {
                    reason: was.reason.max(stop.reason),
                    force: was.force || stop.force,
                });
                if asked != Some(merged) {
                    asked = Some(merged);
                    if let Err(error) = directory.place(STOP, &merged).and_then(|()| process.terminate()) {
                        tracing::error!(error = crate::chain(&error), "cannot stop a job");
                    }
                }
            }
            else => std::future::pending().await,
        }
    }
}

/// After its commit point a job that was lost is not stopped: what it does must come to its own end.
fn wanted(order: Order, directory: &JobDirectory) -> Option<Stop> {
    match order {
        Order::Stop(stop) => Some(stop),
        Order::Lost if directory.phase() == Phase::Preparing => {
            Some(Stop { reason: StopReason::LeaseLost, force: false })
        }
        Order::Lost => None,
    }
}

/// What a job needs, for itself and for who it is.
pub(crate) fn inputs(runner: &Runner, claimed: &Claimed) -> Result<Vec<Input>, (Reason, String)> {
    let plugin = runner.registry.get(&claimed.job.job_type);
    let plugin = plugin.map_err(|error| (Reason::InvalidInput, error.to_string()))?;
    let cloud = &runner.config.job_settings.cloud;
    let inputs = plugin.executor().inputs(&claimed.job).and_then(|mut inputs| {
        inputs.extend(credential_inputs(claimed.cloud_identity.as_ref(), cloud)?);
        Ok(inputs)
    });
    inputs.map_err(|error| (error.reason(), crate::chain(&error)))
}

/// Returns what of it has to be replaced while the job runs.
async fn fetch_inputs(
    runner: &Runner,
    claimed: &Claimed,
    directory: &JobDirectory,
) -> Result<Option<Renewal>, (Reason, String)> {
    let mut renewal = None;
    for input in inputs(runner, claimed)? {
        let file = directory.paths().inputs.join(input.file_name());
        let fetched =
            (|| fetch(&runner.client, claimed, &input)).retry(delivery::pauses()).when(ClientError::is_retryable);
        let fetched = fetched.notify(|error, pause| delivery::say("fetch an input", error, pause)).await;
        let fetched = match fetched {
            Ok(Some(fetched)) => fetched,
            Ok(None) => continue,
            Err(error) => {
                let text = format!("cannot fetch {}: {}", input.file_name(), crate::chain(&error));
                return Err((Reason::InvalidInput, text));
            }
        };
        check_digest(&input, &fetched.digest, &fetched.bytes).map_err(|text| (Reason::InvalidInput, text))?;
        write_private(&file, &fetched.bytes)
            .map_err(|error| (Reason::RunnerError, format!("cannot write {}: {error}", file.display())))?;
        renewal = renewal.or(Renewal::of(&input, fetched.life));
    }
    Ok(renewal)
}

#[derive(Default)]
struct Fetched {
    bytes: Vec<u8>,
    digest: Option<String>,
    life: Option<Duration>,
}

async fn fetch(client: &Client, claimed: &Claimed, input: &Input) -> Result<Option<Fetched>, ClientError> {
    match input {
        Input::Source(id) => {
            let bytes = client.source(id).await?.to_vec();
            Ok(Some(Fetched { bytes, digest: Some(id.clone()), life: None }))
        }
        Input::Artifact { job_id, name } => {
            let (bytes, digest) = client.artifact(job_id, name).await?;
            Ok(Some(Fetched { bytes: bytes.to_vec(), digest, life: None }))
        }
        Input::JobRecord(id) => {
            let job = client.job(id).await?;
            let bytes = serde_json::to_vec(&job).map_err(|error| ClientError::Nonsense(error.to_string()))?;
            Ok(Some(Fetched { bytes, ..Fetched::default() }))
        }
        Input::GitToken { host } => {
            let token = client.git_token(&claimed.job.id, claimed.job.attempt_no(), host).await?;
            Ok(token.map(|token| Fetched { bytes: token.expose_secret().as_bytes().to_vec(), ..Fetched::default() }))
        }
        Input::OidcToken { audience } => {
            let fetched = client.oidc_token(&claimed.job.id, claimed.job.attempt_no(), audience).await?;
            Ok(fetched.map(|OidcToken { token, life }| {
                let bytes = token.expose_secret().as_bytes().to_vec();
                Fetched { bytes, life, digest: None }
            }))
        }
    }
}

fn check_digest(input: &Input, expected: &Option<String>, bytes: &[u8]) -> Result<(), String> {
    let digest = hex::encode(Sha256::digest(bytes));
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&digest) => {
            Err(format!("{} arrived damaged: its SHA-256 is {digest}, not {expected}", input.file_name()))
        }
        _ => Ok(()),
    }
}

fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(bytes)
}

/// The same program again, in a session of its own, with an environment that holds nothing of ours.
fn start(runner: &Runner, directory: &JobDirectory) -> Result<DetachedProcess, (Reason, String)> {
    let mut env: Environment = runner.config.job_settings.env.iter().collect();
    for (name, value) in runner.config.ambient.iter() {
        env.set(name, value);
    }
    env.set("HOME", directory.paths().home);
    // This file and no other, even if an upgrade has put a new one in its place.
    let command = Command::new("/proc/self/exe", env, directory.root()).arg(job_process::VERB).arg(directory.root());
    spawn_detached(&command, &directory.file(PROCESS_OUTPUT))
        .map_err(|error| (Reason::RunnerError, format!("cannot start the job's process: {}", crate::chain(&error))))
}

/// Who wanted the end decides whether it is a failure.
pub(crate) fn status_for(reason: Reason) -> JobStatus {
    if reason == Reason::CancelledByUser { JobStatus::Cancelled } else { JobStatus::Failed }
}

/// A job that cannot be started ends like any other: with a line of log and an outcome.
fn refuse(directory: &JobDirectory, (reason, text): &(Reason, String)) -> io::Result<()> {
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
pub(crate) fn write_lost_outcome(directory: &JobDirectory) -> io::Result<()> {
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
async fn report_without_directory(runner: &Runner, claimed: &Claimed, error: &io::Error) {
    let text = format!("the runner cannot make a folder for the job: {error}; free some disk space there");
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
