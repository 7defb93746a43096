//! The queue's jobs in SQLite.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use wire::{JobId, JobList, JobStatus, RunnerId, Timestamp};

use super::runner_work::{Effect, destroyed, effect};
use super::store::{Decide, JobStore, Take};
use super::{Claimant, ListFilter, Row, columns};
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

    async fn held_by(&self, runner: &RunnerId) -> Result<Vec<Row>, PlaneError> {
        columns::read_all(&sqlx::query(HELD_BY).bind(runner.as_str()).fetch_all(&self.0.pool).await?)
    }

    async fn held(&self) -> Result<Vec<Row>, PlaneError> {
        columns::read_all(&sqlx::query(HELD).fetch_all(&self.0.pool).await?)
    }

    async fn first_on(&self, org: &str, concurrency_key: &str) -> Result<Option<Row>, PlaneError> {
        let found = sqlx::query(SAME_THING).bind(org).bind(concurrency_key).fetch_optional(&self.0.pool).await?;
        found.as_ref().map(columns::read).transpose()
    }

    async fn all_on(&self, org: &str, concurrency_key: &str) -> Result<Vec<Row>, PlaneError> {
        columns::read_all(&sqlx::query(ALL_ON).bind(org).bind(concurrency_key).fetch_all(&self.0.pool).await?)
    }

    async fn claimable(&self) -> Result<Vec<Row>, PlaneError> {
        columns::read_all(&sqlx::query(CLAIMABLE).fetch_all(&self.0.pool).await?)
    }

    async fn last_end(&self, runner: &RunnerId) -> Result<Option<Timestamp>, PlaneError> {
        let last = sqlx::query("SELECT MAX(completed_at) AS at FROM jobs WHERE runner_id = ?").bind(runner.as_str());
        let at: Option<i64> = last.fetch_one(&self.0.pool).await?.try_get("at")?;
        Ok(at.map(Timestamp::from_micros))
    }

    async fn last_claim(&self, runner: &RunnerId) -> Result<Option<JobId>, PlaneError> {
        let last = sqlx::query("SELECT id FROM jobs WHERE runner_id = ? ORDER BY claimed_at DESC LIMIT 1");
        let last = last.bind(runner.as_str()).fetch_optional(&self.0.pool).await?;
        last.map(|last| columns::parsed(last.try_get("id")?)).transpose()
    }

    async fn something_waits(&self) -> Result<bool, PlaneError> {
        let waits = sqlx::query("SELECT 1 FROM jobs WHERE status = 'QUEUED' LIMIT 1");
        Ok(waits.fetch_optional(&self.0.pool).await?.is_some())
    }

    async fn take(&self, take: Take) -> Result<Option<Row>, PlaneError> {
        self.0.writer.change(|connection| Box::pin(give(connection, take))).await
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
        refuse_if_busy(connection, &runner).await?;
    }
    columns::insert(connection, &row).await?;
    if let Some(take) = give_to
        && !is_taken_away(connection, &take.claimant.runner).await?
    {
        take.give(&mut row)?;
        columns::save(connection, &mut row).await?;
    }
    Ok(row)
}

/// Ending a runner would end what it does.
async fn refuse_if_busy(connection: &mut SqliteConnection, runner: &RunnerId) -> Result<(), PlaneError> {
    let held = sqlx::query(HELD_BY).bind(runner.as_str()).fetch_optional(connection).await?;
    let Some(held) = held else { return Ok(()) };
    let job = columns::read(&held)?.job.id;
    Err(PlaneError::Conflict(format!("runner {runner} holds job {job}")))
}

async fn is_taken_away(connection: &mut SqliteConnection, runner: &RunnerId) -> Result<bool, PlaneError> {
    let on_it = sqlx::query(ALL_ON_RUNNER).bind(runner.as_str()).bind(wire::runner_key(runner));
    let on_it = columns::read_all(&on_it.fetch_all(connection).await?)?;
    Ok(on_it.iter().any(|row| destroyed(row).is_some()))
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

async fn give(connection: &mut SqliteConnection, take: Take) -> Result<Option<Row>, PlaneError> {
    if take.request_id.is_some() {
        let given = sqlx::query(GIVEN_TO).bind(take.claimant.runner.as_str()).bind(&take.request_id);
        if let Some(before) = given.fetch_optional(&mut *connection).await? {
            return Ok(Some(columns::read(&before)?));
        }
    }
    if is_taken_away(connection, &take.claimant.runner).await? {
        return Ok(None);
    }
    let mut take = take;
    if take.claimant.is_cloud_hosted() {
        // What it was given in the meantime binds it.
        let held = sqlx::query(HELD_BY).bind(take.claimant.runner.as_str()).fetch_all(&mut *connection).await?;
        take.claimant = take.claimant.holding(&columns::read_all(&held)?);
    }
    let Some(mut row) = oldest(connection, &take.claimant).await? else { return Ok(None) };
    take.give(&mut row)?;
    columns::save(connection, &mut row).await?;
    Ok(Some(row))
}

/// The oldest of those that only this runner may take, else the oldest of all. Reads on only until one fits, in the order of
/// an index: a long queue costs no more than a short one.
async fn oldest(connection: &mut SqliteConnection, claimant: &Claimant) -> Result<Option<Row>, PlaneError> {
    let kinds = claimant.kinds.as_ref().map(|kinds| Value::from(kinds.clone()).to_string());
    for waiting in [ASSIGNED, UNASSIGNED] {
        let waiting = sqlx::query(waiting).bind(&claimant.org).bind(&kinds).bind(claimant.runner.as_str());
        let mut waiting = waiting.fetch(&mut *connection);
        while let Some(found) = waiting.try_next().await? {
            let row = columns::read(&found)?;
            if claimant.may_take(&row.job) {
                return Ok(Some(row));
            }
        }
    }
    Ok(None)
}

macro_rules! nobody_works_on_the_same {
    () => {
        "(concurrency_key IS NULL OR NOT EXISTS (SELECT 1 FROM jobs AS other \
          WHERE other.org_id = jobs.org_id AND other.concurrency_key = jobs.concurrency_key \
          AND other.status IN ('CLAIMED', 'PROCESSING')))"
    };
}
macro_rules! waiting {
    ($whose:literal) => {
        concat!(
            "SELECT * FROM jobs WHERE status = 'QUEUED' AND ",
            $whose,
            " AND (?1 IS NULL OR org_id = ?1) AND (?2 IS NULL OR job_type IN (SELECT value FROM json_each(?2))) AND ",
            nobody_works_on_the_same!(),
            " ORDER BY created_at, id"
        )
    };
}
const ASSIGNED: &str = waiting!("assigned_runner_id = ?3");
const UNASSIGNED: &str = waiting!("assigned_runner_id IS NULL");
const CLAIMABLE: &str =
    concat!("SELECT * FROM jobs WHERE status = 'QUEUED' AND ", nobody_works_on_the_same!(), " ORDER BY created_at, id");

const GIVEN_TO: &str =
    "SELECT * FROM jobs WHERE runner_id = ? AND status IN ('CLAIMED', 'PROCESSING') AND request_id = ?";
const HELD_BY: &str =
    "SELECT * FROM jobs WHERE runner_id = ? AND status IN ('CLAIMED', 'PROCESSING') ORDER BY claimed_at";
const HELD: &str = "SELECT * FROM jobs WHERE status IN ('CLAIMED', 'PROCESSING')";
const SAME_THING: &str = "SELECT * FROM jobs WHERE org_id = ? AND concurrency_key = ? \
                          AND status IN ('QUEUED', 'CLAIMED', 'PROCESSING') ORDER BY status = 'QUEUED', created_at, id LIMIT 1";
const ALL_ON: &str = "SELECT * FROM jobs WHERE org_id = ? AND concurrency_key = ? \
                      AND status IN ('QUEUED', 'CLAIMED', 'PROCESSING') ORDER BY created_at, id";
const ALL_ON_RUNNER: &str = "SELECT * FROM jobs WHERE org_id = (SELECT org_id FROM runners WHERE id = ?) AND concurrency_key = ? \
                             AND status IN ('QUEUED', 'CLAIMED', 'PROCESSING')";
const COUNT: &str = "SELECT COUNT(*) AS n FROM jobs \
                     WHERE org_id = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR job_type = ?3)";
const LIST: &str = "SELECT * FROM jobs \
                    WHERE org_id = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR job_type = ?3) \
                    ORDER BY created_at DESC, id DESC LIMIT ?4 OFFSET ?5";
