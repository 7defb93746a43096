//! The queue's jobs in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row as _, SqliteExecutor};
use wire::{JobId, JobList, JobStatus, RunnerId, Timestamp};

use super::giving::{self, Given, first_that_fits, give, given_before, is_gone_or_leaves};
use super::runner_work::{Effect, destroyed, effect};
use super::store::{Decide, JobStore, Take};
use super::{Held, ListFilter, Offer, Row, columns};
use crate::database::Database;
use crate::directory::runner_rows;
use crate::error::PlaneError;

/// Jobs in a SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteStore(Database);

impl SqliteStore {
    /// The jobs of a database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl JobStore for SqliteStore {
    async fn insert(&self, row: Row, give_to: Option<Take>) -> Result<Row, PlaneError> {
        self.0.writer.change(|connection| Box::pin(insert(connection, row, give_to))).await
    }

    async fn find(&self, id: &JobId) -> Result<Option<Row>, PlaneError> {
        columns::find(&self.0.pool, id).await
    }

    async fn list(&self, org: &str, filter: &ListFilter) -> Result<JobList, PlaneError> {
        let status = filter.status.map(JobStatus::as_str);
        let count = sqlx::query(COUNT).bind(org).bind(status).bind(&filter.kind);
        let total: i64 = count.fetch_one(&self.0.pool).await?.try_get("n")?;
        let list = sqlx::query(LIST).bind(org).bind(status).bind(&filter.kind);
        let list = list.bind(i64::from(filter.limit)).bind(i64::try_from(filter.offset).unwrap_or(i64::MAX));
        let rows = columns::read_all(&list.fetch_all(&self.0.pool).await?)?;
        let jobs = rows.into_iter().map(|row| row.job).collect();
        Ok(JobList { jobs, total: total.cast_unsigned(), limit: filter.limit, offset: filter.offset })
    }

    async fn held_by(&self, runner: &RunnerId) -> Result<Vec<Held>, PlaneError> {
        held_by(&self.0.pool, runner).await
    }

    async fn held(&self) -> Result<Vec<Held>, PlaneError> {
        sqlx::query(HELD).fetch_all(&self.0.pool).await?.iter().map(columns::read_held).collect()
    }

    async fn given_before(&self, runner: &RunnerId, request_id: &str) -> Result<Option<Row>, PlaneError> {
        given_before(&self.0.pool, runner, request_id).await
    }

    async fn running_on(&self, org: &str, concurrency_key: &str) -> Result<Option<Row>, PlaneError> {
        let found = sqlx::query(RUNNING_ON).bind(org).bind(concurrency_key).fetch_optional(&self.0.pool).await?;
        found.as_ref().map(columns::read).transpose()
    }

    async fn waiting_on(&self, org: &str, concurrency_key: &str) -> Result<Vec<Offer>, PlaneError> {
        let waiting = sqlx::query(giving::WAITING_ON).bind(org).bind(concurrency_key).fetch_all(&self.0.pool).await?;
        columns::read_offers(&waiting)
    }

    async fn all_on(&self, org: &str, concurrency_key: &str) -> Result<Vec<Row>, PlaneError> {
        columns::read_all(&sqlx::query(ALL_ON).bind(org).bind(concurrency_key).fetch_all(&self.0.pool).await?)
    }

    async fn claimable(&self, org: Option<&str>) -> Result<Vec<Offer>, PlaneError> {
        let waiting = sqlx::query(giving::CLAIMABLE).bind(org).fetch_all(&self.0.pool).await?;
        columns::read_offers(&waiting)
    }

    async fn freed(&self, gone: &RunnerId) -> Result<Vec<Offer>, PlaneError> {
        let freed = sqlx::query(giving::FREED).bind(gone.as_str()).fetch_all(&self.0.pool).await?;
        columns::read_offers(&freed)
    }

    async fn last_end(&self, runner: &RunnerId) -> Result<Option<Timestamp>, PlaneError> {
        let last: Option<i64> = sqlx::query_scalar(LAST_END).bind(runner.as_str()).fetch_one(&self.0.pool).await?;
        Ok(last.map(Timestamp::from_micros))
    }

    async fn last_claim(&self, runner: &RunnerId) -> Result<Option<JobId>, PlaneError> {
        let last = sqlx::query_scalar(LAST_CLAIM).bind(runner.as_str()).fetch_optional(&self.0.pool).await?;
        last.map(|last: String| columns::parsed(&last)).transpose()
    }

    async fn take(&self, mut take: Take) -> Result<Option<Row>, PlaneError> {
        while let Some(first) = first_that_fits(&self.0.pool, &take.claimant).await? {
            match self.0.writer.change(|connection| Box::pin(give(connection, take, first))).await? {
                Given::Job(row) => return Ok(Some(*row)),
                Given::Nothing => return Ok(None),
                Given::TooLate(again) => take = *again,
            }
        }
        // In this order: a job that the same request is given meanwhile is seen by one of the two.
        match &take.request_id {
            Some(request_id) => self.given_before(&take.claimant.runner, request_id).await,
            None => Ok(None),
        }
    }

    async fn change(&self, id: &JobId, decide: Decide) -> Result<Row, PlaneError> {
        let id = id.clone();
        self.0.writer.change(|connection| Box::pin(change(connection, id, decide))).await
    }

    async fn renew_leases(&self, until: Timestamp) -> Result<(), PlaneError> {
        let until = until.as_micros();
        self.0.writer.change(move |connection| Box::pin(renew(connection, until))).await
    }
}

async fn renew(connection: &mut SqliteConnection, until: i64) -> Result<(), PlaneError> {
    let sql = "UPDATE jobs SET lease_until = ? WHERE status IN ('CLAIMED', 'PROCESSING')";
    sqlx::query(sql).bind(until).execute(connection).await?;
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, mut row: Row, give_to: Option<Take>) -> Result<Row, PlaneError> {
    if let Some(runner) = destroyed(&row) {
        runner_rows::refuse_if_busy(connection, &runner).await?;
    }
    let has_its_turn = give_to.is_some() && !has_others(connection, &row).await?;
    columns::insert(connection, &row).await?;
    if let Some(take) = give_to.filter(|_| has_its_turn)
        && !is_gone_or_leaves(connection, &take.claimant).await?
    {
        take.give(&mut row)?;
        columns::save(connection, &mut row).await?;
    }
    Ok(row)
}

/// Whether others work on the same as a new job, or wait for that: it is after them.
async fn has_others(connection: &mut SqliteConnection, row: &Row) -> Result<bool, PlaneError> {
    let Some(key) = &row.job.concurrency_key else { return Ok(false) };
    let others = sqlx::query_scalar(HAS_OTHERS).bind(&row.job.org_id).bind(key);
    Ok(others.fetch_one(connection).await?)
}

async fn change(connection: &mut SqliteConnection, id: JobId, decide: Decide) -> Result<Row, PlaneError> {
    let mut row = columns::load(&mut *connection, &id).await?;
    let mut plan = match &row.job.plan_job_id {
        Some(plan) => columns::find(&mut *connection, plan).await?,
        None => None,
    };
    let before = row.job.status;
    let used_by = plan.as_ref().and_then(|plan| plan.plan_used_by.clone());
    decide(&mut row, plan.as_mut())?;
    if let Some(mut plan) = plan.filter(|plan| plan.plan_used_by != used_by) {
        columns::save(connection, &mut plan).await?;
    }
    columns::save(connection, &mut row).await?;
    match effect(before, &row) {
        Some(Effect::Deployed(runner, config)) => runner_rows::deployed(connection, &runner, &config).await?,
        Some(Effect::Gone(runner)) => runner_rows::delete(connection, runner).await?,
        Some(Effect::Stays(_)) | None => {}
    }
    Ok(row)
}

pub(super) async fn held_by(executor: impl SqliteExecutor<'_>, runner: &RunnerId) -> Result<Vec<Held>, PlaneError> {
    sqlx::query(HELD_BY).bind(runner.as_str()).fetch_all(executor).await?.iter().map(columns::read_held).collect()
}

macro_rules! held {
    ($which:literal) => {
        concat!(
            "SELECT id, org_id, cloud_identity_id, plan_job_id, runner_id, status, attempt, phase, claimed_at, \
             cancel_requested, cancel_force, loss, request_id, confirmed, lease_until \
             FROM jobs WHERE status IN ('CLAIMED', 'PROCESSING')",
            $which
        )
    };
}
const HELD: &str = held!("");
const HELD_BY: &str = held!(" AND runner_id = ? ORDER BY claimed_at");
const LAST_CLAIM: &str =
    "SELECT id FROM jobs WHERE runner_id = ? AND claimed_at IS NOT NULL ORDER BY claimed_at DESC LIMIT 1";
const LAST_END: &str = "SELECT MAX(completed_at) FROM jobs WHERE runner_id = ? AND completed_at IS NOT NULL";
const RUNNING_ON: &str = "SELECT * FROM jobs WHERE org_id = ? AND concurrency_key = ? \
                          AND status IN ('CLAIMED', 'PROCESSING') LIMIT 1";
const HAS_OTHERS: &str = "SELECT EXISTS (SELECT 1 FROM jobs WHERE org_id = ? AND concurrency_key = ? \
                          AND status IN ('QUEUED', 'CLAIMED', 'PROCESSING'))";
/// The sign as in [`giving::WAITING_ON`].
pub(super) const ALL_ON: &str = "SELECT * FROM jobs WHERE org_id = ? AND concurrency_key = ? \
                                 AND status IN ('QUEUED', 'CLAIMED', 'PROCESSING') ORDER BY +created_at, id";
const COUNT: &str = "SELECT COUNT(*) AS n FROM jobs \
                     WHERE org_id = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR job_type = ?3)";
const LIST: &str = "SELECT * FROM jobs \
                    WHERE org_id = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR job_type = ?3) \
                    ORDER BY created_at DESC, id DESC LIMIT ?4 OFFSET ?5";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_question_about_a_runner_reads_all_that_it_ever_ran() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("plane.db")).await.unwrap();
        for (question, index) in [(HELD_BY, "jobs_held"), (LAST_CLAIM, "jobs_claimed"), (LAST_END, "jobs_completed")] {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}"))).bind("r");
            let plan = plan.fetch_all(&database.pool).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            assert!(steps.len() == 1 && steps[0].contains(index), "{question}: {steps:?}");
        }
    }
}
