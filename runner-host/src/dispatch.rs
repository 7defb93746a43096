//! One claim, one report: makes the job directory, fetches what the job needs, starts its process, looks after it.

use std::future::pending;
use std::sync::Arc;

use executor_api::{PlaneAccess, Stop};
use process_supervisor::{Command, DetachedProcess, Environment, boot_id, spawn_detached};
use tokio::sync::{mpsc, watch};
use wire::{Claim, LossPolicy, Reason, RunnerStatus};

use crate::control::{control, wanted};
use crate::delivery::{self, Delivered, Taken};
use crate::dialect::Dialect;
use crate::held_jobs::Order;
use crate::job_directory::{Claimed, FORMAT, JobDirectory, PROCESS_OUTPUT};
use crate::life::Life;
use crate::oidc_token::{self, Renewal};
use crate::runner::Runner;
use crate::{inputs, job_process, stand_in_outcome};

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
    let (next, made, claim) = (Arc::clone(&runner.next_directory), directory.clone(), Arc::clone(&claimed));
    if let Err(error) = blocking(move || next.become_that_of(&claim, &made)).await {
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
