//! Which artifact of which job has which bytes.

use std::fmt;
use std::str::FromStr;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use wire::{AttemptNo, JobId, Timestamp};

use super::{Blob, Digest};

/// What an artifact is called: safe in a header, a URL and a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactName(String);

impl ArtifactName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ArtifactName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if wire::is_artifact_name(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }
}

/// Why a text is not a name.
#[derive(Debug, thiserror::Error)]
#[error("{}", wire::ARTIFACT_NAME_FORM)]
pub struct InvalidName;

/// An artifact that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The attempt that delivered it.
    pub attempt: AttemptNo,
    /// What it is called.
    pub name: String,
    /// Its bytes.
    pub blob: Blob,
    /// What the sender said that it is.
    pub media_type: String,
    /// When it came.
    pub created_at: Timestamp,
}

/// An artifact to record.
#[derive(Clone, Debug)]
pub struct NewArtifact<'a> {
    /// Whose it is.
    pub job_id: &'a JobId,
    /// The attempt that delivers it.
    pub attempt: AttemptNo,
    /// What it is called.
    pub name: &'a ArtifactName,
    /// Its bytes, which are stored already.
    pub blob: &'a Blob,
    /// What it is.
    pub media_type: &'a str,
}

/// Why an artifact was not recorded or found.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The attempt has delivered other bytes under this name.
    #[error("this attempt has stored another artifact named {name} (SHA-256 {stored}); an artifact never changes")]
    Different {
        /// The name.
        name: String,
        /// The digest of what is stored.
        stored: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ArtifactRecords {
    pool: SqlitePool,
}

impl ArtifactRecords {
    /// Uses a database that has been migrated.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    /// Records an artifact. The same again is harmless.
    ///
    /// # Errors
    /// [`RecordError::Different`] if the attempt has other bytes under that name.
    pub async fn put(&self, new: NewArtifact<'_>) -> Result<(), RecordError> {
        let size = i64::try_from(new.blob.size_bytes).unwrap_or(i64::MAX);
        let stored: String = sqlx::query_scalar(
            "INSERT INTO artifacts (job_id, attempt, name, sha256, size_bytes, media_type, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET name = excluded.name RETURNING sha256",
        )
        .bind(new.job_id.as_str())
        .bind(i64::from(new.attempt.0))
        .bind(new.name.as_str())
        .bind(new.blob.digest.as_str())
        .bind(size)
        .bind(new.media_type)
        .bind(Timestamp::now().as_micros())
        .fetch_one(&self.pool)
        .await?;
        if stored == new.blob.digest.as_str() {
            return Ok(());
        }
        Err(RecordError::Different { name: new.name.to_string(), stored })
    }

    /// The artifact of that name of the latest attempt that has one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn get(&self, job: &JobId, name: &ArtifactName) -> Result<Option<Artifact>, RecordError> {
        let row = sqlx::query(
            "SELECT attempt, name, sha256, size_bytes, media_type, created_at FROM artifacts
             WHERE job_id = ? AND name = ? ORDER BY attempt DESC LIMIT 1",
        )
        .bind(job.as_str())
        .bind(name.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.as_ref().map(artifact).transpose()?)
    }

    /// All artifacts of a job, by name and then attempt.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn list(&self, job: &JobId) -> Result<Vec<Artifact>, RecordError> {
        let rows = sqlx::query(
            "SELECT attempt, name, sha256, size_bytes, media_type, created_at FROM artifacts
             WHERE job_id = ? ORDER BY name, attempt",
        )
        .bind(job.as_str())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(artifact).collect::<Result<_, _>>()?)
    }
}

fn artifact(row: &SqliteRow) -> Result<Artifact, sqlx::Error> {
    let digest: Digest =
        row.try_get::<String, _>("sha256")?.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let size_bytes = u64::try_from(row.try_get::<i64, _>("size_bytes")?).unwrap_or_default();
    Ok(Artifact {
        attempt: AttemptNo(u32::try_from(row.try_get::<i64, _>("attempt")?).unwrap_or_default()),
        name: row.try_get("name")?,
        blob: Blob { digest, size_bytes },
        media_type: row.try_get("media_type")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
    })
}
