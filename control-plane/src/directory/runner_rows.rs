//! Runners as SQLite keeps them.

use std::sync::Arc;

use serde_json::{Map, Value};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use wire::{JobId, KindInfo, RunnerId, Timestamp};

use super::Runner;
use super::earlier_token::{self, EarlierToken, OldToken};
use crate::error::PlaneError;
use crate::queue::columns;

/// All that an organisation's runners have said of themselves is held in memory.
pub(super) const MOST_RUNNERS: u32 = 1000;

pub(super) async fn insert(connection: &mut SqliteConnection, runner: Runner) -> Result<(), PlaneError> {
    let known = sqlx::query_scalar("SELECT COUNT(*) FROM runners WHERE org_id = ?").bind(&runner.org);
    let known: u32 = known.fetch_one(&mut *connection).await?;
    if known >= MOST_RUNNERS {
        let error = format!("there are {known} runners already; remove those that are gone");
        return Err(PlaneError::Conflict(error));
    }
    let inserted = sqlx::query(
        "INSERT INTO runners (id, org_id, name, mode, token_hash, labels, kinds, said, created_at, cloud_identity_id) \
         VALUES (?, ?, ?, ?, ?, ?, '[]', ?, ?, ?)",
    )
    .bind(runner.id.as_str())
    .bind(&runner.org)
    .bind(&runner.name)
    .bind(runner.mode.as_str())
    .bind(&runner.token_hash)
    .bind(Value::Object(runner.labels.clone()).to_string())
    .bind(runner.said.as_str())
    .bind(runner.created_at.as_micros())
    .bind(&runner.cloud_identity_id)
    .execute(connection)
    .await;
    match inserted {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(PlaneError::Conflict(format!("there is a runner named {:?}; choose another name", runner.name)))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

/// Removes a runner that holds no job.
pub(super) async fn delete_idle(connection: &mut SqliteConnection, id: RunnerId) -> Result<(), PlaneError> {
    refuse_if_busy(connection, &id).await?;
    delete(connection, id).await
}

/// Removes a runner. What waits for it alone would wait for ever: any other may take that, and its metadata says so.
pub(crate) async fn delete(connection: &mut SqliteConnection, id: RunnerId) -> Result<(), PlaneError> {
    sqlx::query(
        "UPDATE jobs SET assigned_runner_id = NULL, updated_at = ?2, revision = revision + 1, execution_metadata = \
         json_patch(coalesce(execution_metadata, '{}'), json_object('unassigned_from', ?1)) \
         WHERE assigned_runner_id = ?1 AND status = 'QUEUED'",
    )
    .bind(id.as_str())
    .bind(Timestamp::now().as_micros())
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM runners WHERE id = ?").bind(id.as_str()).execute(connection).await?;
    Ok(())
}

/// Ending a runner, or its token, would end what it does.
pub(crate) async fn refuse_if_busy(connection: &mut SqliteConnection, id: &RunnerId) -> Result<(), PlaneError> {
    match held_by(connection, id).await?.first() {
        Some(job) => Err(PlaneError::Conflict(format!("runner {id} holds job {job}"))),
        None => Ok(()),
    }
}

async fn held_by(connection: &mut SqliteConnection, id: &RunnerId) -> Result<Vec<JobId>, PlaneError> {
    let sql = "SELECT id FROM jobs WHERE runner_id = ? AND status IN ('CLAIMED', 'PROCESSING') ORDER BY claimed_at";
    let held: Vec<String> = sqlx::query_scalar(sql).bind(id.as_str()).fetch_all(connection).await?;
    held.iter().map(|id| columns::parsed(id)).collect()
}

/// Gives it another token, and returns what it may be known by until its jobs have ended.
pub(super) async fn replace_token(
    connection: &mut SqliteConnection,
    id: RunnerId,
    hash: String,
    old: OldToken,
) -> Result<Vec<EarlierToken>, PlaneError> {
    let found = sqlx::query("SELECT * FROM runners WHERE id = ?").bind(id.as_str());
    let before = read(&found.fetch_optional(&mut *connection).await?.ok_or(PlaneError::NotFound("runner"))?)?;
    let earlier = match old {
        OldToken::FinishesItsJobs => {
            let held = held_by(connection, &id).await?;
            earlier_token::with_replaced(before.earlier_tokens, before.token_hash, &held)
        }
        OldToken::Stays => {
            refuse_if_busy(connection, &id).await?;
            Vec::new()
        }
        OldToken::Ends => Vec::new(),
    };
    let update = sqlx::query("UPDATE runners SET token_hash = ?, earlier_tokens = ? WHERE id = ?");
    let kept = serde_json::to_string(&earlier).map_err(|error| sqlx::Error::Encode(error.into()))?;
    update.bind(hash).bind(kept).bind(id.as_str()).execute(connection).await?;
    Ok(earlier)
}

/// How a job has deployed it. Apart from [`update`], which knows only what the directory knew before.
pub(crate) async fn deployed(
    connection: &mut SqliteConnection,
    id: &RunnerId,
    deploy_config: &Value,
) -> Result<(), PlaneError> {
    let update = sqlx::query("UPDATE runners SET deploy_config = ? WHERE id = ?");
    update.bind(deploy_config.to_string()).bind(id.as_str()).execute(connection).await?;
    Ok(())
}

/// The kinds that it links, and what it offers. Apart from [`update`], because kinds are large and change with a new version
/// only.
pub(super) async fn publish(
    connection: &mut SqliteConnection,
    id: RunnerId,
    kinds: Arc<[KindInfo]>,
    own_labels: Map<String, Value>,
) -> Result<(), PlaneError> {
    let kinds = serde_json::to_string(&*kinds).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let update = sqlx::query("UPDATE runners SET kinds = ?, own_labels = ? WHERE id = ?");
    let own_labels = Value::Object(own_labels).to_string();
    update.bind(kinds).bind(own_labels).bind(id.as_str()).execute(connection).await?;
    Ok(())
}

/// What was said of it, but for its token.
pub(super) async fn update(connection: &mut SqliteConnection, runner: Runner) -> Result<(), PlaneError> {
    sqlx::query("UPDATE runners SET labels = ?, drain = ?, metadata = ? WHERE id = ?")
        .bind(Value::Object(runner.labels).to_string())
        .bind(runner.drain)
        .bind(runner.metadata.as_ref().map(Value::to_string))
        .bind(runner.id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// What it has said of itself. Apart from [`update`]: neither must write what the other is about to change.
pub(super) async fn heard(connection: &mut SqliteConnection, runner: &Runner) -> Result<(), PlaneError> {
    sqlx::query("UPDATE runners SET version = ?, said = ?, last_heartbeat = ?, instance_id = ? WHERE id = ?")
        .bind(&runner.version)
        .bind(runner.said.as_str())
        .bind(runner.last_heartbeat.map(Timestamp::as_micros))
        .bind(&runner.instance_id)
        .bind(runner.id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) fn read(found: &SqliteRow) -> Result<Runner, PlaneError> {
    let labels = columns::json(found, "labels")?.unwrap_or_default();
    let own_labels = columns::json(found, "own_labels")?.unwrap_or_default();
    let kinds = columns::json(found, "kinds")?.unwrap_or_default();
    let earlier_tokens = columns::json(found, "earlier_tokens")?.map(serde_json::from_value).transpose();
    Ok(Runner {
        id: columns::parsed(found.try_get("id")?)?,
        org: found.try_get("org_id")?,
        name: found.try_get("name")?,
        mode: columns::worded(found, "mode")?,
        token_hash: found.try_get("token_hash")?,
        earlier_tokens: earlier_tokens.map_err(|error| sqlx::Error::Decode(error.into()))?.unwrap_or_default(),
        labels: labels.as_object().cloned().unwrap_or_default(),
        own_labels: own_labels.as_object().cloned().unwrap_or_default(),
        // Kinds of an older form are published again with the next heartbeat.
        kinds: serde_json::from_value::<Vec<KindInfo>>(kinds).unwrap_or_default().into(),
        version: found.try_get("version")?,
        said: columns::worded(found, "said")?,
        last_heartbeat: found.try_get::<Option<i64>, _>("last_heartbeat")?.map(Timestamp::from_micros),
        instance_id: found.try_get("instance_id")?,
        drain: found.try_get("drain")?,
        leaving: false,
        cloud_identity_id: found.try_get("cloud_identity_id")?,
        metadata: columns::json(found, "metadata")?,
        deploy_config: columns::json(found, "deploy_config")?,
        created_at: Timestamp::from_micros(found.try_get("created_at")?),
    })
}
