//! Who holds which state.

use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use wire::{AttemptNo, JobId, RunnerId, Timestamp};

use super::actor::{Actor, StateName};

/// What terraform sends with a lock: its id, and what it wants others to read about it. Kept as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct LockInfo {
    /// Terraform's name for this holding of the lock.
    pub id: String,
    /// The whole document, with `ID`, `Operation`, `Who`, `Created` and so on.
    pub document: Map<String, Value>,
}

impl LockInfo {
    /// Reads a request's body; none if it is not an object with an `ID`.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Id {
            #[serde(rename = "ID")]
            id: String,
        }
        let Id { id } = serde_json::from_slice(body).ok()?;
        let document = serde_json::from_slice(body).ok()?;
        (1..=128).contains(&id.len()).then_some(Self { id, document })
    }
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// What the holder said.
    pub info: LockInfo,
    /// Who it is.
    pub holder: Actor,
    /// Since when.
    pub since: Timestamp,
}

pub(super) async fn find(pool: &SqlitePool, org: &str, name: &StateName) -> Result<Option<Held>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM state_locks WHERE org_id = ? AND name = ?")
        .bind(org)
        .bind(name.as_str())
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(held).transpose()
}

/// The states that a job holds, by name.
pub(super) async fn of_job(pool: &SqlitePool, job: &JobId) -> Result<Vec<(String, Held)>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM state_locks WHERE job_id = ? ORDER BY name")
        .bind(job.as_str())
        .fetch_all(pool)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, held(row)?))).collect()
}

/// In place of a holder before, if there is one.
pub(super) async fn put(
    pool: &SqlitePool,
    org: &str,
    name: &StateName,
    actor: &Actor,
    info: &LockInfo,
) -> Result<(), sqlx::Error> {
    let (job, attempt, runner, user) = match actor {
        Actor::Attempt { job, attempt, runner, .. } => (Some(job), Some(attempt), runner.as_ref(), None),
        Actor::User { id } => (None, None, None, Some(id)),
    };
    sqlx::query(
        "INSERT OR REPLACE INTO state_locks (org_id, name, lock_id, info, job_id, attempt, runner_id, user_id, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(org)
    .bind(name.as_str())
    .bind(&info.id)
    .bind(Value::Object(info.document.clone()).to_string())
    .bind(job.map(JobId::as_str))
    .bind(attempt.map(|attempt| i64::from(attempt.0)))
    .bind(runner.map(RunnerId::as_str))
    .bind(user)
    .bind(Timestamp::now().as_micros())
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn remove(pool: &SqlitePool, org: &str, name: &StateName, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM state_locks WHERE org_id = ? AND name = ? AND lock_id = ?")
        .bind(org)
        .bind(name.as_str())
        .bind(id)
        .execute(pool)
        .await?;
    Ok(())
}

fn held(row: &SqliteRow) -> Result<Held, sqlx::Error> {
    let info: String = row.try_get("info")?;
    let document = serde_json::from_str(&info).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let info = LockInfo { id: row.try_get("lock_id")?, document };
    Ok(Held { info, holder: holder(row)?, since: Timestamp::from_micros(row.try_get("created_at")?) })
}

fn holder(row: &SqliteRow) -> Result<Actor, sqlx::Error> {
    let Some(job) = row.try_get::<Option<String>, _>("job_id")? else {
        return Ok(Actor::User { id: row.try_get::<Option<String>, _>("user_id")?.unwrap_or_default() });
    };
    let runner: Option<String> = row.try_get("runner_id")?;
    let attempt = row.try_get::<Option<i64>, _>("attempt")?.and_then(|number| u32::try_from(number).ok());
    Ok(Actor::Attempt {
        job: job.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        attempt: AttemptNo(attempt.unwrap_or_default()),
        runner: runner.and_then(|runner| runner.parse().ok()),
        is_current: false,
    })
}
