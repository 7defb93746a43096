//! A runner takes a job: QUEUED to CLAIMED under a lease, as a new attempt.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use wire::{
    AttemptNo, Claim, ClaimRequest, CloudIdentity, JobAccess, JobId, RunnerId, RunnerMode, RunnerStatus, Timestamp,
};

use super::holding::Holding;
use super::{Held, Offer, Queue, Row, Take};
use crate::detached::detached;
use crate::directory::Runner;
use crate::error::PlaneError;
use crate::wake::{Baton, Parking, Woken};

/// A runner that asks for work, as far as matching goes.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// Which runner.
    pub runner: RunnerId,
    /// SHA-256 of the token that it came with.
    pub token_hash: String,
    /// Whose jobs it runs; none for a runner that works for all organisations.
    pub org: Option<String>,
    /// The kinds that it runs; none for all.
    pub kinds: Option<Vec<String>>,
    /// What it offers.
    pub labels: Map<String, Value>,
    /// The only identity whose jobs it takes, besides those that are assigned to it.
    pub identity: Option<String>,
    /// For whom it works now, and for nobody else until it is free; only for a runner that works for all.
    pub bond: Option<Bond>,
    /// Its writes say which attempt they are of. The seed's runners do not: whatever they write counts as the first.
    pub names_attempts: bool,
}

/// For whom a runner works. One that works for all organisations works for one of their identities at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    org: Option<String>,
    identity: Option<String>,
}

impl Bond {
    /// For whom a job is.
    #[must_use]
    pub fn of(offer: &Offer) -> Self {
        Self { org: offer.org.clone(), identity: offer.cloud_identity.clone() }
    }
}

impl Claimant {
    /// A runner with what it was registered with and what it says now.
    #[must_use]
    pub fn new(runner: &Runner, request: &ClaimRequest) -> Self {
        let mut labels = runner.labels.clone();
        labels.extend(request.labels.clone());
        let org = (runner.mode == RunnerMode::SelfHosted).then(|| runner.org.clone());
        let identity = runner.cloud_identity_id.clone();
        let names_attempts = request.request_id.is_some();
        Self {
            runner: runner.id.clone(),
            token_hash: runner.token_hash.clone(),
            org,
            kinds: request.kinds.clone(),
            labels,
            identity,
            bond: None,
            names_attempts,
        }
    }

    /// A runner as it will ask for its next job, as far as we know. One that nobody has heard of may be able to do anything.
    #[must_use]
    pub fn expected(runner: &Runner) -> Self {
        let (kinds, labels) = (runner.kind_names(), runner.own_labels.clone());
        let request = ClaimRequest { kinds, labels, ..ClaimRequest::default() };
        let names_attempts = runner.instance_id.is_some() || runner.last_heartbeat.is_none();
        Self { names_attempts, ..Self::new(runner, &request) }
    }

    /// Whether it works for all organisations.
    #[must_use]
    pub fn is_cloud_hosted(&self) -> bool {
        self.org.is_none()
    }

    /// The same while it holds these jobs.
    #[must_use]
    pub fn holding<'h>(mut self, held: impl IntoIterator<Item = &'h Held>) -> Self {
        let first = held.into_iter().next().filter(|_| self.is_cloud_hosted());
        self.bond = first.map(|held| Bond { org: held.org.clone(), identity: held.cloud_identity.clone() });
        self
    }

    /// Whether it may have this job; the other half of the rule is that the job waits.
    #[must_use]
    pub fn may_take(&self, offer: &Offer) -> bool {
        self.refusal(offer).is_none()
    }

    /// Why it may not have this job.
    #[must_use]
    pub fn refusal(&self, offer: &Offer) -> Option<String> {
        if self.org.as_ref().is_some_and(|org| offer.org.as_ref() != Some(org)) {
            return Some("works for another organisation".to_owned());
        }
        if offer.assigned_runner.as_ref().is_some_and(|assigned| *assigned != self.runner) {
            return Some("the job is assigned to another runner".to_owned());
        }
        if self.bond.as_ref().is_some_and(|bond| *bond != Bond::of(offer)) {
            return Some("works for another identity now".to_owned());
        }
        let is_assigned = offer.assigned_runner.as_ref() == Some(&self.runner);
        if !is_assigned && self.identity.is_some() && self.identity != offer.cloud_identity {
            return Some("takes only jobs of the identity that it was made for".to_owned());
        }
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&offer.kind)) {
            return Some(format!("cannot run the kind {:?}", offer.kind));
        }
        if super::runner_work::works_on(offer, &self.runner) {
            return Some("is the runner that the job works on".to_owned());
        }
        // Its log and its end would be refused, and the job given to others while it runs.
        if offer.attempt > 0 && !self.names_attempts {
            return Some(format!("speaks only the seed's contract and cannot name attempt {}", offer.attempt + 1));
        }
        let missing = offer.labels.iter().find(|(name, value)| self.labels.get(*name) != Some(value));
        missing.map(|(name, value)| {
            format!("lacks the label {name}={}", value.as_str().map_or(value.to_string(), str::to_owned))
        })
    }
}

/// How a runner stands with us now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It may take jobs.
    Takes,
    /// It finishes what it has.
    Finishes,
    /// It was removed, or its token was replaced, after it had asked.
    Gone,
}

impl Queue {
    /// A job for this runner, at once or as soon as there is one within the time that it wants to wait.
    ///
    /// # Errors
    /// If the database or the log's files fail.
    pub async fn claim(&self, runner: &Runner, request: &ClaimRequest) -> Result<Claim, PlaneError> {
        let until = Instant::now() + Duration::from_secs(request.wait_s).min(self.0.timings.claim_wait);
        let unbound = Claimant::new(runner, request);
        let request_id = request.request_id.as_deref();
        let mut orders = self.0.wake.orders(&runner.id);
        let mut baton: Option<Baton> = None;
        loop {
            orders.mark_unchanged();
            let standing = self.standing(runner);
            if standing == Standing::Gone {
                return Ok(Claim::default());
            }
            let claimant = match unbound.is_cloud_hosted() {
                true => unbound.clone().holding(&self.held_by(&runner.id).await?),
                false => unbound.clone(),
            };
            // Parked before the look, so that a job submitted in between is not missed.
            let may_take = standing == Standing::Takes;
            let mut parking = may_take.then(|| self.0.wake.park(claimant.clone(), request_id));
            if let Some(row) = self.look(&claimant, request_id, may_take).await? {
                if let Some(baton) = baton.take() {
                    baton.spend_if(&row.job.id);
                }
                return self.answer(runner, row).await;
            }
            match baton.take() {
                // One that is being taken away since has not looked for the others.
                Some(baton) if may_take && self.standing(runner) == Standing::Takes => baton.spend(),
                unused => drop(unused),
            }
            if Instant::now() >= until {
                return Ok(Claim::default());
            }
            match wait(parking.as_mut(), &mut orders, until).await {
                Next::Look => {}
                Next::LookFor(job_waits) => baton = Some(job_waits),
                Next::Answer(row) => return self.answer(runner, *row).await,
                Next::GoHome => return Ok(Claim::default()),
            }
        }
    }

    fn standing(&self, asked: &Runner) -> Standing {
        match self.0.directory.runner(&asked.id) {
            None => Standing::Gone,
            Some(now) if now.token_hash != asked.token_hash => Standing::Gone,
            Some(now) if now.drain || now.leaving || now.said != RunnerStatus::Online => Standing::Finishes,
            Some(_) => Standing::Takes,
        }
    }

    /// The job that this request was given when its answer got lost, or else the next.
    async fn look(
        &self,
        claimant: &Claimant,
        request_id: Option<&str>,
        may_take: bool,
    ) -> Result<Option<Row>, PlaneError> {
        if may_take {
            return self.take(claimant, request_id).await;
        }
        let Some(request_id) = request_id else { return Ok(None) };
        self.0.store.given_before(&claimant.runner, request_id).await
    }

    async fn take(&self, claimant: &Claimant, request_id: Option<&str>) -> Result<Option<Row>, PlaneError> {
        let (queue, take) = (self.clone(), self.request(claimant, request_id));
        detached(async move {
            let taken = queue.0.store.take(take).await?;
            if let Some(row) = &taken {
                queue.announce(row);
            }
            Ok(taken)
        })
        .await
    }

    pub(super) fn request(&self, claimant: &Claimant, request_id: Option<&str>) -> Take {
        let (claimant, now) = (claimant.clone(), Timestamp::now());
        Take { claimant, request_id: request_id.map(str::to_owned), lease_until: self.lease_from(now), now }
    }

    async fn answer(&self, asked: &Runner, row: Row) -> Result<Claim, PlaneError> {
        let Some(mut row) = self.with_log_base(row).await? else { return Ok(Claim::default()) };
        if let Some(sealed) = &row.sealed {
            self.0.vault.reveal(&mut row.job, sealed)?;
        }
        let state_token = self.0.deriver.state_token(&row.job.id, row.job.attempt_no());
        let cloud_identity = match &row.job.cloud_identity_id {
            // One that was removed meanwhile is nobody: the runner refuses that, and says why.
            Some(id) => match self.0.identities.get(row.org(), id).await {
                Ok(found) => Some(found.identity.unwrap_or_default()),
                Err(PlaneError::NotFound(_)) => Some(CloudIdentity::default()),
                Err(error) => return Err(error),
            },
            None => None,
        };
        // A token that was replaced since it asked is nobody's: the job's lease gives it to another.
        if self.standing(asked) == Standing::Gone {
            return Ok(Claim::default());
        }
        let access = JobAccess { state_token, issues_tokens: Some(self.0.issues_tokens) };
        Ok(Claim { job: Some(row.job), cloud_identity, access: Some(access) })
    }

    /// A later attempt's log begins after what the earlier ones wrote, and after a line that says why there is one. None if
    /// that took so long that the attempt is over.
    async fn with_log_base(&self, taken: Row) -> Result<Option<Row>, PlaneError> {
        if taken.log_base.is_some() {
            return Ok(Some(taken));
        }
        let is_the_same = |row: &Row| {
            let attempt = |row: &Row| (row.job.attempt, row.job.runner_id.clone());
            attempt(row) == attempt(&taken) && !row.job.status.is_terminal()
        };
        // The same request may be here twice; only one may write that line.
        let turn = self.turn_to_begin(&taken.job.id);
        let _alone = turn.lock().await;
        let row = self.get(&taken.job.id).await?;
        if row.log_base.is_some() || !is_the_same(&row) {
            return Ok(Some(row).filter(is_the_same));
        }
        let why = format!("attempt {} begins: the runner of the attempt before was lost", row.job.attempt);
        let base = self.0.logs.begin_attempt(&row.job.id, Some(&why)).await?;
        let attempt = row.job.attempt;
        let begin = move |row: &mut Row, _: Option<&mut Row>| {
            if row.job.attempt == attempt {
                row.log_base.get_or_insert(base);
            }
            Ok(())
        };
        Ok(Some(self.change(&row.job.id, begin).await?.0).filter(is_the_same))
    }

    pub(super) fn turn_to_begin(&self, id: &JobId) -> Arc<Mutex<()>> {
        let mut turns = self.0.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(id.clone()).or_default())
    }

    /// The state token of a job's attempt, if `token` is one: the current attempt is tried first.
    pub(crate) async fn attempt_of_state_token(
        &self,
        id: &JobId,
        token: &str,
    ) -> Result<Option<(Holding, AttemptNo)>, PlaneError> {
        let holding = match self.newest_holding(id).await {
            Err(PlaneError::NotFound(_)) => return Ok(None),
            holding => holding?,
        };
        let stored = crate::tokens::digest(token);
        for number in (1..=holding.attempt.0).rev() {
            let attempt = AttemptNo(number);
            if crate::tokens::matches(&self.0.deriver.state_token(id, attempt), &stored) {
                return Ok(Some((holding, attempt)));
            }
        }
        Ok(None)
    }
}

/// Behind the wakes: a lost one costs this long.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// What a claim does after it has waited.
enum Next {
    Look,
    LookFor(Baton),
    Answer(Box<Row>),
    GoHome,
}

impl From<Option<Woken>> for Next {
    fn from(woken: Option<Woken>) -> Self {
        match woken {
            Some(Woken::Look(baton)) => Self::LookFor(baton),
            Some(Woken::Given(row)) => Self::Answer(row),
            Some(Woken::Again) => Self::Look,
            None => Self::GoHome,
        }
    }
}

/// Rests until something happens. A claim that may not take jobs is not parked, and only hears of orders.
async fn wait(mut parking: Option<&mut Parking>, orders: &mut watch::Receiver<()>, until: Instant) -> Next {
    if let Some(parking) = &parking {
        parking.rest();
    }
    let next = tokio::select! {
        next = woken(parking.as_deref_mut()) => return next,
        changed = orders.changed() => if changed.is_ok() { Next::Look } else { Next::GoHome },
        () = tokio::time::sleep_until((Instant::now() + LOOK_AGAIN).min(until)) => Next::Look,
    };
    match parking {
        // In the middle of being given a job there is no looking for another.
        Some(parking) if matches!(next, Next::Look) && !parking.begin_to_look() => woken(Some(parking)).await,
        _ => next,
    }
}

async fn woken(parking: Option<&mut Parking>) -> Next {
    match parking {
        Some(parking) => (&mut parking.woken).await.ok().into(),
        None => std::future::pending().await,
    }
}
