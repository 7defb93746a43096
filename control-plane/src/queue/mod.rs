//! The queue: jobs, leases, attempts. The only way to a job's status, attempt and lease.

mod claim;
pub(crate) mod columns;
#[cfg(test)]
mod counting;
mod demand;
mod explain;
mod giving;
mod held;
pub(crate) mod holding;
mod lease;
mod offer;
pub mod reaper;
mod report;
mod row;
pub mod runner_work;
mod schemas;
mod sqlite;
mod store;
mod submit;
#[cfg(test)]
mod tests;
pub mod transitions;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use wire::{Job, JobId, JobStatus, RunnerId, RunnerMode, Timestamp};

use crate::access::Progress;
use crate::detached::detached;
use crate::directory::{Directory, Runner};
use crate::error::PlaneError;
use crate::identities::Identities;
use crate::logs::LogStore;
use crate::state::StateStore;
use crate::tokens::Deriver;
use crate::vault::Vault;
use crate::wake::Wake;

pub use claim::Claimant;
pub use held::Held;
use holding::Holdings;
pub use offer::Offer;
pub use report::Reported;
pub use row::Row;
use runner_work::effect;
use schemas::Schemas;
pub use sqlite::SqliteStore;
pub use store::{Decide, JobStore, Take};
pub use submit::ListFilter;

/// After how long what happens. Tests make it shorter.
#[derive(Clone, Debug)]
pub struct Timings {
    /// A runner is ONLINE for this long after a heartbeat.
    pub online: Duration,
    /// A job is its runner's for this long after a sign of life.
    pub lease: Duration,
    /// A job that must not run again waits this long for its runner to come back.
    pub silence: Duration,
    /// A claim that its runner never showed to have got is undone after this long.
    pub unacknowledged: Duration,
    /// How often lost runners are looked for.
    pub reap_every: Duration,
    /// The longest that a claim is parked.
    pub claim_wait: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            online: Duration::from_secs(60),
            lease: Duration::from_secs(90),
            silence: Duration::from_secs(300),
            unacknowledged: Duration::from_secs(30),
            reap_every: Duration::from_secs(5),
            claim_wait: Duration::from_secs(60),
        }
    }
}

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

struct Shared {
    store: Box<dyn JobStore>,
    logs: LogStore,
    states: StateStore,
    directory: Directory,
    wake: Wake,
    deriver: Deriver,
    vault: Vault,
    identities: Identities,
    timings: Timings,
    schemas: Schemas,
    /// Kinds that this program links itself.
    linked: Vec<wire::KindInfo>,
    /// What a runner runs that is deployed without an image of its own.
    runner_image: Option<wire::RunnerImage>,
    issues_tokens: bool,
    holdings: Holdings,
    /// The last sign of life since the last change of the row.
    seen: Mutex<HashMap<JobId, Timestamp>>,
    /// When lost runners were looked for last, which one does at a time; before the first look, long ago.
    looked: tokio::sync::Mutex<Timestamp>,
    /// One is held while the place of a later attempt in its job's log is fixed.
    beginning: Mutex<HashMap<JobId, Arc<tokio::sync::Mutex<()>>>>,
    /// Held while work on a runner is taken.
    runner_work: tokio::sync::Mutex<()>,
}

/// What a queue is made of.
pub(crate) struct QueueParts {
    pub(crate) store: Box<dyn JobStore>,
    pub(crate) logs: LogStore,
    pub(crate) states: StateStore,
    pub(crate) directory: Directory,
    pub(crate) wake: Wake,
    pub(crate) deriver: Deriver,
    pub(crate) vault: Vault,
    pub(crate) identities: Identities,
    pub(crate) timings: Timings,
    pub(crate) linked: Vec<wire::KindInfo>,
    pub(crate) runner_image: Option<wire::RunnerImage>,
    /// The plane can vouch for who a job is.
    pub(crate) issues_tokens: bool,
}

impl Queue {
    pub(crate) fn new(parts: QueueParts) -> Self {
        let QueueParts { store, logs, states, directory, wake, deriver, vault, identities, .. } = parts;
        let (timings, linked) = (parts.timings, parts.linked);
        let (runner_image, issues_tokens) = (parts.runner_image, parts.issues_tokens);
        let (holdings, seen, beginning, runner_work) = Default::default();
        let shared = Shared {
            store,
            logs,
            states,
            directory,
            wake,
            deriver,
            vault,
            identities,
            timings,
            schemas: Schemas::default(),
            linked,
            runner_image,
            issues_tokens,
            holdings,
            seen,
            looked: tokio::sync::Mutex::new(Timestamp::from_micros(0)),
            beginning,
            runner_work,
        };
        Self(Arc::new(shared))
    }

    /// When things happen.
    #[must_use]
    pub fn timings(&self) -> &Timings {
        &self.0.timings
    }

    /// One job.
    ///
    /// # Errors
    /// [`PlaneError::NotFound`] if there is none.
    pub async fn get(&self, id: &JobId) -> Result<Row, PlaneError> {
        self.0.store.find(id).await?.ok_or(PlaneError::NotFound("job"))
    }

    /// Follows a job.
    pub(crate) async fn follow(&self, id: &JobId) -> Result<watch::Receiver<Progress>, PlaneError> {
        self.follow_from(&self.get(id).await?).await
    }

    /// Looks again once it hears of changes: what happened since `seen` was announced to nobody.
    async fn follow_from(&self, seen: &Row) -> Result<watch::Receiver<Progress>, PlaneError> {
        let follower = self.0.wake.follow(seen);
        self.0.wake.job_changed(&self.get(&seen.job.id).await?);
        Ok(follower)
    }

    /// The runner has shown that it lives and has the job.
    pub(crate) fn sign_of_life(&self, id: &JobId) {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Timestamp::now());
    }

    fn last_seen(&self, held: &Held) -> Timestamp {
        let lease = i64::try_from(self.0.timings.lease.as_micros()).unwrap_or(i64::MAX);
        let renewed = Timestamp::from_micros(held.lease_until.as_micros().saturating_sub(lease));
        let seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&held.id).copied();
        seen.map_or(renewed, |seen| seen.max(renewed))
    }

    fn lease_from(&self, now: Timestamp) -> Timestamp {
        let lease = i64::try_from(self.0.timings.lease.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(now.as_micros().saturating_add(lease))
    }

    /// Changes one job: `decide` looks at it, and at the job whose plan it applies, and changes them or refuses.
    /// Durable when this returns, and announced even if the caller goes away meanwhile.
    async fn change<T, F>(&self, id: &JobId, decide: F) -> Result<(Row, T), PlaneError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Row, Option<&mut Row>) -> Result<T, PlaneError> + Send + 'static,
    {
        let (queue, id) = (self.clone(), id.clone());
        detached(async move {
            let (tell, told) = std::sync::mpsc::channel();
            let decide = Box::new(move |row: &mut Row, plan: Option<&mut Row>| {
                let before = row.job.status;
                // Nobody can have gone away: the receiver is below.
                let _ = tell.send((before, decide(row, plan)?));
                Ok(())
            });
            let row = queue.0.store.change(&id, decide).await?;
            let told = told.try_recv();
            let (before, result) = told.map_err(|_| PlaneError::Commit("a change was not made".to_owned()))?;
            queue.follow_effect(effect(before, &row)).await;
            queue.announce(&row);
            queue.let_next_go(&row).await;
            Ok((row, result))
        })
        .await
    }

    /// A job does not run any more: the next that works on the same thing may. Which one that is depends on who asks.
    async fn let_next_go(&self, row: &Row) {
        let Some(key) = row.job.concurrency_key.as_deref().filter(|_| row.job.status.is_terminal()) else { return };
        match self.0.store.waiting_on(row.org(), key).await {
            Ok(waiting) => waiting.into_iter().for_each(|next| self.0.wake.job_waits(next)),
            // It costs the next job the time until a claim looks again by itself.
            Err(error) => tracing::error!(%error, "cannot look for the next job"),
        }
    }

    /// Tells whoever waits for this.
    fn announce(&self, row: &Row) {
        self.0.holdings.remember(row);
        self.0.wake.job_changed(row);
        if row.job.status == JobStatus::Queued {
            self.0.wake.job_waits(Offer::of(&row.job));
        }
        if let Some(runner) = &row.job.runner_id {
            // One that works for all organisations may be free for another of them now.
            let is_free = row.job.status.is_terminal();
            if row.job.cancel_requested || (is_free && self.is_cloud_hosted(runner)) {
                self.0.wake.runner_has_orders(runner);
            }
        }
    }

    fn is_cloud_hosted(&self, runner: &RunnerId) -> bool {
        self.0.directory.runner(runner).is_some_and(|runner| runner.mode == RunnerMode::CloudHosted)
    }

    /// The jobs that a runner holds now.
    pub(crate) async fn held_by(&self, runner: &RunnerId) -> Result<Vec<Held>, PlaneError> {
        self.0.store.held_by(runner).await
    }

    /// The jobs that any runner holds now.
    pub(crate) async fn held(&self) -> Result<Vec<Held>, PlaneError> {
        self.0.store.held().await
    }

    /// Whether the runner holds the job, or one that applies its plan: then it may read it. It may go on when the job
    /// has ended, unless it works for all organisations: its token must not open what it has done for each of them.
    pub(crate) async fn runner_may_read(&self, runner: &Runner, row: &Row) -> Result<bool, PlaneError> {
        if row.job.runner_id.as_ref() == Some(&runner.id) {
            return Ok(runner.mode == RunnerMode::SelfHosted || !row.job.status.is_terminal());
        }
        let held = self.held_by(&runner.id).await?;
        Ok(held.iter().any(|held| held.plan.as_ref() == Some(&row.job.id) && held.org == row.job.org_id))
    }

    /// As it is shown to people: with the length that its log has by now.
    pub(crate) async fn shown(&self, mut row: Row) -> Result<Job, PlaneError> {
        row.job.log_length = self.0.logs.length(&row.job.id).await?;
        Ok(row.job)
    }
}
