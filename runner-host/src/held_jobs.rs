//! The jobs that this runner looks after, and the way for orders to reach them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use executor_api::{Stop, StopReason};
use tokio::sync::{Notify, mpsc, watch};
use wire::{AttemptNo, CancelOrder, HeldJob, JobId, Phase};

use crate::job_directory::JobDirectory;

/// What the plane, or a signal, wants of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Stop it.
    Stop(Stop),
    /// It is not ours any more.
    Lost,
}

/// All of them.
#[derive(Default)]
pub(crate) struct HeldJobs {
    jobs: Mutex<BTreeMap<(JobId, AttemptNo), Held>>,
    /// A job was taken up that no heartbeat has named yet.
    pub(crate) holds_more: Notify,
    /// How many there are.
    pub(crate) number: watch::Sender<usize>,
    /// One has ended; what it has to say may be on its way.
    pub(crate) one_has_ended: Notify,
}

/// A job that is being looked after.
struct Held {
    directory: JobDirectory,
    orders: mpsc::UnboundedSender<Order>,
}

impl HeldJobs {
    /// Takes up a job: from here on it is in every heartbeat.
    pub(crate) fn hold(
        &self,
        job: &JobId,
        attempt: AttemptNo,
        directory: &JobDirectory,
    ) -> mpsc::UnboundedReceiver<Order> {
        let (orders, received) = mpsc::unbounded_channel();
        let held = Held { directory: directory.clone(), orders };
        let mut jobs = self.lock();
        jobs.insert((job.clone(), attempt), held);
        self.number.send_replace(jobs.len());
        drop(jobs);
        self.holds_more.notify_one();
        received
    }

    /// Whether it is looked after already.
    pub(crate) fn holds(&self, job: &JobId, attempt: AttemptNo) -> bool {
        self.lock().contains_key(&(job.clone(), attempt))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Of how many all that is left to do is to deliver what they have to say.
    pub(crate) fn ended(&self) -> usize {
        self.lock().values().filter(|held| held.directory.phase() == Phase::Ending).count()
    }

    /// Whether that is so for all of them.
    pub(crate) fn have_all_ended(&self) -> bool {
        self.ended() == self.count()
    }

    /// The job is over for us.
    pub(crate) fn let_go(&self, job: &JobId, attempt: AttemptNo) {
        let mut jobs = self.lock();
        jobs.remove(&(job.clone(), attempt));
        self.number.send_replace(jobs.len());
    }

    /// For the heartbeat.
    pub(crate) fn shown(&self) -> Vec<HeldJob> {
        let held = self.lock();
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
        if let Some(held) = self.lock().get(&(job.clone(), attempt)) {
            // Its task may be at its end.
            let _ = held.orders.send(order);
        }
    }

    pub(crate) fn order_all(&self, order: Order) {
        for held in self.lock().values() {
            let _ = held.orders.send(order);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(JobId, AttemptNo), Held>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
