//! What a runner does as a whole: one loop that claims, starts, drains and leaves.

use std::sync::Arc;

use executor_api::{ExecutorRegistry, Stop, StopReason};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::{Claim, RunnerStatus};

use crate::config::Config;
use crate::held_jobs::Order;
use crate::runner::{RunError, Runner, prepare};
use crate::shutdown::{ShutdownSignal, ShutdownSignals, Stage, Step};
use crate::{adopt, claim, dispatch, events, heartbeat, state_directory};

/// Runs a runner until it was asked to leave and has left.
///
/// Must be called within a tokio runtime. Job processes are this same program, started again: its `main` must begin
/// with [`crate::run_if_job_process`].
///
/// # Errors
/// If it cannot work at all; see [`RunError`].
pub async fn run(config: Config, registry: ExecutorRegistry, mut signals: ShutdownSignals) -> Result<(), RunError> {
    // Job processes work elsewhere.
    let state_dir =
        std::path::absolute(&config.state_dir).map_err(RunError::failed("cannot find the current folder"))?;
    let _lock = state_directory::lock(&state_dir)?;
    let runner = Arc::new(prepare(config, registry, &state_dir).await?);
    let mut jobs = JoinSet::new();
    adopt::adopt_all(&runner, &mut jobs).map_err(RunError::failed("cannot look for the jobs of an earlier start"))?;

    // The first heartbeat says whether we are known there at all, and which contract is spoken.
    tokio::select! {
        known = heartbeat::first(&runner) => known?,
        signal = signals.next() => {
            tracing::info!(?signal, "asked to leave before the control plane was reached");
            return Ok(());
        }
    }
    let mut loops = JoinSet::new();
    loops.spawn(heartbeat::run(Arc::clone(&runner)));
    loops.spawn(events::run(Arc::clone(&runner)));
    loops.spawn(protect_task(Arc::clone(&runner)));

    let leaving = Main {
        runner: Arc::clone(&runner),
        jobs,
        stage: Stage::Running,
        drain_over: None,
        idle_since: Instant::now(),
        claimed: 0,
    }
    .run(&mut signals)
    .await;
    loops.shutdown().await;
    if leaving == Leaving::Finished {
        heartbeat::say_goodbye(&runner).await;
    }
    Ok(())
}

async fn protect_task(runner: Arc<Runner>) {
    if let Some(task) = &runner.task_protection {
        task.follow(runner.held.number.subscribe()).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// All jobs are done and delivered.
    Finished,
    /// Jobs go on; the next runner takes them up.
    HandedOver,
}

struct Main {
    runner: Arc<Runner>,
    jobs: JoinSet<()>,
    stage: Stage,
    drain_over: Option<Instant>,
    idle_since: Instant,
    claimed: usize,
}

impl Main {
    async fn run(mut self, signals: &mut ShutdownSignals) -> Leaving {
        let mut claiming = None;
        while !self.is_done() {
            if !self.wants_more() {
                claiming = None;
            } else if claiming.is_none() {
                claiming = Some(Box::pin(claim::next(Arc::clone(&self.runner))));
            }
            tokio::select! {
                signal = signals.next() => {
                    if self.runner.config.handover && signal == ShutdownSignal::Leave {
                        tracing::info!(jobs = self.jobs.len(), "leaving; running jobs go on for the next runner");
                        return Leaving::HandedOver;
                    }
                    self.obey(signal);
                }
                () = self.runner.plane_drains.notified() => self.obey(ShutdownSignal::PlaneDrain),
                () = at(self.drain_over) => self.obey(ShutdownSignal::DrainOver),
                () = at(self.idle_over()) => self.obey(ShutdownSignal::PlaneDrain),
                // Nobody need hear of it: its report has said it all.
                Some(ended) = self.jobs.join_next() => {
                    self.idle_since = Instant::now();
                    if let Err(error) = ended {
                        // Its directory has it all; the next start of this runner takes it up.
                        tracing::error!(error = crate::chain(&error), "lost sight of a job; start this runner again");
                    }
                }
                claim = ready(&mut claiming) => {
                    claiming = None;
                    self.take(claim);
                }
            }
        }
        Leaving::Finished
    }

    fn is_done(&self) -> bool {
        let wants_no_more = self.stage > Stage::Running || (self.runner.config.once && self.claimed > 0);
        wants_no_more && self.jobs.is_empty()
    }

    fn wants_more(&self) -> bool {
        self.stage == Stage::Running
            && self.jobs.len() < self.runner.config.slots
            && !(self.runner.config.once && self.claimed > 0)
    }

    fn idle_over(&self) -> Option<Instant> {
        let limit = self.runner.config.idle_exit.filter(|_| self.jobs.is_empty() && self.stage == Stage::Running);
        limit.map(|limit| self.idle_since + limit)
    }

    fn take(&mut self, claim: Claim) {
        if claim.job.is_some() {
            self.claimed += 1;
            let runner = Arc::clone(&self.runner);
            self.jobs.spawn(dispatch::run(Arc::clone(&runner), dispatch::run_claim(runner, claim)));
        }
    }

    fn obey(&mut self, signal: ShutdownSignal) {
        let (stage, step) = self.stage.after(signal);
        self.stage = stage;
        let shutdown = |force| Order::Stop(Stop { reason: StopReason::RunnerShutdown, force });
        match step {
            Step::Nothing => {}
            Step::Drain { limited } => {
                tracing::info!(jobs = self.jobs.len(), "draining: no more jobs are taken");
                self.drain_over = limited.then(|| Instant::now() + self.runner.config.drain_timeout);
                self.runner.status.send_replace(RunnerStatus::Draining);
                self.runner.beat_now.notify_one();
            }
            Step::Stop => {
                tracing::warn!(jobs = self.jobs.len(), "stopping the jobs that are left");
                self.runner.held.order_all(shutdown(false));
            }
            Step::Force => {
                tracing::warn!(jobs = self.jobs.len(), "ending the jobs that are left at once");
                self.runner.held.order_all(shutdown(true));
            }
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn ready<T>(future: &mut Option<std::pin::Pin<Box<impl Future<Output = T>>>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
