//! Who there is: runners and users. Held in memory, because every request asks; written through to the database.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde_json::{Map, Value};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use wire::{KindInfo, RunnerId, RunnerInfo, RunnerMode, RunnerStatus, Timestamp};

use crate::access::User;
use crate::database::Database;
use crate::queue::{QueueError, columns};
use crate::tokens;

/// A runner that was registered.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Which one.
    pub id: RunnerId,
    /// Whose; a cloud-hosted one works for all organisations.
    pub org: String,
    /// What people call it.
    pub name: String,
    /// Whom it works for.
    pub mode: RunnerMode,
    /// SHA-256 of its token.
    pub(crate) token_hash: String,
    /// What it offers.
    pub labels: Map<String, Value>,
    /// The kinds that it links.
    pub kinds: Vec<KindInfo>,
    /// Its version.
    pub version: Option<String>,
    /// What it said of itself last.
    pub said: RunnerStatus,
    /// When it was last heard of.
    pub last_heartbeat: Option<Timestamp>,
    /// Its state directory.
    pub instance_id: Option<String>,
    /// Somebody asked it to drain.
    pub drain: bool,
    /// Its operator's own.
    pub metadata: Option<Value>,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Runner {
    /// ONLINE within `online` of its last sign of life, unless it said something else.
    #[must_use]
    pub fn status(&self, now: Timestamp, online: Duration) -> RunnerStatus {
        let since = self.last_heartbeat.map(|at| now.as_micros().saturating_sub(at.as_micros()));
        match since {
            Some(since) if u128::from(since.max(0).cast_unsigned()) < online.as_micros() => self.said,
            _ => RunnerStatus::Offline,
        }
    }

    /// As the contract shows it.
    #[must_use]
    pub fn info(&self, status: RunnerStatus, jobs: Vec<wire::JobId>) -> RunnerInfo {
        RunnerInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            mode: self.mode,
            status,
            last_heartbeat: self.last_heartbeat,
            version: self.version.clone(),
            labels: self.labels.clone(),
            kinds: self.kinds.clone(),
            jobs,
            metadata: self.metadata.clone(),
            created_at: Some(self.created_at),
        }
    }
}

/// Runners and users. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

struct Shared {
    database: Database,
    runners: RwLock<HashMap<RunnerId, Runner>>,
    users: RwLock<HashMap<String, User>>,
}

impl Directory {
    pub(crate) async fn load(database: Database) -> Result<Self, QueueError> {
        let mut runners = HashMap::new();
        for found in sqlx::query("SELECT * FROM runners").fetch_all(&database.pool).await? {
            let runner = read_runner(&found)?;
            runners.insert(runner.id.clone(), runner);
        }
        let mut users = HashMap::new();
        for found in sqlx::query("SELECT id, org_id, token_hash FROM users").fetch_all(&database.pool).await? {
            users
                .insert(found.try_get("token_hash")?, User { id: found.try_get("id")?, org: found.try_get("org_id")? });
        }
        Ok(Self(Arc::new(Shared { database, runners: RwLock::new(runners), users: RwLock::new(users) })))
    }

    /// The runner of that id, if the token is its own.
    #[must_use]
    pub fn runner_by_token(&self, id: &str, token: &str) -> Option<Runner> {
        let runners = read(&self.0.runners);
        let runner = runners.get(&id.parse().ok()?);
        // A runner that does not exist takes as long as one that does.
        let matches = tokens::matches(token, runner.map_or("", |runner| &runner.token_hash));
        runner.filter(|_| matches).cloned()
    }

    /// The user whose token it is.
    #[must_use]
    pub fn user_by_token(&self, token: &str) -> Option<User> {
        read(&self.0.users).get(&tokens::digest(token)).cloned()
    }

    pub(crate) fn has_users(&self) -> bool {
        !read(&self.0.users).is_empty()
    }

    pub(crate) async fn add_user(&self, org: &str, name: &str, token: &str) -> Result<(), QueueError> {
        let hash = tokens::digest(token);
        let user = User { id: name.to_owned(), org: org.to_owned() };
        let (new, new_hash) = (user.clone(), hash.clone());
        self.0.database.writer.change(|connection| Box::pin(insert_user(connection, new, new_hash))).await?;
        write(&self.0.users).insert(hash, user);
        Ok(())
    }

    /// One runner.
    #[must_use]
    pub fn runner(&self, id: &RunnerId) -> Option<Runner> {
        read(&self.0.runners).get(id).cloned()
    }

    /// All runners that an organisation may know of, by name.
    #[must_use]
    pub fn runners_of(&self, org: &str) -> Vec<Runner> {
        let visible = |runner: &&Runner| runner.org == org || runner.mode == RunnerMode::CloudHosted;
        let mut runners: Vec<_> = read(&self.0.runners).values().filter(visible).cloned().collect();
        runners.sort_by(|one, two| one.name.cmp(&two.name));
        runners
    }

    pub(crate) async fn add_runner(&self, runner: Runner) -> Result<(), QueueError> {
        let new = runner.clone();
        self.0.database.writer.change(|connection| Box::pin(insert_runner(connection, new))).await?;
        write(&self.0.runners).insert(runner.id.clone(), runner);
        Ok(())
    }

    /// Changes a runner in memory, and in the database if `durable` says so of the runner before and after.
    pub(crate) async fn update(
        &self,
        id: &RunnerId,
        change: impl FnOnce(&mut Runner),
        durable: impl FnOnce(&Runner, &Runner) -> bool,
    ) -> Result<Runner, QueueError> {
        let (before, after) = {
            let mut runners = write(&self.0.runners);
            let runner = runners.get_mut(id).ok_or(QueueError::NotFound("runner"))?;
            let before = runner.clone();
            change(runner);
            (before, runner.clone())
        };
        if durable(&before, &after) {
            self.save(id).await?;
        }
        Ok(after)
    }

    pub(crate) async fn remove_runner(&self, id: &RunnerId) -> Result<(), QueueError> {
        let gone = id.clone();
        self.0.database.writer.change(|connection| Box::pin(delete_runner(connection, gone))).await?;
        write(&self.0.runners).remove(id);
        Ok(())
    }

    /// Every kind that a runner has published, newest runner first.
    #[must_use]
    pub fn published_kinds(&self, org: &str) -> Vec<KindInfo> {
        let mut runners = self.runners_of(org);
        runners.sort_by_key(|runner| std::cmp::Reverse(runner.last_heartbeat));
        runners.into_iter().flat_map(|runner| runner.kinds).collect()
    }

    /// Saves a runner as it is when its turn comes, so that of two changes the later one is kept.
    async fn save(&self, id: &RunnerId) -> Result<(), QueueError> {
        let (directory, id) = (self.clone(), id.clone());
        self.0.database.writer.change(|connection| Box::pin(save_now(connection, directory, id))).await
    }
}

async fn save_now(connection: &mut SqliteConnection, directory: Directory, id: RunnerId) -> Result<(), QueueError> {
    match directory.runner(&id) {
        Some(runner) => update_runner(connection, &runner).await,
        None => Ok(()),
    }
}

async fn insert_user(connection: &mut SqliteConnection, user: User, hash: String) -> Result<(), QueueError> {
    sqlx::query("INSERT INTO users (id, org_id, name, token_hash, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&user.id)
        .bind(&user.org)
        .bind(&user.id)
        .bind(hash)
        .bind(Timestamp::now().as_micros())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_runner(connection: &mut SqliteConnection, runner: Runner) -> Result<(), QueueError> {
    let inserted = sqlx::query(
        "INSERT INTO runners (id, org_id, name, mode, token_hash, labels, kinds, said, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, '[]', ?, ?)",
    )
    .bind(runner.id.as_str())
    .bind(&runner.org)
    .bind(&runner.name)
    .bind(runner.mode.as_str())
    .bind(&runner.token_hash)
    .bind(Value::Object(runner.labels.clone()).to_string())
    .bind(runner.said.as_str())
    .bind(runner.created_at.as_micros())
    .execute(connection)
    .await;
    match inserted {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(QueueError::Conflict(format!("there is a runner named {:?}; choose another name", runner.name)))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

async fn delete_runner(connection: &mut SqliteConnection, id: RunnerId) -> Result<(), QueueError> {
    sqlx::query("DELETE FROM runners WHERE id = ?").bind(id.as_str()).execute(connection).await?;
    Ok(())
}

async fn update_runner(connection: &mut SqliteConnection, runner: &Runner) -> Result<(), QueueError> {
    let kinds = serde_json::to_string(&runner.kinds).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "UPDATE runners SET token_hash = ?, labels = ?, kinds = ?, version = ?, said = ?, last_heartbeat = ?, \
         instance_id = ?, drain = ?, metadata = ? WHERE id = ?",
    )
    .bind(&runner.token_hash)
    .bind(Value::Object(runner.labels.clone()).to_string())
    .bind(kinds)
    .bind(&runner.version)
    .bind(runner.said.as_str())
    .bind(runner.last_heartbeat.map(Timestamp::as_micros))
    .bind(&runner.instance_id)
    .bind(runner.drain)
    .bind(runner.metadata.as_ref().map(Value::to_string))
    .bind(runner.id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

fn read_runner(found: &sqlx::sqlite::SqliteRow) -> Result<Runner, QueueError> {
    let labels = columns::json(found, "labels")?.unwrap_or_default();
    let kinds = columns::json(found, "kinds")?.unwrap_or_default();
    Ok(Runner {
        id: columns::parsed(found.try_get("id")?)?,
        org: found.try_get("org_id")?,
        name: found.try_get("name")?,
        mode: columns::worded(found, "mode")?,
        token_hash: found.try_get("token_hash")?,
        labels: labels.as_object().cloned().unwrap_or_default(),
        // Kinds of an older form are published again with the next heartbeat.
        kinds: serde_json::from_value(kinds).unwrap_or_default(),
        version: found.try_get("version")?,
        said: columns::worded(found, "said")?,
        last_heartbeat: found.try_get::<Option<i64>, _>("last_heartbeat")?.map(Timestamp::from_micros),
        instance_id: found.try_get("instance_id")?,
        drain: found.try_get("drain")?,
        metadata: columns::json(found, "metadata")?,
        created_at: Timestamp::from_micros(found.try_get("created_at")?),
    })
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
