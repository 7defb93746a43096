//! What a runner does as a whole: one loop that claims, starts, drains and leaves.

use std::sync::Arc;
use std::time::Duration;

use executor_api::{ExecutorRegistry, Stop, StopReason};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::{Claim, RunnerStatus};

use crate::config::Config;
use crate::dialect::Dialect;
use crate::held_jobs::Order;
use crate::runner::{RunError, Runner, prepare};
use crate::shutdown::{ShutdownSignal, ShutdownSignals, Stage, Step};
use crate::{adopt, claim, dispatch, events, heartbeat, state_directory};

/// How long a runner that has stopped its jobs waits for a plane that does not take what they have to say. With a disk of its
/// own, this is the last chance; with one that stays, the next start delivers.
const DELIVERY: Duration = Duration::from_secs(60);

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
        delivers_since: None,
        idle_since: Instant::now(),
        claimed: 0,
    }
    .run(&mut signals)
    .await;
    loops.shutdown().await;
    runner.next_directory.remove();
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
    /// Nothing else is left to do.
    delivers_since: Option<Instant>,
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
            self.see_whether_it_only_delivers();
            let (signal, asked_by) = tokio::select! {
                signal = signals.next() => (signal, "a signal"),
                () = self.runner.plane_drains.notified() => (ShutdownSignal::Finish, "the control plane"),
                () = at(self.drain_over) => (ShutdownSignal::DrainOver, "the drain timeout"),
                () = at(self.idle_over()) => (ShutdownSignal::Finish, "the idle limit"),
                () = at(self.delivers_since.map(|since| since + DELIVERY)) => return self.hand_over(),
                () = self.runner.held.one_has_ended.notified() => continue,
                // Nobody need hear of it: its report has said it all.
                Some(ended) = self.jobs.join_next() => {
                    self.idle_since = Instant::now();
                    if let Err(error) = ended {
                        // Its directory has it all; the next start of this runner takes it up.
                        tracing::error!(error = crate::chain(&error), "lost sight of a job; start this runner again");
                    }
                    continue;
                }
                claim = ready(&mut claiming) => {
                    claiming = None;
                    self.take(claim);
                    continue;
                }
            };
            if self.runner.config.handover && signal == ShutdownSignal::Leave {
                tracing::info!(jobs = self.jobs.len(), "leaving; running jobs go on for the next runner");
                return Leaving::HandedOver;
            }
            if self.obey(signal, asked_by) == Step::HandOver {
                return self.hand_over();
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
            && self.slots_taken() < self.runner.config.slots
            && !(self.runner.config.once && self.claimed > 0)
    }

    /// A plane of the seed's contract that has taken a job back takes its end only from who was given it again: so what waits
    /// for that leaves its slot to it. As many slots as there are, and no more: nobody runs all that is there to no end.
    fn slots_taken(&self) -> usize {
        let slots = self.runner.config.slots;
        let is_seeds = *self.runner.dialect.borrow() == Some(Dialect::Seed);
        let waiting = if is_seeds { self.runner.held.ended().min(slots) } else { 0 };
        self.jobs.len().saturating_sub(waiting)
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

    /// Of jobs that were stopped, only what they have to say may be left.
    fn see_whether_it_only_delivers(&mut self) {
        let only_delivers = self.stage >= Stage::Stopping && self.runner.held.have_all_ended();
        self.delivers_since = only_delivers.then(|| self.delivers_since.unwrap_or_else(Instant::now));
    }

    fn hand_over(&self) -> Leaving {
        let jobs: Vec<_> = self.runner.held.shown().iter().map(|job| format!("{} ({:?})", job.id, job.phase)).collect();
        tracing::warn!(
            jobs = jobs.join(", "),
            "leaving before these jobs are reported; the next start with this state directory does it"
        );
        Leaving::HandedOver
    }

    fn obey(&mut self, signal: ShutdownSignal, asked_by: &str) -> Step {
        let (stage, step) = self.stage.after(signal);
        self.stage = stage;
        let shutdown = |force| Order::Stop(Stop { reason: StopReason::RunnerShutdown, force });
        match step {
            Step::Nothing | Step::HandOver => {}
            Step::Drain { limited } => {
                let patience = self.runner.config.drain_timeout;
                let limit = if limited {
                    format!(
                        "they have {}, and another signal (Ctrl-C) stops them",
                        humantime::format_duration(patience)
                    )
                } else {
                    "they have the time they need, and a signal (Ctrl-C) limits it".to_owned()
                };
                let jobs = self.jobs.len();
                let limit = if jobs > 0 { format!("; {limit}") } else { String::new() };
                tracing::info!(asked_by, jobs, "draining: no more jobs are taken{limit}");
                self.drain_over = limited.then(|| Instant::now() + patience);
                self.runner.status.send_replace(RunnerStatus::Draining);
                self.runner.beat_now.notify_one();
            }
            Step::Stop => {
                tracing::warn!(
                    jobs = self.jobs.len(),
                    "stopping the jobs that are left; another signal ends them at once"
                );
                self.drain_over = None;
                self.runner.held.order_all(shutdown(false));
            }
            Step::Force => {
                tracing::warn!(jobs = self.jobs.len(), "ending the jobs that are left at once");
                self.runner.held.order_all(shutdown(true));
            }
        }
        step
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

#[cfg(test)]
mod tests {
    use executor_api::ExecutorPlugin;
    use secrecy::SecretString;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::job_directory::{Claimed, JobDirectory, OUTCOME};
    use crate::registry::tests::Idle;

    static PLUGIN: ExecutorPlugin = ExecutorPlugin::new::<()>("idle", &Idle);

    /// A runner with a job whose task never ends, as one without a plane.
    async fn with_a_job(stage: Stage) -> (TempDir, Main, JobDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let token = SecretString::from("t".to_owned());
        let config = Config::new("http://127.0.0.1:1", "r".parse().unwrap(), token, folder.path().to_owned());
        let runner = prepare(config, ExecutorRegistry::new([&PLUGIN]).unwrap(), folder.path()).await.unwrap();
        let claimed = Claimed::of(json!({ "id": "j", "job_type": "idle", "status": "CLAIMED", "attempt": 1 }));
        let directory = JobDirectory::of(&runner.jobs_dir, &claimed);
        directory.create(&claimed).unwrap();
        runner.held.hold(&claimed.job.id, claimed.job.attempt_no(), &directory);
        let mut jobs = JoinSet::new();
        jobs.spawn(std::future::pending());
        let (idle_since, runner) = (Instant::now(), Arc::new(runner));
        (
            folder,
            Main { runner, jobs, stage, drain_over: None, delivers_since: None, idle_since, claimed: 1 },
            directory,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_time_is_over_once() {
        let (_folder, mut main, _) = with_a_job(Stage::Running).await;
        assert_eq!(main.obey(ShutdownSignal::Leave, "a test"), Step::Drain { limited: true });
        assert_eq!(main.drain_over, Some(Instant::now() + main.runner.config.drain_timeout));
        assert_eq!(main.obey(ShutdownSignal::DrainOver, "a test"), Step::Stop);
        assert_eq!(main.drain_over, None, "or its time would be over again at once, and again");
    }

    #[tokio::test]
    async fn what_waits_to_be_given_again_keeps_no_slot() {
        for (dialect, is_free) in [(Dialect::Seed, true), (Dialect::Two, false)] {
            let (_folder, mut main, directory) = with_a_job(Stage::Running).await;
            main.runner.dialect.send_replace(Some(dialect));
            assert!(!main.wants_more(), "its one slot is taken");
            directory.write(OUTCOME, &"of a kind").unwrap();
            assert_eq!(main.wants_more(), is_free);
            main.jobs.spawn(std::future::pending());
            assert!(!main.wants_more(), "and not for more than one");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_stopped_its_jobs_does_not_wait_for_the_plane_for_ever() {
        let (_folder, main, directory) = with_a_job(Stage::Draining).await;
        let (trigger, mut signals) = ShutdownSignals::channel();
        let (held, begin) = (Arc::clone(&main.runner), Instant::now());
        let leaving = main.run(&mut signals);
        let ends = async {
            trigger.leave();
            tokio::time::sleep(DELIVERY * 10).await;
            directory.write(OUTCOME, &"of a kind").unwrap();
            held.held.one_has_ended.notify_one();
        };
        let (leaving, ()) = tokio::join!(leaving, ends);
        assert!(leaving == Leaving::HandedOver);
        assert_eq!(
            begin.elapsed().as_secs(),
            (DELIVERY * 11).as_secs(),
            "it waits for the job, and then for the plane"
        );
    }
}
