//! What a runner does as a whole: one loop that claims, starts, drains and leaves.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use executor_api::{ExecutorRegistry, Stop, StopReason};
use rustix::fs::{FlockOperation, flock};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::{AttemptNo, CancelOrder, Claim, HeldJob, JobId, RunnerStatus};

use crate::client::Client;
use crate::command::{EXIT_CONFIG, EXIT_FAILURE};
use crate::config::Config;
use crate::directory_watch::DirectoryWatch;
use crate::job_directory::JobDirectory;
use crate::known_versions::KnownVersions;
use crate::registry::Capabilities;
use crate::shutdown::{ShutdownSignal, ShutdownSignals, Stage, Step};
use crate::{adopt, claim, dispatch, events, heartbeat};

/// Why a runner ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot work with what it was given; another start will not help.
    #[error("{0}")]
    Config(String),
    /// Something that another start may not meet again.
    #[error("{what}")]
    Failed {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl RunError {
    /// The documented exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_CONFIG,
            Self::Failed { .. } => EXIT_FAILURE,
        }
    }

    fn failed(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Failed { what, source }
    }
}

/// Which contract the plane speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The seed's.
    Seed,
    /// Ours.
    Two,
}

/// What the loops share.
pub(crate) struct Runner {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) registry: ExecutorRegistry,
    /// The kinds that can run here, with the tools that were found.
    pub(crate) capabilities: Capabilities,
    pub(crate) instance_id: String,
    pub(crate) jobs_dir: PathBuf,
    pub(crate) directory_watch: DirectoryWatch,
    /// Known after the first heartbeat.
    pub(crate) dialect: watch::Sender<Option<Dialect>>,
    /// Online or draining.
    pub(crate) status: watch::Sender<RunnerStatus>,
    /// The plane wants us to drain.
    pub(crate) plane_drains: Notify,
    /// Something changed that the next heartbeat should not wait for.
    pub(crate) beat_now: Notify,
    /// A job was taken up that no heartbeat has named yet.
    pub(crate) holds_more: Notify,
    held: Mutex<BTreeMap<(JobId, AttemptNo), Held>>,
}

/// A job that is being looked after.
struct Held {
    directory: JobDirectory,
    orders: mpsc::UnboundedSender<Order>,
}

/// What the plane, or a signal, wants of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Stop it.
    Stop(Stop),
    /// It is not ours any more.
    Lost,
}

impl Runner {
    /// Takes up a job: from here on it is in every heartbeat.
    pub(crate) fn hold(
        &self,
        job: &JobId,
        attempt: AttemptNo,
        directory: &JobDirectory,
    ) -> mpsc::UnboundedReceiver<Order> {
        let (orders, received) = mpsc::unbounded_channel();
        let held = Held { directory: directory.clone(), orders };
        self.lock_held().insert((job.clone(), attempt), held);
        self.holds_more.notify_one();
        received
    }

    /// Whether it is looked after already.
    pub(crate) fn holds(&self, job: &JobId, attempt: AttemptNo) -> bool {
        self.lock_held().contains_key(&(job.clone(), attempt))
    }

    /// The job is over for us.
    pub(crate) fn let_go(&self, job: &JobId, attempt: AttemptNo) {
        self.lock_held().remove(&(job.clone(), attempt));
    }

    /// For the heartbeat.
    pub(crate) fn held_jobs(&self) -> Vec<HeldJob> {
        let held = self.lock_held();
        let shown = held.iter().map(|((id, attempt), held)| HeldJob {
            id: id.clone(),
            attempt: *attempt,
            phase: held.directory.phase(),
        });
        shown.collect()
    }

    pub(crate) fn cancel(&self, order: &CancelOrder) {
        let stop = Stop { reason: StopReason::CancelledByUser, force: order.force };
        self.order(&order.job_id, order.attempt, Order::Stop(stop));
    }

    pub(crate) fn order(&self, job: &JobId, attempt: AttemptNo, order: Order) {
        if let Some(held) = self.lock_held().get(&(job.clone(), attempt)) {
            // Its task may be at its end.
            let _ = held.orders.send(order);
        }
    }

    fn order_all(&self, order: Order) {
        for held in self.lock_held().values() {
            let _ = held.orders.send(order);
        }
    }

    /// Waits until the dialect is known.
    pub(crate) async fn dialect(&self) -> Dialect {
        let mut dialect = self.dialect.subscribe();
        match dialect.wait_for(Option::is_some).await.map(|known| *known) {
            Ok(Some(known)) => known,
            _ => std::future::pending().await,
        }
    }

    fn lock_held(&self) -> MutexGuard<'_, BTreeMap<(JobId, AttemptNo), Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    let _lock = lock_state_dir(&state_dir)?;
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
    tracing::info!(runner.id = %runner.config.runner_id, slots = runner.config.slots, "ready for jobs");

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
                Some(_) = self.jobs.join_next() => self.idle_since = Instant::now(),
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
                self.runner.order_all(shutdown(false));
            }
            Step::Force => {
                tracing::warn!(jobs = self.jobs.len(), "ending the jobs that are left at once");
                self.runner.order_all(shutdown(true));
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

pub(crate) async fn prepare(config: Config, registry: ExecutorRegistry, state_dir: &Path) -> Result<Runner, RunError> {
    let client = Client::new(&config.origin, &config.runner_id, &config.token)
        .map_err(|error| RunError::Config(format!("cannot make connections: {}", crate::chain(&error))))?;
    let jobs_dir = state_dir.join("jobs");
    private_dir(&jobs_dir)?;
    let capabilities =
        Capabilities::probe(&registry, &config.job_settings, &KnownVersions::open(state_dir.join("tools.json"))).await;
    check_capabilities(&capabilities)?;
    let directory_watch = DirectoryWatch::start().map_err(RunError::failed("cannot watch folders"))?;
    Ok(Runner {
        instance_id: instance_id(state_dir)?,
        client,
        registry,
        capabilities,
        jobs_dir,
        directory_watch,
        dialect: watch::Sender::new(None),
        status: watch::Sender::new(RunnerStatus::Online),
        plane_drains: Notify::new(),
        beat_now: Notify::new(),
        holds_more: Notify::new(),
        held: Mutex::default(),
        config,
    })
}

fn check_capabilities(capabilities: &Capabilities) -> Result<(), RunError> {
    let missing: Vec<String> = capabilities.all_missing().map(|(kind, why)| format!("{kind}: {why}")).collect();
    if capabilities.usable().is_empty() {
        return Err(RunError::Config(format!("no kind of job can run here: {}", missing.join("; "))));
    }
    for kind in missing {
        tracing::warn!("not offered: {kind}");
    }
    Ok(())
}

fn private_dir(dir: &Path) -> Result<(), RunError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(RunError::failed(format!("cannot make the state directory {}", dir.display())))
}

fn lock_state_dir(state_dir: &Path) -> Result<File, RunError> {
    private_dir(state_dir)?;
    let file = File::create(state_dir.join("lock"));
    let file = file.map_err(RunError::failed(format!("cannot use the state directory {}", state_dir.display())))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        RunError::Config(format!(
            "another runner uses the state directory {}; stop it, or give this one its own with ALETHIA_STATE_DIR",
            state_dir.display()
        ))
    })?;
    Ok(file)
}

/// Names this state directory to the plane, for as long as it exists.
fn instance_id(state_dir: &Path) -> Result<String, RunError> {
    let file = state_dir.join("instance-id");
    if let Ok(id) = fs::read_to_string(&file)
        && !id.trim().is_empty()
    {
        return Ok(id.trim().to_owned());
    }
    let id = uuid::Uuid::new_v4().to_string();
    fs::write(&file, &id).map_err(RunError::failed(format!("cannot write {}", file.display())))?;
    Ok(id)
}

/// How long the last words may take.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);
