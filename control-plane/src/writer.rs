//! The one writer of the database: many changes, one commit.
//!
//! A commit with `synchronous=FULL` waits for the disk; a hundred changes in one commit wait once. Each change has a
//! savepoint, so that one which is refused leaves the others alone. Nobody is answered before the commit.

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use futures_util::future::BoxFuture;

use crate::error::PlaneError;

const MOST_PER_COMMIT: usize = 128;
const WAITING: usize = 1024;

/// A change that was tried; told whether it was committed, it answers whoever waits.
type Reply = Box<dyn FnOnce(Result<(), &sqlx::Error>) + Send>;
type Change = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Tried> + Send>;

struct Tried {
    keep: bool,
    reply: Reply,
}

/// Hands changes to the writer. Cheap to clone; the writer ends when the last one is gone.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::Sender<Change>);

impl Writer {
    /// Starts the writer on a connection of its own.
    pub(crate) fn start(connection: SqliteConnection) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(write(connection, receiver));
        Self(sender)
    }

    /// Makes a change: all of it or nothing, durable when this returns. An error of the change undoes it.
    ///
    /// The change is made even if the caller goes away meanwhile.
    pub(crate) async fn change<T, F>(&self, change: F) -> Result<T, PlaneError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, PlaneError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let erased: Change = Box::new(move |connection| {
            Box::pin(async move {
                let result = change(connection).await;
                let keep = result.is_ok();
                let reply: Reply = Box::new(move |committed| {
                    let result = result.and_then(|value| {
                        committed.map(|()| value).map_err(|error| PlaneError::Commit(error.to_string()))
                    });
                    // The caller may have gone away.
                    let _ = answer.send(result);
                });
                Tried { keep, reply }
            })
        });
        let gone = || PlaneError::Commit("the database writer has stopped".to_owned());
        self.0.send(erased).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn write(mut connection: SqliteConnection, mut changes: mpsc::Receiver<Change>) {
    let mut batch = Vec::new();
    while changes.recv_many(&mut batch, MOST_PER_COMMIT).await > 0 {
        let mut replies = Vec::with_capacity(batch.len());
        let committed = commit(&mut connection, batch.drain(..), &mut replies).await;
        if let Err(error) = &committed {
            tracing::error!(%error, "a commit failed");
            // Whatever is open must not swallow the next batch.
            let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
        }
        for reply in replies {
            reply(committed.as_ref().map(|_| ()));
        }
    }
    if let Err(error) = connection.close().await {
        tracing::error!(%error, "the database did not close well");
    }
}

async fn commit(
    connection: &mut SqliteConnection,
    mut changes: impl ExactSizeIterator<Item = Change>,
    replies: &mut Vec<Reply>,
) -> Result<(), sqlx::Error> {
    if changes.len() == 1
        && let Some(change) = changes.next()
    {
        return commit_alone(connection, change, replies).await;
    }
    // IMMEDIATE: a transaction that only becomes a writer later fails with SQLITE_BUSY without waiting.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for change in changes {
        sqlx::query("SAVEPOINT change").execute(&mut *connection).await?;
        let Tried { keep, reply } = change(connection).await;
        replies.push(reply);
        if !keep {
            sqlx::query("ROLLBACK TO change").execute(&mut *connection).await?;
        }
        sqlx::query("RELEASE change").execute(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(())
}

/// The same without a savepoint: there is nothing to leave alone.
async fn commit_alone(
    connection: &mut SqliteConnection,
    change: Change,
    replies: &mut Vec<Reply>,
) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let Tried { keep, reply } = change(connection).await;
    replies.push(reply);
    sqlx::query(if keep { "COMMIT" } else { "ROLLBACK" }).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    async fn add(connection: &mut SqliteConnection, number: i64, is_refused: bool) -> Result<(), PlaneError> {
        let sql = "INSERT INTO users (id, org_id, name, token_hash, created_at) VALUES (?1, 'o', 'n', ?1, 0)";
        sqlx::query(sql).bind(number.to_string()).execute(connection).await?;
        if is_refused { Err(PlaneError::Conflict("no".to_owned())) } else { Ok(()) }
    }

    #[tokio::test]
    async fn a_change_that_is_refused_leaves_the_others_of_its_commit_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("plane.db")).await.unwrap();
        let add = |number: i64| {
            let database = database.clone();
            async move { database.writer.change(move |c| Box::pin(add(c, number, number % 3 == 0))).await.is_ok() }
        };
        // The twentieth is there already: its statement fails.
        let numbers = (0..100).chain([20]);
        let made = futures_util::future::join_all(numbers.map(add)).await;
        assert_eq!(made.into_iter().filter(|made| *made).count(), 66);
        assert!(!add(102).await, "refused, and alone in its commit");
        let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM users").fetch_one(&database.pool).await.unwrap();
        assert_eq!(count, 66);
    }
}
