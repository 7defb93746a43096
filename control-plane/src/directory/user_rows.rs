//! Users as SQLite keeps them.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use wire::Timestamp;

use crate::access::User;
use crate::error::PlaneError;

pub(super) async fn insert(connection: &mut SqliteConnection, user: User, hash: String) -> Result<(), PlaneError> {
    let inserted = sqlx::query(
        "INSERT INTO users (id, org_id, name, token_hash, created_at, is_platform) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&user.id)
    .bind(&user.org)
    .bind(&user.id)
    .bind(hash)
    .bind(Timestamp::now().as_micros())
    .bind(user.is_platform)
    .execute(connection)
    .await;
    match inserted {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(PlaneError::Conflict(format!("there is a user named {:?}; choose another name", user.id)))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

pub(super) async fn delete(connection: &mut SqliteConnection, id: String) -> Result<(), PlaneError> {
    sqlx::query("DELETE FROM users WHERE id = ?").bind(id).execute(connection).await?;
    Ok(())
}

/// The digest of a user's token, and the user.
pub(super) fn read(found: &SqliteRow) -> Result<(String, User), PlaneError> {
    let user =
        User { id: found.try_get("id")?, org: found.try_get("org_id")?, is_platform: found.try_get("is_platform")? };
    Ok((found.try_get("token_hash")?, user))
}
