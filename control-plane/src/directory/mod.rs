//! Who there is: runners and users. Held in memory, because every request asks; written through to the database.

mod earlier_token;
mod heard;
mod runner;
pub(crate) mod runner_rows;
mod user_rows;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;
use tokio::sync::{Mutex, watch};
use wire::{JobId, KindInfo, RunnerId, RunnerMode};

use crate::access::User;
use crate::database::Database;
use crate::detached::detached;
use crate::error::PlaneError;
use crate::tokens;

pub(crate) use earlier_token::{EarlierToken, OldToken};
pub use runner::Runner;

/// Runners and users. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

struct Shared {
    database: Database,
    runners: RwLock<HashMap<RunnerId, Runner>>,
    users: RwLock<HashMap<String, User>>,
    departures: watch::Sender<()>,
    /// Held while somebody is added, changed or removed.
    updates: Mutex<()>,
}

impl Directory {
    pub(crate) async fn load(database: Database) -> Result<Self, PlaneError> {
        let mut runners = HashMap::new();
        for found in sqlx::query("SELECT * FROM runners").fetch_all(&database.pool).await? {
            let mut runner = runner_rows::read(&found)?;
            runner.kinds = shared(&runners, runner.kinds);
            runners.insert(runner.id.clone(), runner);
        }
        let mut users = HashMap::new();
        for found in sqlx::query("SELECT * FROM users").fetch_all(&database.pool).await? {
            let (token_hash, user) = user_rows::read(&found)?;
            users.insert(token_hash, user);
        }
        let (runners, users) = (RwLock::new(runners), RwLock::new(users));
        let (departures, updates) = Default::default();
        Ok(Self(Arc::new(Shared { database, runners, users, departures, updates })))
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

    /// The runner of that id, known by a token that a registration has replaced, and the jobs that this one may finish.
    pub(crate) fn runner_by_earlier_token(&self, id: &str, token: &str) -> Option<(Runner, Vec<JobId>)> {
        let runner = self.runner(&id.parse().ok()?)?;
        let EarlierToken { hash, jobs } =
            runner.earlier_tokens.iter().find(|earlier| tokens::matches(token, &earlier.hash)).cloned()?;
        // As who it came: so it is given no other job.
        Some((Runner { token_hash: hash, ..runner }, jobs))
    }

    /// The user whose token it is.
    #[must_use]
    pub fn user_by_token(&self, token: &str) -> Option<User> {
        read(&self.0.users).get(&tokens::digest(token)).cloned()
    }

    pub(crate) fn has_users(&self) -> bool {
        !read(&self.0.users).is_empty()
    }

    pub(crate) async fn add_user(&self, user: User, token: &str) -> Result<(), PlaneError> {
        let hash = tokens::digest(token);
        self.alone(|directory| async move {
            let (new, new_hash) = (user.clone(), hash.clone());
            let writer = &directory.0.database.writer;
            writer.change(|connection| Box::pin(user_rows::insert(connection, new, new_hash))).await?;
            write(&directory.0.users).insert(hash, user);
            Ok(())
        })
        .await
    }

    /// All users, by name.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        let mut users: Vec<_> = read(&self.0.users).values().cloned().collect();
        users.sort_by(|one, two| one.id.cmp(&two.id));
        users
    }

    /// From now on the user's token is nobody's.
    pub(crate) async fn remove_user(&self, id: &str) -> Result<(), PlaneError> {
        let id = id.to_owned();
        self.alone(|directory| async move {
            let gone = id.clone();
            directory.0.database.writer.change(|connection| Box::pin(user_rows::delete(connection, gone))).await?;
            write(&directory.0.users).retain(|_, user| user.id != id);
            directory.0.departures.send_replace(());
            Ok(())
        })
        .await
    }

    /// Changes when somebody was removed, or a token replaced.
    pub(crate) fn departures(&self) -> watch::Receiver<()> {
        self.0.departures.subscribe()
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

    pub(crate) async fn add_runner(&self, runner: Runner) -> Result<(), PlaneError> {
        self.alone(|directory| async move {
            let new = runner.clone();
            directory.0.database.writer.change(|connection| Box::pin(runner_rows::insert(connection, new))).await?;
            write(&directory.0.runners).insert(runner.id.clone(), runner);
            Ok(())
        })
        .await
    }

    /// Changes what was said of a runner, not by it: labels, drain, metadata. In the database first, so that what
    /// fails there has changed nothing.
    pub(crate) async fn update(
        &self,
        id: &RunnerId,
        change: impl FnOnce(&mut Runner) + Send + 'static,
    ) -> Result<Runner, PlaneError> {
        let id = id.clone();
        self.alone(|directory| async move {
            let mut changed = directory.runner(&id).ok_or(PlaneError::NotFound("runner"))?;
            change(&mut changed);
            let new = changed.clone();
            directory.0.database.writer.change(|connection| Box::pin(runner_rows::update(connection, new))).await?;
            directory.publish(&id, |runner| {
                // What it has said of itself meanwhile stays.
                (runner.labels, runner.drain, runner.metadata) = (changed.labels, changed.drain, changed.metadata);
            })
        })
        .await
    }

    /// Gives a runner another token.
    pub(crate) async fn replace_token(&self, id: &RunnerId, token: &str, old: OldToken) -> Result<Runner, PlaneError> {
        let (id, hash) = (id.clone(), tokens::digest(token));
        self.alone(|directory| async move {
            let (of, new) = (id.clone(), hash.clone());
            let writer = &directory.0.database.writer;
            let earlier =
                writer.change(move |connection| Box::pin(runner_rows::replace_token(connection, of, new, old))).await?;
            let replaced =
                directory.publish(&id, |runner| (runner.token_hash, runner.earlier_tokens) = (hash, earlier));
            directory.0.departures.send_replace(());
            replaced
        })
        .await
    }

    /// What changes the database and then what is known here: one at a time, so that both are the same, and to the end, even
    /// if whoever asked goes away.
    async fn alone<T, Changing>(&self, change: impl FnOnce(Self) -> Changing) -> Result<T, PlaneError>
    where
        T: Send + 'static,
        Changing: Future<Output = Result<T, PlaneError>> + Send + 'static,
    {
        let (directory, change) = (self.clone(), change(self.clone()));
        detached(async move {
            let _alone = directory.0.updates.lock().await;
            change.await
        })
        .await
    }

    fn publish(&self, id: &RunnerId, change: impl FnOnce(&mut Runner)) -> Result<Runner, PlaneError> {
        let mut runners = write(&self.0.runners);
        let runner = runners.get_mut(id).ok_or(PlaneError::NotFound("runner"))?;
        change(runner);
        Ok(runner.clone())
    }

    /// The runner of that name that works for all organisations.
    pub(crate) fn cloud_hosted(&self, name: &str) -> Option<Runner> {
        let runners = read(&self.0.runners);
        runners.values().find(|runner| runner.mode == RunnerMode::CloudHosted && runner.name == name).cloned()
    }

    /// Removes a runner that holds no job. What waits for it alone may be taken by any other from then on.
    pub(crate) async fn remove_runner(&self, id: &RunnerId) -> Result<(), PlaneError> {
        let id = id.clone();
        self.alone(|directory| async move {
            let gone = id.clone();
            directory
                .0
                .database
                .writer
                .change(|connection| Box::pin(runner_rows::delete_idle(connection, gone)))
                .await?;
            directory.forget(&id);
            Ok(())
        })
        .await
    }

    /// A runner is not in the database any more.
    pub(crate) fn forget(&self, id: &RunnerId) {
        write(&self.0.runners).remove(id);
        self.0.departures.send_replace(());
    }

    /// A job is to take a runner away, or has failed to.
    pub(crate) fn leaves(&self, id: &RunnerId, leaving: bool) {
        if let Some(runner) = write(&self.0.runners).get_mut(id) {
            runner.leaving = leaving;
        }
    }

    /// All of them.
    pub(crate) fn all_runners(&self) -> Vec<Runner> {
        read(&self.0.runners).values().cloned().collect()
    }

    /// How a runner was deployed has changed in the database.
    pub(crate) fn deployed(&self, id: &RunnerId, deploy_config: Value) {
        if let Some(runner) = write(&self.0.runners).get_mut(id) {
            runner.deploy_config = Some(deploy_config);
        }
    }
}

/// Runners of one version link the same kinds, and a copy for each would be most of what the plane holds of it.
fn shared(runners: &HashMap<RunnerId, Runner>, kinds: Arc<[KindInfo]>) -> Arc<[KindInfo]> {
    let known = runners.values().find(|runner| runner.kinds == kinds);
    known.map_or(kinds, |runner| Arc::clone(&runner.kinds))
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(folder: &tempfile::TempDir) -> (Directory, RunnerId) {
        let database = Database::open(&folder.path().join("plane.db")).await.unwrap();
        let directory = Directory::load(database).await.unwrap();
        let runner = Runner::new("o".to_owned(), "one".to_owned(), RunnerMode::SelfHosted, "old");
        directory.add_runner(runner.clone()).await.unwrap();
        (directory, runner.id)
    }

    #[tokio::test]
    async fn a_change_that_cannot_be_saved_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, id) = open(&folder).await;
        let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON runners BEGIN SELECT RAISE(ABORT, 'no'); END";
        sqlx::query(refuse).execute(&directory.0.database.pool).await.unwrap();
        let departures = directory.departures();
        let changed = directory.replace_token(&id, "new", OldToken::Ends).await;
        assert!(matches!(changed, Err(PlaneError::Database(_))), "{changed:?}");
        assert!(directory.runner_by_token(id.as_str(), "old").is_some(), "its token is what it was");
        assert!(!departures.has_changed().unwrap());
    }

    #[tokio::test]
    async fn an_organisation_has_so_many_runners_and_another_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, _) = open(&folder).await;
        let add = |org: &str, number: u32| {
            let name = number.to_string();
            let runner = Runner::new(org.to_owned(), name.clone(), RunnerMode::SelfHosted, &format!("{org} {name}"));
            directory.add_runner(runner)
        };
        let added = futures_util::future::join_all((0..runner_rows::MOST_RUNNERS).map(|number| add("o", number))).await;
        let refused: Vec<_> = added.into_iter().filter_map(Result::err).collect();
        let [PlaneError::Conflict(why)] = refused.as_slice() else { panic!("{refused:?}") };
        assert!(why.contains("1000 runners"), "{why}");
        add("another", 0).await.unwrap();
    }

    /// Begins a change and goes away, and waits until it is known.
    async fn is_done_alone(change: impl Future<Output = Result<(), PlaneError>>, is_known: impl Fn() -> bool) {
        let mut change = Box::pin(change);
        assert!(futures_util::poll!(&mut change).is_pending());
        drop(change);
        let known = async {
            while !is_known() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), known).await.expect("it is known soon");
    }

    #[tokio::test]
    async fn what_is_committed_is_known_even_if_whoever_asked_has_gone_away() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, first) = open(&folder).await;
        let user = User { id: "hal".to_owned(), org: "o".to_owned(), is_platform: false };
        is_done_alone(directory.add_user(user, "his"), || directory.user_by_token("his").is_some()).await;
        is_done_alone(directory.remove_user("hal"), || directory.user_by_token("his").is_none()).await;
        let runner = Runner::new("o".to_owned(), "two".to_owned(), RunnerMode::SelfHosted, "two's");
        let id = runner.id.clone();
        is_done_alone(directory.add_runner(runner), || directory.runner(&id).is_some()).await;
        is_done_alone(directory.remove_runner(&first), || directory.runner(&first).is_none()).await;
        let again = Directory::load(directory.0.database.clone()).await.unwrap();
        assert_eq!((again.users().len(), again.all_runners().len()), (0, 1));
    }

    #[tokio::test]
    async fn of_changes_at_once_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, id) = open(&folder).await;
        let (token, drain, said) = tokio::join!(
            directory.replace_token(&id, "new", OldToken::Ends),
            directory.update(&id, |runner| runner.drain = true),
            directory.heard(&id, |runner| runner.version = Some("2".to_owned()), |_, _| true),
        );
        assert!(token.is_ok() && drain.is_ok() && said.is_ok());
        let again = Directory::load(directory.0.database.clone()).await.unwrap();
        for directory in [directory, again] {
            let runner = directory.runner_by_token(id.as_str(), "new").expect("it has the new token");
            assert_eq!((runner.drain, runner.version.as_deref()), (true, Some("2")));
        }
    }
}
