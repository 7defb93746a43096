//! A runner takes a job: QUEUED to CLAIMED under a lease, as a new attempt.

use serde_json::{Map, Value};
use sqlx::sqlite::SqliteConnection;
use wire::{AttemptNo, Claim, ClaimRequest, Job, JobAccess, JobId, RunnerId, RunnerMode, RunnerStatus, Timestamp};

use super::transitions::Event;
use super::{Queue, QueueError, Row, row};
use crate::directory::Runner;

/// A runner that asks for work, as far as matching goes.
#[derive(Clone, Debug)]
pub struct Claimant {
    runner: RunnerId,
    /// None for a runner that works for all organisations.
    org: Option<String>,
    kinds: Option<Vec<String>>,
    labels: Map<String, Value>,
}

impl Claimant {
    /// A runner with what it was registered with and what it says now.
    #[must_use]
    pub fn new(runner: &Runner, request: &ClaimRequest) -> Self {
        let mut labels = runner.labels.clone();
        labels.extend(request.labels.clone());
        let org = (runner.mode == RunnerMode::SelfHosted).then(|| runner.org.clone());
        Self { runner: runner.id.clone(), org, kinds: request.kinds.clone(), labels }
    }

    /// Whether it may have this job; the other half of the rule is that the job waits.
    #[must_use]
    pub fn may_take(&self, job: &Job) -> bool {
        self.refusal(job).is_none()
    }

    /// Why it may not have this job.
    #[must_use]
    pub fn refusal(&self, job: &Job) -> Option<String> {
        if self.org.as_ref().is_some_and(|org| job.org_id.as_ref() != Some(org)) {
            return Some("works for another organisation".to_owned());
        }
        if job.assigned_runner_id.as_ref().is_some_and(|assigned| *assigned != self.runner) {
            return Some("the job is assigned to another runner".to_owned());
        }
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&job.job_type)) {
            return Some(format!("cannot run the kind {:?}", job.job_type));
        }
        let missing = job.labels.iter().find(|(name, value)| self.labels.get(*name) != Some(value));
        missing.map(|(name, value)| {
            format!("lacks the label {name}={}", value.as_str().map_or(value.to_string(), str::to_owned))
        })
    }
}

impl Queue {
    /// A job for this runner, at once or as soon as there is one within the time that it wants to wait.
    ///
    /// # Errors
    /// If the database or the log's files fail.
    pub async fn claim(&self, runner: &Runner, request: &ClaimRequest) -> Result<Claim, QueueError> {
        let until =
            tokio::time::Instant::now() + std::time::Duration::from_secs(request.wait_s).min(self.0.timings.claim_wait);
        let claimant = Claimant::new(runner, request);
        loop {
            // Parked before the look, so that a job submitted in between is not missed.
            let mut parking = self.0.wake.park(claimant.clone());
            if let Some(claim) = self.try_claim(&runner.id, &claimant, request.request_id.as_deref()).await? {
                return Ok(claim);
            }
            let look_again = (tokio::time::Instant::now() + LOOK_AGAIN).min(until);
            let woken = tokio::time::timeout_at(look_again, &mut parking.woken).await.is_ok();
            if !woken && tokio::time::Instant::now() >= until {
                return Ok(Claim::default());
            }
        }
    }

    async fn try_claim(
        &self,
        runner: &RunnerId,
        claimant: &Claimant,
        request_id: Option<&str>,
    ) -> Result<Option<Claim>, QueueError> {
        let may_claim =
            self.0.directory.runner(runner).is_some_and(|runner| !runner.drain && runner.said == RunnerStatus::Online);
        let again = self.claimed_before(runner, request_id).await?;
        if again.is_none() && !(may_claim && self.something_waits().await?) {
            return Ok(None);
        }
        let row = match again {
            Some(row) => row,
            None => match self.take_next(runner, claimant, request_id).await? {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        let row = self.with_log_base(row).await?;
        let attempt = row.job.attempt_no();
        let access = JobAccess { state_token: self.0.deriver.state_token(&row.job.id, attempt) };
        Ok(Some(Claim { job: Some(row.job), cloud_identity: None, access: Some(access) }))
    }

    /// The job that this request was given when its answer got lost.
    async fn claimed_before(&self, runner: &RunnerId, request_id: Option<&str>) -> Result<Option<Row>, QueueError> {
        let Some(request_id) = request_id else { return Ok(None) };
        let held = self.held_by(runner).await?;
        Ok(held.into_iter().find(|row| row.request_id.as_deref() == Some(request_id)))
    }

    /// A cheap look, so that idle runners do not write.
    async fn something_waits(&self) -> Result<bool, QueueError> {
        let found =
            sqlx::query("SELECT 1 FROM jobs WHERE status = 'QUEUED' LIMIT 1").fetch_optional(&self.0.pool).await?;
        Ok(found.is_some())
    }

    async fn take_next(
        &self,
        runner: &RunnerId,
        claimant: &Claimant,
        request_id: Option<&str>,
    ) -> Result<Option<Row>, QueueError> {
        let (runner, claimant) = (runner.clone(), claimant.clone());
        let request_id = request_id.map(str::to_owned);
        let lease_until = self.lease_from(Timestamp::now());
        let taken = self
            .0
            .writer
            .change(move |connection| {
                Box::pin(async move {
                    let Some(mut row) = oldest(connection, &claimant).await? else { return Ok(None) };
                    row.apply(Event::Claim)?;
                    row.job.attempt += 1;
                    row.job.runner_id = Some(runner);
                    row.job.claimed_at = Some(Timestamp::now());
                    row.request_id = request_id;
                    row.confirmed = false;
                    row.lease_until = lease_until;
                    row.log_base = if row.job.attempt == 1 { 0 } else { UNKNOWN_BASE };
                    row::save(connection, &mut row).await?;
                    Ok(Some(row))
                })
            })
            .await?;
        if let Some(row) = &taken {
            self.announce(row);
        }
        Ok(taken)
    }

    /// A later attempt's log begins after what the earlier ones wrote, and after a line that says why there is one.
    async fn with_log_base(&self, row: Row) -> Result<Row, QueueError> {
        if row.log_base != UNKNOWN_BASE {
            return Ok(row);
        }
        let why = format!("attempt {} begins: the runner of the attempt before was lost", row.job.attempt);
        let base = self.0.logs.begin_attempt(&row.job.id, Some(&why)).await?;
        let attempt = row.job.attempt;
        let set = move |row: &mut Row| {
            if row.job.attempt == attempt && row.log_base == UNKNOWN_BASE {
                row.log_base = base;
            }
            Ok(())
        };
        Ok(self.change(&row.job.id, set).await?.0)
    }

    /// Whether `attempt` of this job is this runner's. A runner that knows only the seed's contract names none.
    pub(crate) fn check_holder(row: &Row, runner: &RunnerId, attempt: AttemptNo) -> Result<(), QueueError> {
        if row.job.attempt_no() != attempt {
            return Err(QueueError::LeaseLost { job: row.job.id.clone(), attempt });
        }
        if row.job.runner_id.as_ref() != Some(runner) {
            // Requeued: nobody holds it. Otherwise it is another's.
            return Err(match row.job.runner_id {
                None => QueueError::LeaseLost { job: row.job.id.clone(), attempt },
                Some(_) => QueueError::NotYours,
            });
        }
        Ok(())
    }

    /// The state token of a job's attempt, if `token` is one: the current attempt is tried first.
    pub(crate) async fn attempt_of_state_token(
        &self,
        id: &JobId,
        token: &str,
    ) -> Result<Option<(Row, AttemptNo)>, QueueError> {
        let Some(row) = row::find(&self.0.pool, id).await? else { return Ok(None) };
        let stored = crate::tokens::digest(token);
        for number in (1..=row.job.attempt).rev() {
            let attempt = AttemptNo(number);
            if crate::tokens::matches(&self.0.deriver.state_token(id, attempt), &stored) {
                return Ok(Some((row, attempt)));
            }
        }
        Ok(None)
    }
}

/// Behind the wakes: a lost one costs this long.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(20);
/// The attempt is claimed and its place in the log is not fixed yet.
const UNKNOWN_BASE: u64 = i64::MAX.cast_unsigned();

async fn oldest(connection: &mut SqliteConnection, claimant: &Claimant) -> Result<Option<Row>, QueueError> {
    let kinds = claimant.kinds.as_ref().map(|kinds| Value::from(kinds.clone()).to_string());
    let sql = "SELECT * FROM jobs WHERE status = 'QUEUED' AND (?1 IS NULL OR org_id = ?1) \
               AND (?2 IS NULL OR job_type IN (SELECT value FROM json_each(?2))) \
               AND (assigned_runner_id IS NULL OR assigned_runner_id = ?3) \
               ORDER BY created_at, id LIMIT 200 OFFSET ?4";
    let mut skipped = 0;
    loop {
        let page = sqlx::query(sql).bind(&claimant.org).bind(&kinds).bind(claimant.runner.as_str()).bind(skipped);
        let rows = row::read_all(&page.fetch_all(&mut *connection).await?)?;
        if rows.is_empty() {
            return Ok(None);
        }
        skipped += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        if let Some(row) = rows.into_iter().find(|row| claimant.may_take(&row.job)) {
            return Ok(Some(row));
        }
    }
}
