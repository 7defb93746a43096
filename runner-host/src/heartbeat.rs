//! Says that the runner lives, and hears what the plane wants.

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use process_supervisor::release_program_pages;
use reqwest::StatusCode;
use wire::{Heartbeat, HeartbeatAnswer, KindInfo, PROTOCOL, RunnerStatus};

use crate::client::ClientError;
use crate::dialect::Dialect;
use crate::dispatch::blocking;
use crate::held_jobs::Order;
use crate::pauses::{jittered, pauses};
use crate::root_bundle;
use crate::runner::{RunError, Runner};

/// With a job, or to a plane of the seed's contract. A job is its runner's for 90 s after the last one that arrived: a minute
/// without a way to the plane leaves time for one more, also if it begins just before one.
const OFTEN: Duration = Duration::from_secs(20);
/// With a job, after one that failed.
const SOON: Duration = Duration::from_secs(2);
/// So often: behind that the lease has ended.
const SOON_TRIES: u32 = 40;
/// After any other that failed: many runners wait for a plane that was away.
const AGAIN: Duration = Duration::from_secs(5);
/// A job that was taken is shown by then. The plane waits 30 s for a sign of it.
const SHOW: Duration = Duration::from_secs(10);
/// While the parked claim and the open stream of events say that we live. Like that claim, it finds the connection of the last one
/// open: the plane closes what says nothing for 100 s.
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
            Err(ClientError::Refused { status: StatusCode::UNAUTHORIZED, text, .. }) => {
                return Err(RunError::Config(format!(
                    "the control plane does not know this runner or its token ({text}); check ALETHIA_WORKER_ID and \
                     ALETHIA_WORKER_TOKEN, or register the runner again"
                )));
            }
            Err(ClientError::Refused { status: StatusCode::CONFLICT, text, .. }) => return Err(RunError::Config(text)),
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
    let (mut is_published, mut failures) = (false, 0);
    loop {
        let kinds = if is_published { None } else { Some(published(&runner).await) };
        let labels = (!is_published).then(|| runner.config.labels.clone());
        let answered = send(&runner, &Heartbeat { kinds, labels, ..heartbeat(&runner) }).await;
        // From then on a job of any of them can be submitted.
        if answered && !is_published {
            is_published = true;
            tracing::info!(runner.id = %runner.config.runner_id, slots = runner.config.slots, "ready for jobs");
            root_bundle::find(&runner).await;
        }
        failures = if answered { 0 } else { failures + 1 };
        if is_idle(&runner) {
            rest();
        }
        tokio::select! {
            () = tokio::time::sleep(pause(&runner, failures)) => {}
            // A change waits for nobody; a failure is not worth more haste.
            () = runner.beat_now.notified() => {}
            () = took_a_job(&runner) => {}
        }
    }
}

/// With their schemas they are large: the first claim does not wait for them, and nobody keeps them.
async fn published(runner: &Arc<Runner>) -> Vec<KindInfo> {
    let runner = Arc::clone(runner);
    blocking(move || runner.capabilities.published()).await
}

/// A job that writes nothing would look like one whose claim was never answered. One that ends soon costs no heartbeat.
async fn took_a_job(runner: &Runner) {
    runner.held.holds_more.notified().await;
    tokio::time::sleep(SHOW).await;
}

fn pause(runner: &Runner, failures: u32) -> Duration {
    let is_seen = *runner.dialect.borrow() == Some(Dialect::Two);
    match (failures, is_idle(runner)) {
        (0, true) if is_seen => IDLE,
        (0, _) => OFTEN,
        (1..=SOON_TRIES, false) => jittered(SOON),
        _ => jittered(AGAIN),
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
        labels: None,
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

#[cfg(test)]
pub(crate) mod tests {
    //! The clock stands still: what takes minutes here takes no time.

    use std::future::pending;
    use std::path::Path;

    use axum::extract::State;
    use axum::routing::post;
    use axum::{Json, Router};
    use executor_api::{ExecutorPlugin, ExecutorRegistry};
    use serde_json::{Value, json};
    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::*;
    use crate::config::Config;
    use crate::job_directory::{Claimed, JobDirectory};
    use crate::registry::tests::Idle;
    use crate::runner;

    /// How long a job is its runner's, and how long nothing arrives.
    const LEASE: Duration = Duration::from_secs(90);
    const AWAY: Duration = Duration::from_secs(60);

    static PLUGIN: ExecutorPlugin = ExecutorPlugin::new::<Value>("test", &Idle);

    pub(crate) async fn runner_for(origin: &str, state_dir: &Path) -> Runner {
        let config = Config::new(origin, "r".parse().unwrap(), "t".to_owned().into(), state_dir.to_owned());
        runner::prepare(config, ExecutorRegistry::new([&PLUGIN]).unwrap(), state_dir).await.unwrap()
    }

    /// When heartbeats arrived.
    type Arrived = Arc<watch::Sender<Vec<Instant>>>;

    /// Away from just before the heartbeat after the third.
    async fn answer(State(arrived): State<Arrived>) -> Json<Value> {
        let third = arrived.borrow().get(2).copied();
        let is_away = third.map(|third| third + OFTEN).is_some_and(|begin| begin.elapsed() < AWAY);
        if is_away {
            return pending().await;
        }
        arrived.send_modify(|arrived| arrived.push(Instant::now()));
        Json(json!({ "success": true, "protocol": 2 }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_without_a_way_to_the_plane_costs_no_job() {
        let arrived = Arrived::default();
        let router = Router::new().route(wire::paths::HEARTBEAT, post(answer)).with_state(Arc::clone(&arrived));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let folder = tempfile::tempdir().unwrap();
        let runner = Arc::new(runner_for(&origin, folder.path()).await);
        let claimed = Claimed::of(json!({ "id": "j", "job_type": "test", "status": "PROCESSING", "attempt": 1 }));
        let directory = JobDirectory::of(folder.path(), &claimed);
        let _orders = runner.held.hold(&claimed.job.id, claimed.job.attempt_no(), &directory);
        let beating = tokio::spawn(run(runner));
        let times = arrived.subscribe().wait_for(|times| times.len() > 3).await.unwrap().clone();
        beating.abort();
        let silence = times[3] - times[2];
        assert!(silence >= AWAY && silence < LEASE, "{silence:?}");
    }
}
