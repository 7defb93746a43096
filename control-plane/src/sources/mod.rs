//! The archives that jobs run from: uploaded once, named by their digest, seen only by their organisation.

use sqlx::SqlitePool;
use wire::Timestamp;

use crate::artifacts::{Blob, Digest};

/// What a gzip file starts with (RFC 1952).
pub const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B, 0x08];

/// Which organisation has which archive. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sources {
    pool: SqlitePool,
}

impl Sources {
    /// Uses a database that has been migrated.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    /// Says that an organisation has an archive, which is stored already. Again is harmless.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn put(&self, org: &str, blob: &Blob) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO sources (org_id, sha256, size_bytes, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(org)
        .bind(blob.digest.as_str())
        .bind(i64::try_from(blob.size_bytes).unwrap_or(i64::MAX))
        .bind(Timestamp::now().as_micros())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether an organisation has an archive.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has(&self, org: &str, digest: &Digest) -> Result<bool, sqlx::Error> {
        let found: Option<i64> = sqlx::query_scalar("SELECT size_bytes FROM sources WHERE org_id = ? AND sha256 = ?")
            .bind(org)
            .bind(digest.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }
}
