//! Who waits for what: runners for jobs, runners for orders, viewers for changes. In memory. A claim looks again by itself
//! from time to time, so a lost wake costs seconds and nothing else; a viewer looks once it is known here, and misses none.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use wire::{Job, JobId, RunnerId};

use crate::access::Progress;
use crate::queue::{Claimant, Offer, Row};

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
    /// It looks for a job by itself, so it must not be given another one meanwhile.
    is_looking: bool,
    wake: oneshot::Sender<Woken>,
}

/// Why a parked claim is woken.
pub(crate) enum Woken {
    /// A job waits.
    Look(Baton),
    /// A job was given to it in the moment of its submission.
    Given(Box<Row>),
    /// The same request, sent before, was given a job.
    Again,
}

/// A parked claim; it leaves the queue of waiters when it is dropped.
pub(crate) struct Parking {
    wake: Wake,
    number: u64,
    /// An error when nobody will wake it any more.
    pub(crate) woken: oneshot::Receiver<Woken>,
}

impl Parking {
    /// It has looked: from here on it may be given a job that is just submitted.
    pub(crate) fn rest(&self) {
        self.look(false);
    }

    /// It is about to look by itself. False if it must not, because it was woken or is being given a job.
    pub(crate) fn begin_to_look(&self) -> bool {
        self.look(true)
    }

    fn look(&self, is_looking: bool) -> bool {
        let mut parked = lock(&self.wake.0.claims);
        let waiting = parked.claims.get_mut(&self.number);
        waiting.is_some_and(|waiting| {
            waiting.is_looking = is_looking;
            true
        })
    }
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
    job: Option<Arc<Offer>>,
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

/// A parked claim, taken out for a job that is about to be kept. Dropped instead, it sends the claim home.
pub(crate) struct Reserved {
    wake: Wake,
    waiting: Waiting,
}

impl Reserved {
    pub(crate) fn claimant(&self) -> &Claimant {
        &self.waiting.claimant
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.waiting.request_id.as_deref()
    }

    /// The job is kept, and given to the claim.
    pub(crate) fn deliver(self, row: Row) {
        let Waiting { claimant, request_id, wake, .. } = self.waiting;
        // Whoever has gone away asks again, and is given it again.
        let _ = wake.send(Woken::Given(Box::new(row)));
        if request_id.is_some() {
            let is_twin = |_: &u64, waiting: &mut Waiting| {
                waiting.request_id == request_id && waiting.claimant.runner == claimant.runner
            };
            for (_, twin) in lock(&self.wake.0.claims).claims.extract_if(.., is_twin) {
                let _ = twin.wake.send(Woken::Again);
            }
        }
    }
}

impl Wake {
    /// The resting claim that has waited longest and may take a job that is about to be kept.
    pub(crate) fn reserve(&self, job: &Offer) -> Option<Reserved> {
        let mut parked = lock(&self.0.claims);
        let fits = |waiting: &Waiting| {
            // Two jobs could be given at once to one that works for one identity at a time: the database decides.
            let is_sure = !waiting.is_looking && !waiting.claimant.is_cloud_hosted();
            is_sure && !waiting.wake.is_closed() && waiting.claimant.may_take(job)
        };
        let number = parked.claims.iter().find(|(_, waiting)| fits(waiting)).map(|(number, _)| *number)?;
        Some(Reserved { wake: self.clone(), waiting: parked.claims.remove(&number)? })
    }

    /// Waits for a job for this claimant, and looks for one first. An earlier claim of the same request has nobody who listens any more.
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
            let request_id = request_id.map(str::to_owned);
            parked.claims.insert(number, Waiting { claimant, request_id, is_looking: true, wake });
        }
        Parking { wake: self.clone(), number, woken }
    }

    /// A job waits: wakes the one claim that has waited longest and may take it.
    pub(crate) fn job_waits(&self, job: Offer) {
        self.hand_over(&Arc::new(job));
    }

    fn hand_over(&self, job: &Arc<Offer>) {
        let mut parked = lock(&self.0.claims);
        loop {
            let first = parked.claims.iter().find(|(_, waiting)| waiting.claimant.may_take(job));
            let number = first.map(|(number, _)| *number);
            let Some(waiting) = number.and_then(|number| parked.claims.remove(&number)) else { return };
            let baton = Baton { wake: self.clone(), job: Some(Arc::clone(job)) };
            match waiting.wake.send(Woken::Look(baton)) {
                // One that has just given up does not count.
                Err(Woken::Look(baton)) => baton.spend(),
                _ => return,
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

    /// Follows a job from here on: what has changed since `row` was read must be announced again.
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
        serde_json::from_value(json!({ "id": id, "org_id": "o", "job_type": "k", "status": "QUEUED" })).unwrap()
    }

    fn offer(id: &str) -> Offer {
        Offer::of(&job(id))
    }

    fn park(wake: &Wake, runner: &str, request_id: &str) -> Parking {
        let claimant = Claimant {
            runner: runner.parse().unwrap(),
            token_hash: String::new(),
            org: Some("o".to_owned()),
            kinds: None,
            labels: Map::new(),
            identity: None,
            bond: None,
            names_attempts: true,
        };
        wake.park(claimant, Some(request_id))
    }

    fn woken(parked: &mut [Parking]) -> Vec<usize> {
        let has_baton = |parking: &mut Parking| match parking.woken.try_recv() {
            Ok(Woken::Look(baton)) => {
                baton.spend();
                true
            }
            Ok(_) => true,
            Err(_) => false,
        };
        (0..parked.len()).filter(|number| has_baton(&mut parked[*number])).collect()
    }

    #[test]
    fn a_job_wakes_one_of_fifty_and_the_longest_waiting() {
        let wake = Wake::default();
        let mut parked: Vec<_> = (0..50).map(|number| park(&wake, &format!("r{number}"), "q")).collect();
        wake.job_waits(offer("one"));
        assert_eq!(woken(&mut parked), [0]);
        wake.job_waits(offer("two"));
        assert_eq!(woken(&mut parked), [1]);
    }

    #[test]
    fn who_hangs_up_with_a_job_in_hand_wakes_the_next() {
        let wake = Wake::default();
        let first = park(&wake, "r1", "q");
        let mut rest = [park(&wake, "r2", "q"), park(&wake, "r3", "q")];
        wake.job_waits(offer("one"));
        drop(first);
        assert_eq!(woken(&mut rest), [0]);
    }

    #[test]
    fn who_takes_another_job_wakes_the_next_for_this_one() {
        let wake = Wake::default();
        let mut first = park(&wake, "r1", "q");
        let mut rest = [park(&wake, "r2", "q")];
        wake.job_waits(offer("one"));
        let Ok(Woken::Look(baton)) = first.woken.try_recv() else { panic!("it was woken for the job") };
        baton.spend_if(&"older".parse().unwrap());
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
        wake.job_waits(offer("one"));
        assert_eq!(woken(&mut new), [0]);
    }

    #[test]
    fn a_job_is_given_as_it_is_kept_and_a_request_sent_again_hears_of_it() {
        let wake = Wake::default();
        let gone = park(&wake, "r0", "q");
        let mut first = park(&wake, "r1", "q");
        gone.rest();
        drop(gone);
        assert!(wake.reserve(&offer("one")).is_none(), "it looks for itself, and may find another job");
        first.rest();
        assert!(first.begin_to_look());
        first.rest();
        let reserved = wake.reserve(&offer("one")).unwrap();
        let mut again = park(&wake, "r1", "q");
        let mut other = park(&wake, "r1", "q2");
        assert!(!first.begin_to_look(), "it is being given a job");
        reserved.deliver(Row::new(job("one"), wire::LossPolicy::Requeue));
        assert!(matches!(first.woken.try_recv(), Ok(Woken::Given(row)) if row.job.id.as_str() == "one"));
        assert!(matches!(again.woken.try_recv(), Ok(Woken::Again)));
        assert!(matches!(other.woken.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        other.rest();
        drop(wake.reserve(&offer("two")));
        assert!(matches!(other.woken.try_recv(), Err(oneshot::error::TryRecvError::Closed)), "it is sent home");
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
