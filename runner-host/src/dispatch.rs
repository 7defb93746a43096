//! One claim, one report: makes the job directory, fetches what the job needs, starts its process, looks after it.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use executor_api::{PlaneAccess, Stop, StopReason};
use process_supervisor::{Command, DetachedProcess, Environment, boot_id, spawn_detached};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use wire::{Claim, JobId, LossPolicy, Phase, Reason, RunnerStatus};

use crate::delivery::{self, Delivered, Taken};
use crate::dialect::Dialect;
use crate::held_jobs::Order;
use crate::job_directory::{Claimed, FORMAT, JobDirectory, PROCESS_OUTPUT};
use crate::life::Life;
use crate::oidc_token::{self, Renewal};
use crate::runner::Runner;
use crate::time_limit::TIDYING_BY_FORCE;
use crate::{inputs, job_process, stand_in_outcome};

const WATCH_AGAIN: Duration = Duration::from_secs(5);
/// What a process has that was told to end at once: then an executor blocks its thread, and it hears nothing.
const DEAF: Duration = TIDYING_BY_FORCE.saturating_add(Duration::from_secs(30));

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
    if runner.held.holds(&job.id, job.attempt_no()) {
        // A plane of the seed's contract, which knows no attempts, gives a job again when it has not heard of us for
        // long. What runs goes on; a second one would run beside it, in the same directory.
        tracing::warn!(job.id = %job.id, "was given a job that it has already; that one goes on");
        return None;
    }
    let mut settings = runner.config.job_settings.clone();
    settings.tools.extend(runner.capabilities.chosen_for(&job.job_type));
    let issues_tokens = claim.access.as_ref().and_then(|access| access.issues_tokens);
    settings.plane = claim
        .access
        .map(|access| PlaneAccess { origin: runner.config.origin.clone(), state_token: access.state_token });
    tracing::info!(job.id = %job.id, attempt = job.attempt, kind = job.job_type, "claimed a job");
    let cloud_identity = claim.cloud_identity;
    let log_limit_bytes = runner.config.log_limit_bytes;
    let boot_id = boot_id().unwrap_or_default();
    let claimed = Claimed { format: FORMAT, boot_id, job, log_limit_bytes, cloud_identity, issues_tokens, settings };
    let claimed = Arc::new(claimed);
    let directory = JobDirectory::of(&runner.jobs_dir, &claimed);
    let orders = runner.held.hold(&claimed.job.id, claimed.job.attempt_no(), &directory);
    let (made, claim) = (directory.clone(), Arc::clone(&claimed));
    if let Err(error) = blocking(move || made.create(&claim)).await {
        stand_in_outcome::report_without_directory(&runner, &claimed, &error).await;
        runner.held.let_go(&claimed.job.id, claimed.job.attempt_no());
        return None;
    }
    begin(runner, directory, claimed, orders).await
}

/// Work with files and processes: on another thread, because this one is for all jobs.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Starts a job that has a directory and no process, and looks after it until all of it is delivered.
pub(crate) async fn begin(
    runner: Arc<Runner>,
    directory: JobDirectory,
    claimed: Arc<Claimed>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> Option<Claim> {
    if let Some(task) = &runner.task_protection {
        task.wait().await;
    }
    let given = async {
        see_whether_it_is_ours(&runner, &claimed, &directory).await?;
        Ok::<_, String>(inputs::fetch_all(&runner, &claimed, &directory).await)
    };
    let stopped = |stop: Stop| (stop.reason.as_reason(), "it was stopped before it began".to_owned());
    let given = tokio::select! {
        given = given => given,
        stop = stop_before_start(&mut orders, &directory) => Ok(Err(stopped(stop))),
    };
    let fetched = match given {
        Ok(fetched) => fetched,
        Err(why) => {
            drop_unbegun(&runner, directory, &claimed, &why).await;
            return None;
        }
    };
    let started = match fetched {
        Ok(renewal) => {
            let (runner, directory) = (Arc::clone(&runner), directory.clone());
            blocking(move || start(&runner, &directory)).await.map(|process| (process, renewal))
        }
        Err(why) => Err(why),
    };
    let (process, renewal) = match started {
        Ok((process, renewal)) => (Some(process), renewal),
        Err(why) => {
            if let Err(error) = stand_in_outcome::write_refused(&directory, &why) {
                tracing::error!(error = crate::chain(&error), "cannot write down why a job was not started");
            }
            if runner.dialect().await == Dialect::Seed {
                // It hears so of every job first; if it refuses that, it refuses the end, too.
                let _ = delivery::say_that_it_runs(&runner, &directory, &claimed).await;
            }
            (None, None)
        }
    };
    attend(runner, directory, claimed, process, renewal, orders).await
}

/// What is never to run again begins only when the plane has heard that it does: until then it may give it to somebody else.
///
/// # Errors
/// Why it is not ours any more.
async fn see_whether_it_is_ours(runner: &Runner, claimed: &Claimed, directory: &JobDirectory) -> Result<(), String> {
    let plugin = runner.registry.get(&claimed.job.job_type);
    if plugin.is_ok_and(|plugin| plugin.loss_policy() == LossPolicy::Fail) {
        return delivery::say_that_it_runs(runner, directory, claimed).await;
    }
    Ok(())
}

/// Another attempt has the job, and of this one there is nothing to say.
async fn drop_unbegun(runner: &Runner, directory: JobDirectory, claimed: &Claimed, why: &str) {
    tracing::warn!(job.id = %claimed.job.id, why, "a job is not ours any more; it was not begun");
    if let Err(error) = blocking(move || directory.remove()).await {
        tracing::error!(error = crate::chain(&error), job.id = %claimed.job.id, "cannot remove a job's directory");
    }
    runner.held.let_go(&claimed.job.id, claimed.job.attempt_no());
}

async fn stop_before_start(orders: &mut mpsc::UnboundedReceiver<Order>, directory: &JobDirectory) -> Stop {
    while let Some(order) = orders.recv().await {
        if let Some(stop) = wanted(order, directory) {
            return stop;
        }
    }
    pending().await
}

/// Looks after a job from here on: passes on orders, delivers what it writes, reports how it ended.
pub(crate) async fn attend(
    runner: Arc<Runner>,
    directory: JobDirectory,
    claimed: Arc<Claimed>,
    process: Option<DetachedProcess>,
    renewal: Option<Renewal>,
    orders: mpsc::UnboundedReceiver<Order>,
) -> Option<Claim> {
    let (job, attempt) = (claimed.job.id.clone(), claimed.job.attempt_no());
    let (life, mut lives) = watch::channel(if process.is_some() { Life::Lives } else { Life::Gone });
    let delivered = {
        let delivery = delivery::run(&runner, &directory, &claimed, lives.clone());
        let control = control(&runner, &directory, &job, process, orders, life);
        let mut control = std::pin::pin!(control);
        let mut delivered = tokio::select! {
            delivered = delivery => delivered,
            never = &mut control => match never {},
            never = oidc_token::keep_fresh(&runner, &claimed, &directory, renewal, lives.clone()) => match never {},
        };
        if let Delivered::Refused { .. } = delivered {
            // What may still be stopped without harm is; what has changed the world goes on to its end.
            runner.held.order(&job, attempt, Order::Lost);
            tokio::select! {
                _ = lives.wait_for(|life| life.has_ended()) => {}
                never = &mut control => match never {},
            }
            delivered = delivery::say_late(&runner, &directory, &claimed).await;
        }
        delivered
    };
    let mut next = None;
    let is_taken = match delivered {
        Delivered::All(Taken { status, claim }) => {
            tracing::info!(job.id = %job, %status, "reported a job");
            next = claim.map(|claim| *claim);
            true
        }
        Delivered::Refused { why } => {
            tracing::warn!(job.id = %job, why, "the control plane does not take this attempt's report");
            false
        }
    };
    match blocking(move || directory.put_away(is_taken)).await {
        Ok(None) if is_taken => {}
        Ok(None) => {
            tracing::warn!(job.id = %job, "nothing of it is kept: the next job here may be another organisation's");
        }
        Ok(Some(kept)) => {
            tracing::warn!(job.id = %job, directory = %kept.display(), "what a person may look for is kept");
        }
        Err(error) => tracing::error!(error = crate::chain(&error), job.id = %job, "cannot put away a job's directory"),
    }
    runner.held.let_go(&job, attempt);
    next
}

/// Watches the process until it is written down how it ended, and passes on orders to it.
async fn control(
    runner: &Runner,
    directory: &JobDirectory,
    job: &JobId,
    process: Option<DetachedProcess>,
    orders: mpsc::UnboundedReceiver<Order>,
    life: watch::Sender<Life>,
) -> Infallible {
    let ending = async {
        if let Some(process) = &process {
            gone(process).await;
            life.send_replace(Life::Gone);
        }
        stand_in_outcome::complete(directory, job).await;
        life.send_replace(Life::Ended);
        runner.held.one_has_ended.notify_one();
        pending().await
    };
    tokio::select! {
        never = ending => never,
        never = pass_on(orders, directory, process.as_ref(), &life) => never,
    }
}

/// What cannot be watched may live.
async fn gone(process: &DetachedProcess) {
    while let Err(error) = process.ended().await {
        tracing::error!(error = crate::chain(&error), "cannot watch a job's process; trying again");
        tokio::time::sleep(WATCH_AGAIN).await;
    }
}

/// Until it has been told, and however often that fails. Where the process is gone its tools are looked after by
/// [`stand_in_outcome::complete`], which finds the stop.
async fn pass_on(
    mut orders: mpsc::UnboundedReceiver<Order>,
    directory: &JobDirectory,
    process: Option<&DetachedProcess>,
    life: &watch::Sender<Life>,
) -> Infallible {
    // What was wanted of an earlier start may not have been passed on.
    let mut stop: Option<Stop> = directory.stop().ok().flatten();
    let mut told = None;
    let mut deaf_at: Option<Instant> = None;
    loop {
        if let Some(stop) = stop.filter(|_| told != stop) {
            match ask_to_stop(&stop, directory, process) {
                Ok(()) => {
                    told = Some(stop);
                    deaf_at = deaf_at.or_else(|| stop.force.then(|| Instant::now() + DEAF));
                }
                Err(error) => tracing::error!(error = crate::chain(&error), "cannot stop a job; trying again"),
            }
        }
        let order = tokio::select! {
            order = orders.recv() => order,
            () = tokio::time::sleep(WATCH_AGAIN), if told != stop => continue,
            () = tokio::time::sleep_until(deaf_at.unwrap_or_else(Instant::now)), if deaf_at.is_some() => {
                let lives = !life.borrow().is_gone();
                deaf_at = lives.then(|| Instant::now() + WATCH_AGAIN);
                if lives {
                    kill(directory);
                }
                continue;
            }
        };
        let Some(order) = order else { return pending().await };
        if let Some(more) = wanted(order, directory) {
            stop = Some(stop.map_or(more, |was| was.merged(more)));
        }
    }
}

/// A process that has not said who it is may not listen yet, and the signal would end it. It listens, says who it is, and
/// then looks for a stop by itself.
fn ask_to_stop(stop: &Stop, directory: &JobDirectory, process: Option<&DetachedProcess>) -> io::Result<()> {
    directory.ask_to_stop(stop)?;
    match process {
        Some(process) if directory.process()?.is_some() => process.terminate(),
        _ => Ok(()),
    }
}

/// With all that it has started: that it is gone is seen by who watches it, and its end is written down for it.
fn kill(directory: &JobDirectory) {
    let directory_name = directory.root().display();
    tracing::warn!(directory = %directory_name, "a job's process does not hear that it is to end at once; it is killed");
    let killed = directory.process().and_then(|process| process.map_or(Ok(()), |process| process.kill_session()));
    if let Err(error) = killed {
        tracing::error!(error = crate::chain(&error), "cannot kill a job's process; trying again");
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

/// The same program again, in a session of its own, with an environment that holds nothing of ours.
fn start(runner: &Runner, directory: &JobDirectory) -> Result<DetachedProcess, (Reason, String)> {
    let mut env: Environment = runner.config.job_settings.env.iter().collect();
    for (name, value) in runner.config.ambient.iter() {
        env.set(name, value);
    }
    if let Some(bundle) = runner.root_bundle.get() {
        env.set("SSL_CERT_FILE", bundle);
    }
    env.set("HOME", directory.paths().home);
    // This file and no other, even if an upgrade has put a new one in its place.
    let command = Command::new("/proc/self/exe", env, directory.root()).arg(job_process::VERB).arg(directory.root());
    spawn_detached(&command, &directory.file(PROCESS_OUTPUT))
        .map_err(|error| (Reason::RunnerError, format!("cannot start the job's process: {}", crate::chain(&error))))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use serde_json::json;
    use wire::JobStatus;

    use super::*;
    use crate::delivery::tests::session_in;
    use crate::heartbeat::tests::runner_for;
    use crate::job_directory::{OUTCOME, OutcomeRecord};

    fn sh(script: &str, directory: &JobDirectory) -> DetachedProcess {
        let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
        let command = Command::new("/bin/sh", env, directory.root()).args(["-c", script]);
        spawn_detached(&command, &directory.file(PROCESS_OUTPUT)).unwrap()
    }

    #[tokio::test]
    async fn a_process_that_has_not_said_who_it_is_gets_no_signal() {
        for (has_said, prints) in [(false, "it lives\n"), (true, "")] {
            let folder = tempfile::tempdir().unwrap();
            let claimed = Claimed::of(json!({ "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 1 }));
            let directory = JobDirectory::of(folder.path(), &claimed);
            directory.create(&claimed).unwrap();
            sh("mkfifo gate", &directory).ended().await.unwrap();
            let process = sh("read -r line <gate; echo it lives", &directory);
            if has_said {
                drop(directory.claim_process().unwrap());
            }
            let wanted = Stop { reason: StopReason::CancelledByUser, force: false };
            ask_to_stop(&wanted, &directory, Some(&process)).unwrap();
            assert_eq!(directory.stop().unwrap(), Some(wanted), "it finds that by itself");
            // For reading, too: then this waits for nobody.
            let mut gate = OpenOptions::new().read(true).write(true).open(directory.file("gate")).unwrap();
            gate.write_all(b"go\n").unwrap();
            process.ended().await.unwrap();
            assert_eq!(fs::read_to_string(directory.file(PROCESS_OUTPUT)).unwrap(), prints);
        }
    }

    /// As one whose executor blocks its only thread. The clock stands still.
    #[tokio::test(start_paused = true)]
    async fn a_process_that_hears_nothing_is_ended_by_force_alone() {
        let folder = tempfile::tempdir().unwrap();
        let runner = runner_for("http://127.0.0.1:1", folder.path()).await;
        let claimed = Claimed::of(json!({ "id": "j", "job_type": "test", "status": "PROCESSING", "attempt": 1 }));
        let directory = JobDirectory::of(folder.path(), &claimed);
        directory.create(&claimed).unwrap();
        let (process, identity) = session_in(folder.path(), "trap '' TERM; read -r line <gate");
        directory.place("process.json", &identity).unwrap();
        // It is deaf when it waits here.
        let _gate = tokio::fs::OpenOptions::new().write(true).open(folder.path().join("gate")).await.unwrap();

        let (orders, received) = mpsc::unbounded_channel();
        let (life, mut lives) = watch::channel(Life::Lives);
        let controlled = control(&runner, &directory, &claimed.job.id, Some(process), received, life);
        let asked = async {
            for (force, ends) in [(false, false), (true, true)] {
                orders.send(Order::Stop(Stop { reason: StopReason::CancelledByUser, force })).unwrap();
                let day = Duration::from_secs(24 * 3600);
                let ended = tokio::time::timeout(day, lives.wait_for(|life| life.has_ended())).await;
                assert_eq!(ended.is_ok(), ends, "force: {force}");
            }
        };
        tokio::select! {
            never = controlled => match never {},
            () = asked => {}
        }
        let outcome: OutcomeRecord = directory.read(OUTCOME).unwrap().unwrap();
        assert_eq!(outcome.status, JobStatus::Cancelled);
    }
}
