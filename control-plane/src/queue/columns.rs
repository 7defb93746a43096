//! Rows as SQLite keeps them, and back.

use serde_json::{Map, Value};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row as _, SqliteExecutor};
use wire::{AttemptNo, Job, JobId, JobStatus, Phase, Timestamp};

use super::{Held, Offer, Row};
use crate::error::PlaneError;

/// The attempt is claimed and its place in the log is not fixed yet.
const UNKNOWN_BASE: i64 = -1;

pub(super) async fn find(executor: impl SqliteExecutor<'_>, id: &JobId) -> Result<Option<Row>, PlaneError> {
    let row = sqlx::query("SELECT * FROM jobs WHERE id = ?").bind(id.as_str()).fetch_optional(executor).await?;
    row.map(|row| read(&row)).transpose()
}

pub(super) async fn load(executor: impl SqliteExecutor<'_>, id: &JobId) -> Result<Row, PlaneError> {
    find(executor, id).await?.ok_or(PlaneError::NotFound("job"))
}

pub(super) fn read_all(rows: &[SqliteRow]) -> Result<Vec<Row>, PlaneError> {
    rows.iter().map(read).collect()
}

pub(super) fn read_offers(rows: &[SqliteRow]) -> Result<Vec<Offer>, PlaneError> {
    rows.iter().map(read_offer).collect()
}

pub(super) async fn insert(connection: &mut SqliteConnection, row: &Row) -> Result<(), PlaneError> {
    let job = &row.job;
    sqlx::query(
        "INSERT INTO jobs (id, org_id, user_id, job_type, config_snapshot, labels, loss, timeout_s, assigned_runner_id, \
         plan_job_id, cloud_identity_id, configuration_hash, status, phase, execution_metadata, created_at, updated_at, \
         sealed, concurrency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(job.id.as_str())
    .bind(row.org())
    .bind(job.user_id.as_deref().unwrap_or_default())
    .bind(&job.job_type)
    .bind(job.config_snapshot.to_string())
    .bind(Value::Object(job.labels.clone()).to_string())
    .bind(word(&row.loss))
    .bind(job.timeout_s.map(u64::cast_signed))
    .bind(job.assigned_runner_id.as_ref().map(wire::RunnerId::as_str))
    .bind(job.plan_job_id.as_ref().map(JobId::as_str))
    .bind(&job.cloud_identity_id)
    .bind(&job.configuration_hash)
    .bind(job.status.as_str())
    .bind(job.phase.as_str())
    .bind(job.execution_metadata.as_ref().map(Value::to_string))
    .bind(job.created_at.map(Timestamp::as_micros))
    .bind(job.updated_at.map(Timestamp::as_micros))
    .bind(&row.sealed)
    .bind(&job.concurrency_key)
    .execute(connection)
    .await?;
    Ok(())
}

/// Saves all that can change after submission.
pub(super) async fn save(connection: &mut SqliteConnection, row: &mut Row) -> Result<(), PlaneError> {
    row.revision += 1;
    row.job.updated_at = Some(Timestamp::now());
    let job = &row.job;
    sqlx::query(
        "UPDATE jobs SET status = ?, attempt = ?, phase = ?, reason = ?, runner_id = ?, request_id = ?, confirmed = ?, \
         lease_until = ?, log_base = ?, log_length = ?, log_complete = ?, cancel_requested = ?, cancel_force = ?, \
         plan_used_by = ?, error_message = ?, execution_metadata = ?, claimed_at = ?, started_at = ?, completed_at = ?, \
         updated_at = ?, revision = ? WHERE id = ?",
    )
    .bind(job.status.as_str())
    .bind(i64::from(job.attempt))
    .bind(job.phase.as_str())
    .bind(&job.reason)
    .bind(job.runner_id.as_ref().map(wire::RunnerId::as_str))
    .bind(&row.request_id)
    .bind(row.confirmed)
    .bind(row.lease_until.as_micros())
    .bind(row.log_base.map_or(UNKNOWN_BASE, u64::cast_signed))
    .bind(job.log_length.cast_signed())
    .bind(job.log_complete)
    .bind(job.cancel_requested)
    .bind(row.cancel_force)
    .bind(&row.plan_used_by)
    .bind(&job.error_message)
    .bind(job.execution_metadata.as_ref().map(Value::to_string))
    .bind(job.claimed_at.map(Timestamp::as_micros))
    .bind(job.started_at.map(Timestamp::as_micros))
    .bind(job.completed_at.map(Timestamp::as_micros))
    .bind(job.updated_at.map(Timestamp::as_micros))
    .bind(row.revision)
    .bind(job.id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) fn read(row: &SqliteRow) -> Result<Row, PlaneError> {
    let id = |name| row.try_get::<Option<String>, _>(name);
    let time = |name| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(Timestamp::from_micros));
    let phase: Phase = worded(row, "phase")?;
    let job = Job {
        id: parsed(row.try_get("id")?)?,
        job_type: row.try_get("job_type")?,
        config_snapshot: json(row, "config_snapshot")?.unwrap_or_default(),
        status: worded::<JobStatus>(row, "status")?,
        attempt: attempt(row)?,
        phase,
        reason: row.try_get("reason")?,
        org_id: row.try_get("org_id")?,
        user_id: row.try_get("user_id")?,
        runner_id: id("runner_id")?.as_deref().map(parsed).transpose()?,
        assigned_runner_id: id("assigned_runner_id")?.as_deref().map(parsed).transpose()?,
        plan_job_id: id("plan_job_id")?.as_deref().map(parsed).transpose()?,
        cloud_identity_id: row.try_get("cloud_identity_id")?,
        configuration_hash: row.try_get("configuration_hash")?,
        concurrency_key: row.try_get("concurrency_key")?,
        labels: labels(row)?,
        timeout_s: row.try_get::<Option<i64>, _>("timeout_s")?.map(i64::cast_unsigned),
        error_message: row.try_get("error_message")?,
        execution_metadata: json(row, "execution_metadata")?,
        log_complete: row.try_get("log_complete")?,
        log_length: row.try_get::<i64, _>("log_length")?.cast_unsigned(),
        cancel_requested: row.try_get("cancel_requested")?,
        created_at: time("created_at")?,
        claimed_at: time("claimed_at")?,
        started_at: time("started_at")?,
        completed_at: time("completed_at")?,
        updated_at: time("updated_at")?,
    };
    Ok(Row {
        job,
        sealed: row.try_get("sealed")?,
        loss: worded(row, "loss")?,
        request_id: row.try_get("request_id")?,
        confirmed: row.try_get("confirmed")?,
        lease_until: Timestamp::from_micros(row.try_get("lease_until")?),
        log_base: u64::try_from(row.try_get::<i64, _>("log_base")?).ok(),
        cancel_force: row.try_get("cancel_force")?,
        plan_used_by: row.try_get("plan_used_by")?,
        revision: row.try_get("revision")?,
    })
}

pub(super) fn read_offer(row: &SqliteRow) -> Result<Offer, PlaneError> {
    let assigned_runner: Option<String> = row.try_get("assigned_runner_id")?;
    Ok(Offer {
        id: parsed(row.try_get("id")?)?,
        org: row.try_get("org_id")?,
        kind: row.try_get("job_type")?,
        attempt: attempt(row)?,
        assigned_runner: assigned_runner.as_deref().map(parsed).transpose()?,
        cloud_identity: row.try_get("cloud_identity_id")?,
        concurrency_key: row.try_get("concurrency_key")?,
        labels: labels(row)?,
    })
}

pub(super) fn read_held(row: &SqliteRow) -> Result<Held, PlaneError> {
    let id = |name| row.try_get::<Option<String>, _>(name);
    Ok(Held {
        id: parsed(row.try_get("id")?)?,
        org: row.try_get("org_id")?,
        cloud_identity: row.try_get("cloud_identity_id")?,
        plan: id("plan_job_id")?.as_deref().map(parsed).transpose()?,
        runner: id("runner_id")?.as_deref().map(parsed).transpose()?,
        status: worded(row, "status")?,
        attempt: AttemptNo(attempt(row)?),
        phase: worded(row, "phase")?,
        claimed_at: row.try_get::<Option<i64>, _>("claimed_at")?.map(Timestamp::from_micros),
        cancel_requested: row.try_get("cancel_requested")?,
        cancel_force: row.try_get("cancel_force")?,
        loss: worded(row, "loss")?,
        request_id: row.try_get("request_id")?,
        confirmed: row.try_get("confirmed")?,
        lease_until: Timestamp::from_micros(row.try_get("lease_until")?),
    })
}

fn attempt(row: &SqliteRow) -> Result<u32, PlaneError> {
    Ok(u32::try_from(row.try_get::<i64, _>("attempt")?).unwrap_or_default())
}

fn labels(row: &SqliteRow) -> Result<Map<String, Value>, PlaneError> {
    let labels: Value = json(row, "labels")?.unwrap_or_default();
    Ok(labels.as_object().cloned().unwrap_or_default())
}

/// The word that the contract has for a value.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn worded<T: serde::de::DeserializeOwned>(row: &SqliteRow, name: &str) -> Result<T, PlaneError> {
    let word: String = row.try_get(name)?;
    serde_json::from_value(Value::String(word)).map_err(damaged)
}

pub(crate) fn json(row: &SqliteRow, name: &str) -> Result<Option<Value>, PlaneError> {
    let text: Option<String> = row.try_get(name)?;
    text.map(|text| serde_json::from_str(&text).map_err(damaged)).transpose()
}

pub(crate) fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, PlaneError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(damaged)
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PlaneError {
    PlaneError::Database(sqlx::Error::Decode(error.into()))
}
