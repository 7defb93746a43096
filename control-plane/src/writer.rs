//! The one writer of the database: many changes, one commit.
//!
//! A commit with `synchronous=FULL` waits for the disk; a hundred changes in one commit wait once. Each change has a
//! savepoint, so that one which is refused leaves the others alone. Nobody is answered before the commit.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::error::PlaneError;

const MOST_PER_COMMIT: usize = 128;
const WAITING: usize = 1024;

/// Something that somebody wants changed, and who waits for the answer.
#[async_trait]
trait Change: Send {
    /// Tries it, and says whether to keep what it did.
    async fn make(&mut self, connection: &mut SqliteConnection) -> bool;

    /// Answers whoever waits, also of a change that nobody came to try.
    fn answer(self: Box<Self>, committed: Result<(), &sqlx::Error>);
}

struct Asked<T, F> {
    change: Option<F>,
    made: Option<Result<T, PlaneError>>,
    answer: oneshot::Sender<Result<T, PlaneError>>,
}

#[async_trait]
impl<T, F> Change for Asked<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, PlaneError>> + Send,
{
    async fn make(&mut self, connection: &mut SqliteConnection) -> bool {
        let Some(change) = self.change.take() else { return false };
        self.made.insert(change(connection).await).is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), &sqlx::Error>) {
        let result = match (self.made, committed) {
            (Some(Ok(_)) | None, Err(error)) => Err(PlaneError::Commit(error.to_string())),
            (Some(made), _) => made,
            (None, Ok(())) => Err(stopped()),
        };
        // The caller may have gone away.
        let _ = self.answer.send(result);
    }
}

fn stopped() -> PlaneError {
    PlaneError::Commit("the database writer has stopped".to_owned())
}

/// Hands changes to the writer. Cheap to clone; the writer ends when the last one is gone.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::Sender<Box<dyn Change>>);

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
        let asked = Asked { change: Some(change), made: None, answer };
        self.0.send(Box::new(asked)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

async fn write(mut connection: SqliteConnection, mut changes: mpsc::Receiver<Box<dyn Change>>) {
    let mut batch = Vec::new();
    while changes.recv_many(&mut batch, MOST_PER_COMMIT).await > 0 {
        let committed = commit(&mut connection, &mut batch).await;
        if let Err(error) = &committed {
            tracing::error!(%error, "a commit failed");
            // Whatever is open must not swallow the next batch.
            let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
        }
        for change in batch.drain(..) {
            change.answer(committed.as_ref().copied());
        }
    }
    if let Err(error) = connection.close().await {
        tracing::error!(%error, "the database did not close well");
    }
}

async fn commit(connection: &mut SqliteConnection, changes: &mut [Box<dyn Change>]) -> Result<(), sqlx::Error> {
    // IMMEDIATE: a transaction that only becomes a writer later fails with SQLITE_BUSY without waiting.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let mut end = "COMMIT";
    if let [alone] = changes {
        // Without a savepoint: there is nothing to leave alone.
        if !alone.make(&mut *connection).await {
            end = "ROLLBACK";
        }
    } else {
        for change in changes {
            sqlx::query("SAVEPOINT change").execute(&mut *connection).await?;
            if !change.make(&mut *connection).await {
                sqlx::query("ROLLBACK TO change").execute(&mut *connection).await?;
            }
            sqlx::query("RELEASE change").execute(&mut *connection).await?;
        }
    }
    sqlx::query(end).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

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
    #[tokio::test]
    async fn a_change_that_could_not_begin_is_answered_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plane.db");
        let database = Database::open(&file).await.unwrap();
        let impatient = SqliteConnectOptions::new().filename(&file).busy_timeout(Duration::ZERO);
        let writer = Writer::start(impatient.connect().await.unwrap());
        let mut backup = database.pool.acquire().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *backup).await.unwrap();
        let change = |number: i64| writer.change(move |c| Box::pin(add(c, number, false)));
        let alone = change(0).await;
        let together = futures_util::future::join_all((1..4).map(change)).await;
        for refused in together.into_iter().chain([alone]) {
            let Err(PlaneError::Commit(why)) = refused else { panic!("{refused:?}") };
            assert!(why.contains("database is locked"), "{why}");
        }
        sqlx::query("ROLLBACK").execute(&mut *backup).await.unwrap();
        change(5).await.unwrap();
    }
}
