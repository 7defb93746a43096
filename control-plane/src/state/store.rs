//! The verbs of the state backend and the rules of who may use them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde::Deserialize;
use sqlx::SqlitePool;
use tokio::sync::Mutex;
use wire::{JobId, Timestamp};

use super::actor::{Actor, StateName};
use super::locks::{self, Held, LockInfo};
use super::versions;

/// Why a state was not read or changed. Nothing changed then.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The body is no state.
    #[error("a state must be a JSON object with a whole number as its version")]
    NotAState,
    /// The body is not what its sender said.
    #[error("the state's MD5 is not that of the Content-MD5 header; send it again")]
    Md5Mismatch,
    /// The body is no lock info.
    #[error("a lock's body must be a JSON object with an ID of 1 to 128 characters")]
    NotALock,
    /// Somebody else holds the state.
    #[error("the state is locked with id {}", .0.info.id)]
    Locked(Box<Held>),
    /// The request names a lock that is not held.
    #[error("the lock {0} is not held any more; run init and plan again before changing the state")]
    NotLocked(String),
    /// There is no lock to take away.
    #[error("no lock is held on state {0:?}")]
    NoLock(String),
    /// The attempt may not begin anything any more.
    #[error("this attempt of the job is over: it may not read, lock or change a state that it does not hold")]
    Fenced,
    /// The file system failed.
    #[error("the state's files failed: {0}")]
    Io(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// All states. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StateStore {
    dir: PathBuf,
    pool: SqlitePool,
    /// Held while rules are checked and their result is written, so that no two do it at once. Only one plane uses a
    /// data folder.
    changing: Arc<Mutex<()>>,
}

impl StateStore {
    /// Keeps versions in `dir` and the rest in a database that has been migrated.
    #[must_use]
    pub fn new(dir: &Path, pool: SqlitePool) -> Self {
        Self { dir: dir.to_owned(), pool, changing: Arc::default() }
    }

    /// The current version.
    ///
    /// # Errors
    /// [`StateError::Fenced`], or if the files or the database fail.
    pub async fn get(&self, org: &str, name: &StateName, actor: &Actor) -> Result<Option<Bytes>, StateError> {
        if !actor.may_begin() && !self.is_held_by(org, name, actor).await? {
            return Err(StateError::Fenced);
        }
        let version: Option<i64> =
            sqlx::query_scalar("SELECT version FROM states WHERE org_id = ? AND name = ? AND deleted = 0")
                .bind(org)
                .bind(name.as_str())
                .fetch_optional(&self.pool)
                .await?;
        let Some(version) = version else { return Ok(None) };
        let path = versions::path(&self.folder(org, name), version);
        Ok(Some(tokio::fs::read(path).await?.into()))
    }

    /// Stores a new version, durably.
    ///
    /// # Errors
    /// See [`StateError`]. While a lock is held, only its holder may store, and must name it.
    pub async fn put(
        &self,
        org: &str,
        name: &StateName,
        actor: &Actor,
        lock_id: Option<&str>,
        body: Bytes,
    ) -> Result<(), StateError> {
        check_state(&body)?;
        let folder = self.folder(org, name);
        let dir = folder.clone();
        let file = blocking(move || versions::write(&dir, &body)).await?;
        let _changing = self.changing.lock().await;
        self.check_change(org, name, actor, lock_id).await?;
        let last: Option<i64> = sqlx::query_scalar("SELECT version FROM states WHERE org_id = ? AND name = ?")
            .bind(org)
            .bind(name.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let (version, dir) = (last.unwrap_or_default() + 1, folder.clone());
        blocking(move || versions::number(file, &dir, version)).await?;
        self.set_version(org, name, version, false).await?;
        blocking(move || {
            versions::prune(&folder, version);
            Ok(())
        })
        .await
    }

    /// Forgets the current version; older files stay.
    ///
    /// # Errors
    /// See [`StateError`]. While a lock is held, only its holder may.
    pub async fn delete(&self, org: &str, name: &StateName, actor: &Actor) -> Result<(), StateError> {
        let _changing = self.changing.lock().await;
        let held = locks::find(&self.pool, org, name).await?;
        let lock_id = held.filter(|held| held.holder == *actor).map(|held| held.info.id);
        self.check_change(org, name, actor, lock_id.as_deref()).await?;
        sqlx::query("UPDATE states SET deleted = 1, updated_at = ? WHERE org_id = ? AND name = ?")
            .bind(Timestamp::now().as_micros())
            .bind(org)
            .bind(name.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes the lock, also from an earlier attempt of the same job. The same request again is harmless.
    ///
    /// # Errors
    /// [`StateError::Locked`] says who holds it; [`StateError::Fenced`].
    pub async fn lock(&self, org: &str, name: &StateName, actor: &Actor, info: &LockInfo) -> Result<(), StateError> {
        let _changing = self.changing.lock().await;
        match locks::find(&self.pool, org, name).await? {
            Some(held) if held.holder == *actor && held.info.id == info.id => Ok(()),
            Some(held) if !actor.succeeds(&held.holder) => Err(StateError::Locked(Box::new(held))),
            None if !actor.may_begin() => Err(StateError::Fenced),
            _ => Ok(locks::put(&self.pool, org, name, actor, info).await?),
        }
    }

    /// Gives the lock back. A lock that nobody holds is given back already.
    ///
    /// # Errors
    /// [`StateError::Locked`] if it is held with another id or by another.
    pub async fn unlock(&self, org: &str, name: &StateName, actor: &Actor, id: &str) -> Result<(), StateError> {
        self.release(org, name, id, Some(actor)).await
    }

    /// Takes the lock from its holder, whoever that is. Ask first whether the holder may still be at work.
    ///
    /// # Errors
    /// [`StateError::Locked`] if it is held with another id; [`StateError::NoLock`].
    pub async fn force_unlock(&self, org: &str, name: &StateName, id: &str) -> Result<(), StateError> {
        self.release(org, name, id, None).await
    }

    /// Who holds the lock.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn holder(&self, org: &str, name: &StateName) -> Result<Option<Held>, StateError> {
        Ok(locks::find(&self.pool, org, name).await?)
    }

    /// The states that a job holds, by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn held_by_job(&self, job: &JobId) -> Result<Vec<(String, Held)>, StateError> {
        Ok(locks::of_job(&self.pool, job).await?)
    }

    async fn release(&self, org: &str, name: &StateName, id: &str, actor: Option<&Actor>) -> Result<(), StateError> {
        let _changing = self.changing.lock().await;
        match locks::find(&self.pool, org, name).await? {
            None if actor.is_none() => Err(StateError::NoLock(name.as_str().to_owned())),
            None => Ok(()),
            Some(held) if held.info.id == id && actor.is_none_or(|actor| held.holder == *actor) => {
                Ok(locks::remove(&self.pool, org, name, id).await?)
            }
            Some(held) => Err(StateError::Locked(Box::new(held))),
        }
    }

    async fn is_held_by(&self, org: &str, name: &StateName, actor: &Actor) -> Result<bool, StateError> {
        Ok(locks::find(&self.pool, org, name).await?.is_some_and(|held| held.holder == *actor))
    }

    async fn check_change(
        &self,
        org: &str,
        name: &StateName,
        actor: &Actor,
        lock_id: Option<&str>,
    ) -> Result<(), StateError> {
        match (locks::find(&self.pool, org, name).await?, lock_id) {
            (Some(held), Some(id)) if held.info.id == id && held.holder == *actor => Ok(()),
            (Some(held), _) => Err(StateError::Locked(Box::new(held))),
            (None, Some(id)) => Err(StateError::NotLocked(id.to_owned())),
            (None, None) if actor.may_begin() => Ok(()),
            (None, None) => Err(StateError::Fenced),
        }
    }

    async fn set_version(&self, org: &str, name: &StateName, version: i64, deleted: bool) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO states (org_id, name, version, deleted, updated_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET version = excluded.version, deleted = excluded.deleted,
                 updated_at = excluded.updated_at",
        )
        .bind(org)
        .bind(name.as_str())
        .bind(version)
        .bind(deleted)
        .bind(Timestamp::now().as_micros())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    fn folder(&self, org: &str, name: &StateName) -> PathBuf {
        self.dir.join(org).join(name.as_str())
    }
}

/// Compares a body with its `Content-MD5` header, which terraform sends in base64.
///
/// # Errors
/// [`StateError::Md5Mismatch`].
pub fn check_md5(body: &[u8], header: &str) -> Result<(), StateError> {
    use base64::Engine as _;
    let found = base64::engine::general_purpose::STANDARD.encode(Md5::digest(body));
    if found == header.trim() { Ok(()) } else { Err(StateError::Md5Mismatch) }
}

fn check_state(body: &[u8]) -> Result<(), StateError> {
    #[derive(Deserialize)]
    struct State {
        #[serde(rename = "version")]
        _version: u64,
    }
    // An array would read as the struct, too.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    match serde_json::from_slice::<State>(body) {
        Ok(_) if is_object => Ok(()),
        _ => Err(StateError::NotAState),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StateError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(io::Error::other)??)
}
