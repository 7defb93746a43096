//! Artifacts that are secrets: kept encrypted and apart, and shown to fewer people than the job.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row as _, SqlitePool};
use wire::{AttemptNo, JobId, Timestamp};

use super::ArtifactName;
use crate::database::Database;
use crate::error::PlaneError;
use crate::vault::Vault;

/// The most that a secret has.
pub(crate) const SECRET_BYTES: u64 = 64 << 10;

/// Secret artifacts. Cheap to clone.
#[derive(Clone)]
pub struct SecretArtifacts {
    database: Database,
    vault: Vault,
}

/// A secret artifact, as lists show it: nothing of what it is, not even its digest.
pub(crate) struct SecretArtifact {
    pub(crate) attempt: AttemptNo,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
}

impl SecretArtifacts {
    pub(crate) fn new(database: Database, vault: Vault) -> Self {
        Self { database, vault }
    }

    /// Secret artifacts with a key of their own, for tests of the routes.
    ///
    /// # Errors
    /// If the database cannot be opened.
    pub async fn open(folder: &std::path::Path) -> anyhow::Result<Self> {
        let deriver = crate::tokens::Deriver::open(&folder.join("secret"))?;
        Ok(Self::new(Database::open(&folder.join("plane.db")).await?, Vault::new(&deriver)?))
    }

    /// Keeps one. The same again is harmless.
    pub(crate) async fn put(
        &self,
        job: &JobId,
        attempt: AttemptNo,
        name: &ArtifactName,
        bytes: Vec<u8>,
    ) -> Result<(), PlaneError> {
        let sealed = self.vault.seal(&context(job, name.as_str()), bytes)?;
        let (job, name) = (job.clone(), name.clone());
        self.database.writer.change(move |connection| Box::pin(insert(connection, job, attempt, name, sealed))).await
    }

    /// The one of that name of the latest attempt that has one.
    pub(crate) async fn get(&self, job: &JobId, name: &ArtifactName) -> Result<Option<Vec<u8>>, PlaneError> {
        let sql = "SELECT sealed FROM secret_outputs WHERE job_id = ? AND name = ? ORDER BY attempt DESC LIMIT 1";
        let found = sqlx::query(sql).bind(job.as_str()).bind(name.as_str()).fetch_optional(self.pool()).await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(self.vault.open(&context(job, name.as_str()), row.try_get("sealed")?)?))
    }

    /// All of a job, by name and then attempt.
    pub(crate) async fn list(&self, job: &JobId) -> Result<Vec<SecretArtifact>, PlaneError> {
        let sql = "SELECT attempt, name, created_at FROM secret_outputs WHERE job_id = ? ORDER BY name, attempt";
        sqlx::query(sql).bind(job.as_str()).fetch_all(self.pool()).await?.iter().map(read).collect()
    }

    fn pool(&self) -> &SqlitePool {
        &self.database.pool
    }
}

fn context(job: &JobId, name: &str) -> String {
    format!("artifact {job} {name}")
}

async fn insert(
    connection: &mut SqliteConnection,
    job: JobId,
    attempt: AttemptNo,
    name: ArtifactName,
    sealed: String,
) -> Result<(), PlaneError> {
    // The same bytes look different each time they are sealed.
    sqlx::query(
        "INSERT OR REPLACE INTO secret_outputs (job_id, attempt, name, sealed, created_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(job.as_str())
    .bind(i64::from(attempt.0))
    .bind(name.as_str())
    .bind(sealed)
    .bind(Timestamp::now().as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<SecretArtifact, PlaneError> {
    Ok(SecretArtifact {
        attempt: AttemptNo(u32::try_from(row.try_get::<i64, _>("attempt")?).unwrap_or_default()),
        name: row.try_get("name")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
    })
}
