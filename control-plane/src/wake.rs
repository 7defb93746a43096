//! Who waits for what: runners for jobs, runners for orders, viewers for changes. In memory; every waiter looks again
//! by itself from time to time, so a lost wake costs seconds and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
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
    is_closed: AtomicBool,
}

/// Announcements may overtake each other; an old one must not undo a new one.
struct Watched {
    revision: i64,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct Parked {
    next: u64,
    claims: BTreeMap<u64, Waiting>,
}

struct Waiting {
    claimant: Claimant,
    request_id: Option<String>,
    wake: oneshot::Sender<Baton>,
}

/// A parked claim; it leaves the queue of waiters when it is dropped.
pub(crate) struct Parking {
    wake: Wake,
    number: u64,
    /// A job to look for; an error when nobody will wake it any more.
    pub(crate) woken: oneshot::Receiver<Baton>,
}

impl Drop for Parking {
    fn drop(&mut self) {
        lock(&self.wake.0.claims).claims.remove(&self.number);
    }
}

/// A job that waits, in the hand of the one claim that was woken for it. Dropped before anybody has looked for the
/// job, as when a client hangs up, it wakes the next claim.
pub(crate) struct Baton {
    wake: Wake,
    job: Option<Arc<Job>>,
}

impl Baton {
    /// Somebody has looked, and took this job or found it gone.
    pub(crate) fn spend(mut self) {
        self.job = None;
    }

    /// Somebody took this job or another one.
    pub(crate) fn spend_if(self, taken: &JobId) {
        if self.job.as_ref().is_some_and(|job| job.id == *taken) {
            self.spend();
        }
    }
}

impl Drop for Baton {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            self.wake.hand_over(&job);
        }
    }
}

impl Wake {
    /// Waits for a job for this claimant. An earlier claim of the same request has nobody who listens any more.
    pub(crate) fn park(&self, claimant: Claimant, request_id: Option<&str>) -> Parking {
        let (wake, woken) = oneshot::channel();
        let mut parked = lock(&self.0.claims);
        let number = parked.next;
        parked.next += 1;
        if request_id.is_some() {
            parked.claims.retain(|_, waiting| {
                waiting.request_id.as_deref() != request_id || waiting.claimant.runner != claimant.runner
            });
        }
        if !self.is_closed() {
            parked.claims.insert(number, Waiting { claimant, request_id: request_id.map(str::to_owned), wake });
        }
        Parking { wake: self.clone(), number, woken }
    }

    /// A job waits: wakes the one claim that has waited longest and may take it.
    pub(crate) fn job_waits(&self, job: &Job) {
        self.hand_over(&Arc::new(job.clone()));
    }

    fn hand_over(&self, job: &Arc<Job>) {
        let mut parked = lock(&self.0.claims);
        loop {
            let first = parked.claims.iter().find(|(_, waiting)| waiting.claimant.may_take(job));
            let number = first.map(|(number, _)| *number);
            let Some(waiting) = number.and_then(|number| parked.claims.remove(&number)) else { return };
            match waiting.wake.send(Baton { wake: self.clone(), job: Some(Arc::clone(job)) }) {
                Ok(()) => return,
                // One that has just given up does not count.
                Err(baton) => baton.spend(),
            }
        }
    }

    /// Wakes whenever there may be new orders for a runner.
    pub(crate) fn orders(&self, runner: &RunnerId) -> watch::Receiver<()> {
        let mut orders = lock(&self.0.orders);
        if self.is_closed() {
            return watch::Sender::new(()).subscribe();
        }
        if orders.len() > MANY {
            orders.retain(|_, sender| sender.receiver_count() > 0);
        }
        orders.entry(runner.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// There may be new orders for a runner, or it may not be what it was.
    pub(crate) fn runner_has_orders(&self, runner: &RunnerId) {
        if let Some(sender) = lock(&self.0.orders).get(runner) {
            sender.send_replace(());
        }
    }

    /// Follows a job from here on.
    pub(crate) fn follow(&self, row: &Row) -> watch::Receiver<Progress> {
        let mut jobs = lock(&self.0.jobs);
        if self.is_closed() {
            return watch::Sender::new(progress(&row.job)).subscribe();
        }
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

    /// The plane leaves: whoever waits is sent home, and nobody waits from here on.
    pub(crate) fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        lock(&self.0.claims).claims.clear();
        lock(&self.0.orders).clear();
        lock(&self.0.jobs).clear();
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::SeqCst)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn job(id: &str) -> Job {
        serde_json::from_value(json!({ "id": id, "job_type": "k", "status": "QUEUED" })).unwrap()
    }

    fn park(wake: &Wake, runner: &str, request_id: &str) -> Parking {
        let claimant = Claimant { runner: runner.parse().unwrap(), org: None, kinds: None, labels: Map::new() };
        wake.park(claimant, Some(request_id))
    }

    fn woken(parked: &mut [Parking]) -> Vec<usize> {
        let has_baton = |parking: &mut Parking| match parking.woken.try_recv() {
            Ok(baton) => {
                baton.spend();
                true
            }
            Err(_) => false,
        };
        (0..parked.len()).filter(|number| has_baton(&mut parked[*number])).collect()
    }

    #[test]
    fn a_job_wakes_one_of_fifty_and_the_longest_waiting() {
        let wake = Wake::default();
        let mut parked: Vec<_> = (0..50).map(|number| park(&wake, &format!("r{number}"), "q")).collect();
        wake.job_waits(&job("one"));
        assert_eq!(woken(&mut parked), [0]);
        wake.job_waits(&job("two"));
        assert_eq!(woken(&mut parked), [1]);
    }

    #[test]
    fn who_hangs_up_with_a_job_in_hand_wakes_the_next() {
        let wake = Wake::default();
        let first = park(&wake, "r1", "q");
        let mut rest = [park(&wake, "r2", "q"), park(&wake, "r3", "q")];
        wake.job_waits(&job("one"));
        drop(first);
        assert_eq!(woken(&mut rest), [0]);
    }

    #[test]
    fn who_takes_another_job_wakes_the_next_for_this_one() {
        let wake = Wake::default();
        let mut first = park(&wake, "r1", "q");
        let mut rest = [park(&wake, "r2", "q")];
        wake.job_waits(&job("one"));
        first.woken.try_recv().unwrap().spend_if(&"older".parse().unwrap());
        assert_eq!(woken(&mut rest), [0]);
    }

    #[test]
    fn a_request_sent_again_takes_the_place_of_the_first() {
        let wake = Wake::default();
        let (mut old, mut other) = (park(&wake, "r1", "q"), park(&wake, "r2", "q"));
        let mut new = [park(&wake, "r1", "q")];
        assert!(matches!(old.woken.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(other.woken.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        drop(other);
        wake.job_waits(&job("one"));
        assert_eq!(woken(&mut new), [0]);
    }

    #[test]
    fn nobody_waits_at_a_plane_that_leaves() {
        let wake = Wake::default();
        let mut early = park(&wake, "r1", "q");
        wake.close();
        let mut late = park(&wake, "r2", "q");
        for parking in [&mut early, &mut late] {
            assert!(matches!(parking.woken.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        }
        assert!(wake.orders(&"r1".parse().unwrap()).has_changed().is_err());
    }
}
