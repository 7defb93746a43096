//! The SQLite file: opened, brought up to date, with readers beside its one writer.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

use crate::writer::Writer;

const READERS: u32 = 2;
/// How long a statement waits for a writer that is not ours, a backup for example.
const BUSY: Duration = Duration::from_secs(5);

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(crate) pool: SqlitePool,
    pub(crate) writer: Writer,
}

impl Database {
    /// Opens the file, or makes it, and brings its tables up to date.
    ///
    /// # Errors
    /// If it cannot be opened, or is of a later version of the plane.
    pub async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        // FULL, because what we have acknowledged must survive a power cut; the writer makes it affordable.
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        // A file does not hang up: what a connection to a server is asked before each use would cost a turn of its thread.
        let readers = SqlitePoolOptions::new().max_connections(READERS).test_before_acquire(false);
        let pool = readers.connect_with(options.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&pool).await?;
        let writer = Writer::start(options.connect().await?);
        Ok(Self { pool, writer })
    }

    /// Waits until every change that was begun is made.
    pub(crate) async fn close(self) {
        if let Err(error) = self.writer.change(|_| Box::pin(async { Ok(()) })).await {
            tracing::error!(%error, "the database did not close well");
        }
        self.pool.close().await;
    }
}
