//! What a database must do for the queue. It keeps, finds and locks; what may happen to a job is decided above it, in
//! pure functions over rows, so that every database behaves alike. `tests/queue/` holds each to this.

use async_trait::async_trait;
use wire::{JobId, JobList, RunnerId, Timestamp};

use super::{Claimant, Held, ListFilter, Offer, Row};
use crate::error::PlaneError;

/// Looks at a job, and at the job whose plan it applies, and changes them or refuses.
pub type Decide = Box<dyn FnOnce(&mut Row, Option<&mut Row>) -> Result<(), PlaneError> + Send>;

/// Where jobs are kept. A change is durable when its method returns; one that is refused changes nothing.
#[async_trait]
pub trait JobStore: Send + Sync + 'static {
    /// Keeps a new job, and gives it to a claimant in the same change, unless its runner was removed or given another token, or
    /// a job is to take it away ([`super::runner_work::destroyed`]), or another job works on the same or waits for that: then
    /// it waits.
    ///
    /// # Errors
    /// [`PlaneError::Conflict`] for a job that takes a runner away which holds a job.
    async fn insert(&self, row: Row, give_to: Option<Take>) -> Result<Row, PlaneError>;

    /// One job.
    async fn find(&self, id: &JobId) -> Result<Option<Row>, PlaneError>;

    /// An organisation's jobs, newest first.
    async fn list(&self, org: &str, filter: &ListFilter) -> Result<JobList, PlaneError>;

    /// The jobs that a runner holds now, oldest claim first.
    async fn held_by(&self, runner: &RunnerId) -> Result<Vec<Held>, PlaneError>;

    /// The jobs that any runner holds now.
    async fn held(&self) -> Result<Vec<Held>, PlaneError>;

    /// The job that a request of a runner was given before, for as long as it holds it.
    async fn given_before(&self, runner: &RunnerId, request_id: &str) -> Result<Option<Row>, PlaneError>;

    /// Of the jobs that work on one thing: the one that runs.
    async fn running_on(&self, org: &str, concurrency_key: &str) -> Result<Option<Row>, PlaneError>;

    /// Those that wait to work on one thing, oldest first; of very many the first.
    async fn waiting_on(&self, org: &str, concurrency_key: &str) -> Result<Vec<Offer>, PlaneError>;

    /// The jobs that work on one thing and have not ended.
    async fn all_on(&self, org: &str, concurrency_key: &str) -> Result<Vec<Row>, PlaneError>;

    /// The jobs, of one organisation or all, that wait and could be claimed now, oldest first. One that works on the same
    /// thing as a job that runs could not.
    async fn claimable(&self, org: Option<&str>) -> Result<Vec<Offer>, PlaneError>;

    /// The jobs that waited for this runner alone, and wait for any since it is gone.
    async fn freed(&self, gone: &RunnerId) -> Result<Vec<Offer>, PlaneError>;

    /// When the last job that a runner held has ended.
    async fn last_end(&self, runner: &RunnerId) -> Result<Option<Timestamp>, PlaneError>;

    /// The job that a runner was given last, whether it has ended or not.
    async fn last_claim(&self, runner: &RunnerId) -> Result<Option<JobId>, PlaneError>;

    /// Hands out the oldest waiting job that the claimant may take, as a new attempt. Among any number of callers one
    /// gets it. One that works on the same thing as a job that runs waits, and a runner that was removed or given another
    /// token, or that a job is to take away, gets none. The same request gets the job that it got before for as long as it
    /// holds it. Looking keeps nobody from writing, however many jobs wait that the claimant may not take.
    async fn take(&self, take: Take) -> Result<Option<Row>, PlaneError>;

    /// Changes one job; nobody else changes it, or the job whose plan it applies, meanwhile. What its end means for the
    /// runner that it worked on ([`super::runner_work::effect`]) is part of the change.
    ///
    /// # Errors
    /// [`PlaneError::NotFound`] if there is none, and whatever `decide` says.
    async fn change(&self, id: &JobId, decide: Decide) -> Result<Row, PlaneError>;

    /// Lets every lease that runs last until then.
    async fn renew_leases(&self, until: Timestamp) -> Result<(), PlaneError>;
}

/// A claim, as the database sees it.
#[derive(Clone, Debug)]
pub struct Take {
    /// Who wants a job, and which.
    pub claimant: Claimant,
    /// Names the request, where its client has a name for it.
    pub request_id: Option<String>,
    /// Until when the job is the runner's.
    pub lease_until: Timestamp,
    /// The present.
    pub now: Timestamp,
}

impl Take {
    /// Gives a waiting job to the claimant.
    ///
    /// # Errors
    /// [`PlaneError::Conflict`] if it does not wait.
    pub fn give(self, row: &mut Row) -> Result<(), PlaneError> {
        row.apply(super::transitions::Event::Claim)?;
        row.job.attempt += 1;
        row.job.runner_id = Some(self.claimant.runner);
        row.job.claimed_at = Some(self.now);
        row.request_id = self.request_id;
        row.confirmed = false;
        row.lease_until = self.lease_until;
        row.log_base = if row.job.attempt == 1 { Some(0) } else { None };
        Ok(())
    }
}
