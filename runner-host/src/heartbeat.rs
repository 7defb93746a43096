//! Says that the runner lives, and hears what the plane wants.

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use process_supervisor::release_program_pages;
use reqwest::StatusCode;
use wire::{Heartbeat, HeartbeatAnswer, PROTOCOL, RunnerStatus};

use crate::client::ClientError;
use crate::dialect::Dialect;
use crate::held_jobs::Order;
use crate::pauses::pauses;
use crate::root_bundle;
use crate::runner::{RunError, Runner};

/// With a job, or to a plane of the seed's contract.
const OFTEN: Duration = Duration::from_secs(30);
/// A job that was taken is shown by then. The plane waits 30 s for a sign of it.
const SHOW: Duration = Duration::from_secs(10);
/// While the parked claim and the open stream of events say that we live.
const IDLE: Duration = Duration::from_secs(55);

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Until the plane has answered once. Ends the runner if the plane does not know it.
pub(crate) async fn first(runner: &Runner) -> Result<(), RunError> {
    let mut pauses = pauses(Duration::from_millis(100), Duration::from_secs(15)).build();
    loop {
        match runner.client.heartbeat(&heartbeat(runner)).await {
            Ok(answer) => {
                obey(runner, &answer);
                return Ok(());
            }
            Err(ClientError::Refused { status: StatusCode::UNAUTHORIZED, text }) => {
                return Err(RunError::Config(format!(
                    "the control plane does not know this runner or its token ({text}); check ALETHIA_WORKER_ID and \
                     ALETHIA_WORKER_TOKEN, or register the runner again"
                )));
            }
            Err(ClientError::Refused { status: StatusCode::CONFLICT, text }) => return Err(RunError::Config(text)),
            Err(error) => {
                let pause = pauses.next().unwrap_or(OFTEN);
                tracing::warn!(
                    error = crate::chain(&error),
                    origin = runner.config.origin,
                    pause_ms = pause.as_millis(),
                    "cannot reach the control plane; trying again"
                );
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// From then on.
pub(crate) async fn run(runner: Arc<Runner>) {
    let mut is_published = false;
    loop {
        // With their schemas they are large: the first claim does not wait for them, and nobody keeps them.
        let kinds = (!is_published).then(|| runner.capabilities.published());
        let answered = send(&runner, &Heartbeat { kinds, ..heartbeat(&runner) }).await;
        // From then on a job of any of them can be submitted.
        if answered && !is_published {
            is_published = true;
            tracing::info!(runner.id = %runner.config.runner_id, slots = runner.config.slots, "ready for jobs");
            root_bundle::find(&runner).await;
        }
        if is_idle(&runner) {
            rest();
        }
        tokio::select! {
            () = tokio::time::sleep(pause(&runner, !answered)) => {}
            // A change waits for nobody; a failure is not worth more haste.
            () = runner.beat_now.notified() => {}
            () = took_a_job(&runner) => {}
        }
    }
}

/// A job that writes nothing would look like one whose claim was never answered. One that ends soon costs no heartbeat.
async fn took_a_job(runner: &Runner) {
    runner.held.holds_more.notified().await;
    tokio::time::sleep(SHOW).await;
}

fn pause(runner: &Runner, failed: bool) -> Duration {
    let is_seen = *runner.dialect.borrow() == Some(Dialect::Two);
    match (failed, is_idle(runner) && is_seen) {
        (true, _) => Duration::from_secs(5),
        (false, true) => IDLE,
        (false, false) => OFTEN,
    }
}

fn is_idle(runner: &Runner) -> bool {
    runner.held.shown().is_empty()
}

/// Three quarters of what is in memory after the start, and half after a job, is program that waits for the next one.
fn rest() {
    if let Err(error) = release_program_pages() {
        tracing::debug!(error = crate::chain(&error), "the program stays in memory as a whole");
    }
}

/// One more, out of turn.
pub(crate) async fn beat(runner: &Runner) {
    send(runner, &heartbeat(runner)).await;
}

/// False if there was no answer.
async fn send(runner: &Runner, heartbeat: &Heartbeat) -> bool {
    match runner.client.heartbeat(heartbeat).await {
        Ok(answer) => {
            obey(runner, &answer);
            true
        }
        Err(error) => {
            tracing::warn!(error = crate::chain(&error), "a heartbeat failed; jobs go on, and it is tried again");
            false
        }
    }
}

/// The last one.
pub(crate) async fn say_goodbye(runner: &Runner) {
    runner.status.send_replace(RunnerStatus::Offline);
    match tokio::time::timeout(LAST_WORDS, runner.client.heartbeat(&heartbeat(runner))).await {
        Ok(Ok(_)) => tracing::info!("left"),
        Ok(Err(error)) => tracing::warn!(error = crate::chain(&error), "left without a goodbye"),
        Err(_) => tracing::warn!("left without a goodbye: the control plane did not answer"),
    }
}

fn heartbeat(runner: &Runner) -> Heartbeat {
    let jobs = runner.held.shown();
    Heartbeat {
        worker_id: Some(runner.config.runner_id.clone()),
        status: *runner.status.borrow(),
        current_job_id: jobs.first().map(|job| job.id.clone()),
        version: crate::VERSION.to_owned(),
        protocol: Some(PROTOCOL),
        instance_id: Some(runner.instance_id.clone()),
        jobs,
        kinds: None,
    }
}

fn obey(runner: &Runner, answer: &HeartbeatAnswer) {
    let dialect =
        if answer.protocol.is_some_and(|protocol| protocol >= PROTOCOL) { Dialect::Two } else { Dialect::Seed };
    runner.dialect.send_if_modified(|known| {
        let changed = *known != Some(dialect);
        *known = Some(dialect);
        changed
    });
    for order in &answer.cancel {
        runner.held.cancel(order);
    }
    for job in &answer.lost {
        runner.held.order(&job.id, job.attempt, Order::Lost);
    }
    if answer.drain {
        runner.plane_drains.notify_one();
    }
}
