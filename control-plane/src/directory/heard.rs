//! What runners say of themselves: known here at once, and written down where it matters. They say all of it again.

use std::sync::Arc;

use serde_json::{Map, Value};
use sqlx::sqlite::SqliteConnection;
use wire::{KindInfo, RunnerId};

use super::{Directory, Runner, read, runner_rows, shared, write};
use crate::error::PlaneError;

impl Directory {
    /// A runner has shown that it lives, and may have said something of itself: status, version, state directory. Known at
    /// once, and written down if `durable` says so of the runner before and after: it says all of it again.
    pub(crate) async fn heard(
        &self,
        id: &RunnerId,
        say: impl FnOnce(&mut Runner),
        durable: impl FnOnce(&Runner, &Runner) -> bool,
    ) -> Result<Runner, PlaneError> {
        let (before, after) = {
            let mut runners = write(&self.0.runners);
            let runner = runners.get_mut(id).ok_or(PlaneError::NotFound("runner"))?;
            let before = runner.clone();
            say(runner);
            (before, runner.clone())
        };
        if durable(&before, &after) {
            self.save(id).await?;
        }
        Ok(after)
    }

    /// The kinds that runners have published, newest runner first.
    #[must_use]
    pub fn published_kinds(&self, org: &str) -> Vec<Arc<[KindInfo]>> {
        let mut runners = self.runners_of(org);
        runners.sort_by_key(|runner| std::cmp::Reverse(runner.last_heartbeat));
        runners.into_iter().map(|runner| runner.kinds).collect()
    }

    /// A runner has said what it links and what it offers.
    pub(crate) async fn publish_kinds(
        &self,
        id: &RunnerId,
        kinds: Vec<KindInfo>,
        own_labels: Map<String, Value>,
    ) -> Result<(), PlaneError> {
        let kinds = shared(&read(&self.0.runners), kinds.into());
        if self.runner(id).is_some_and(|runner| runner.kinds == kinds && runner.own_labels == own_labels) {
            return Ok(());
        }
        let (of, new, labels) = (id.clone(), Arc::clone(&kinds), own_labels.clone());
        self.0.database.writer.change(|connection| Box::pin(runner_rows::publish(connection, of, new, labels))).await?;
        if let Some(runner) = write(&self.0.runners).get_mut(id) {
            (runner.kinds, runner.own_labels) = (kinds, own_labels);
        }
        Ok(())
    }

    /// Saves what a runner has said as it is when its turn comes, so that of two changes the later one is kept.
    async fn save(&self, id: &RunnerId) -> Result<(), PlaneError> {
        let (directory, id) = (self.clone(), id.clone());
        self.0.database.writer.change(|connection| Box::pin(save_now(connection, directory, id))).await
    }
}

async fn save_now(connection: &mut SqliteConnection, directory: Directory, id: RunnerId) -> Result<(), PlaneError> {
    match directory.runner(&id) {
        Some(runner) => runner_rows::heard(connection, &runner).await,
        None => Ok(()),
    }
}
