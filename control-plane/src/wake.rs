//! Who waits for what: runners for jobs, runners for orders, viewers for changes. In memory; every waiter looks again
//! by itself from time to time, so a lost wake costs seconds and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use wire::{Job, JobId, RunnerId};

use crate::access::Progress;
use crate::queue::{Claimant, Row};

/// Entries above which the ones that nobody watches are forgotten.
const MANY: usize = 64;

/// All waiters. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Waiters>);

#[derive(Default)]
struct Waiters {
    claims: Mutex<Parked>,
    orders: Mutex<HashMap<RunnerId, watch::Sender<()>>>,
    jobs: Mutex<HashMap<JobId, Watched>>,
}

/// Announcements may overtake each other; an old one must not undo a new one.
struct Watched {
    revision: i64,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct Parked {
    next: u64,
    claims: std::collections::BTreeMap<u64, (Claimant, oneshot::Sender<()>)>,
}

/// A parked claim; it leaves the queue of waiters when it is dropped.
pub(crate) struct Parking {
    wake: Wake,
    number: u64,
    pub(crate) woken: oneshot::Receiver<()>,
}

impl Drop for Parking {
    fn drop(&mut self) {
        lock(&self.wake.0.claims).claims.remove(&self.number);
    }
}

impl Wake {
    /// Waits for a job for this claimant.
    pub(crate) fn park(&self, claimant: Claimant) -> Parking {
        let (sender, woken) = oneshot::channel();
        let mut parked = lock(&self.0.claims);
        let number = parked.next;
        parked.next += 1;
        parked.claims.insert(number, (claimant, sender));
        Parking { wake: self.clone(), number, woken }
    }

    /// A job waits: wakes the one claim that has waited longest and may take it.
    pub(crate) fn job_waits(&self, job: &Job) {
        let mut parked = lock(&self.0.claims);
        loop {
            let first =
                parked.claims.iter().find(|(_, (claimant, _))| claimant.may_take(job)).map(|(number, _)| *number);
            let Some((_, sender)) = first.and_then(|number| parked.claims.remove(&number)) else { return };
            // One that has just given up does not count.
            if sender.send(()).is_ok() {
                return;
            }
        }
    }

    /// Wakes whenever there may be new orders for a runner.
    pub(crate) fn orders(&self, runner: &RunnerId) -> watch::Receiver<()> {
        let mut orders = lock(&self.0.orders);
        if orders.len() > MANY {
            orders.retain(|_, sender| sender.receiver_count() > 0);
        }
        orders.entry(runner.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// There may be new orders for a runner.
    pub(crate) fn runner_has_orders(&self, runner: &RunnerId) {
        if let Some(sender) = lock(&self.0.orders).get(runner) {
            sender.send_replace(());
        }
    }

    /// Follows a job from here on.
    pub(crate) fn follow(&self, row: &Row) -> watch::Receiver<Progress> {
        let mut jobs = lock(&self.0.jobs);
        if jobs.len() > MANY {
            jobs.retain(|_, watched| watched.progress.receiver_count() > 0);
        }
        let first = || Watched { revision: -1, progress: watch::Sender::new(progress(&row.job)) };
        let watched = jobs.entry(row.job.id.clone()).or_insert_with(first);
        announce(watched, row);
        watched.progress.subscribe()
    }

    /// A job has changed.
    pub(crate) fn job_changed(&self, row: &Row) {
        if let Some(watched) = lock(&self.0.jobs).get_mut(&row.job.id) {
            announce(watched, row);
        }
    }
}

fn announce(watched: &mut Watched, row: &Row) {
    if row.revision > watched.revision {
        watched.revision = row.revision;
        watched.progress.send_replace(progress(&row.job));
    }
}

fn progress(job: &Job) -> Progress {
    Progress { status: job.status, attempt: job.attempt, phase: job.phase }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
