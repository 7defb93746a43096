//! Tokens for the git hosts of an organisation: kept encrypted, and given only to a runner whose job names that host.

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use url::Url;
use wire::{GitCredentialInfo, GitTokenAnswer, Job, Timestamp};

use crate::database::Database;
use crate::error::PlaneError;
use crate::vault::Vault;

/// The tokens of all organisations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct GitCredentials {
    database: Database,
    vault: Vault,
}

impl GitCredentials {
    pub(crate) fn new(database: Database, vault: Vault) -> Self {
        Self { database, vault }
    }

    /// Keeps a token for a host, in place of an earlier one.
    pub(crate) async fn put(&self, org: &str, host: &str, token: &str) -> Result<(), PlaneError> {
        let sealed = self.vault.seal(&context(org, host), token.as_bytes().to_vec())?;
        let (org, host) = (org.to_owned(), host.to_owned());
        self.database.writer.change(|connection| Box::pin(insert(connection, org, host, sealed))).await
    }

    /// The hosts that there are tokens for.
    pub(crate) async fn list(&self, org: &str) -> Result<Vec<GitCredentialInfo>, PlaneError> {
        let found =
            sqlx::query("SELECT host, created_at FROM git_credentials WHERE org_id = ? ORDER BY host").bind(org);
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let created_at = Some(Timestamp::from_micros(row.try_get("created_at")?));
            Ok(GitCredentialInfo { host: row.try_get("host")?, created_at })
        };
        found.fetch_all(&self.database.pool).await?.iter().map(read).collect()
    }

    /// # Errors
    /// [`PlaneError::NotFound`] if there is none.
    pub(crate) async fn remove(&self, org: &str, host: &str) -> Result<(), PlaneError> {
        let (org, host) = (org.to_owned(), host.to_owned());
        self.database.writer.change(|connection| Box::pin(delete(connection, org, host))).await
    }

    /// The token of a host for a job that names it. A runner that knows only the seed's contract names no host: it
    /// gets one only if its job names a single host, since it would send it to whichever it likes.
    pub(crate) async fn for_job(&self, job: &Job, host: Option<&str>) -> Result<GitTokenAnswer, PlaneError> {
        let org = job.org_id.as_deref().unwrap_or_default();
        let mut hosts = hosts_in(&job.config_snapshot);
        if let Some(host) = host {
            hosts.retain(|known| known == host);
        }
        match hosts.as_slice() {
            [host] => {
                let token = self.find(org, host).await?;
                Ok(GitTokenAnswer { host: token.as_ref().map(|_| host.clone()), token })
            }
            _ => Ok(GitTokenAnswer::default()),
        }
    }

    async fn find(&self, org: &str, host: &str) -> Result<Option<String>, PlaneError> {
        let found =
            sqlx::query("SELECT sealed FROM git_credentials WHERE org_id = ? AND host = ?").bind(org).bind(host);
        let Some(row) = found.fetch_optional(&self.database.pool).await? else { return Ok(None) };
        let token = self.vault.open(&context(org, host), row.try_get("sealed")?)?;
        Ok(Some(String::from_utf8_lossy(&token).into_owned()))
    }
}

fn context(org: &str, host: &str) -> String {
    format!("git {org} {host}")
}

/// A host as a URL has it, with the port where it is not the scheme's own.
pub(crate) fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")))
}

/// The hosts of all https addresses in a payload, each once.
fn hosts_in(payload: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    let mut hosts = match payload {
        Value::String(text) => match Url::parse(text) {
            Ok(url) if url.scheme() == "https" => host_of(&url).into_iter().collect(),
            _ => Vec::new(),
        },
        Value::Array(items) => items.iter().flat_map(hosts_in).collect(),
        Value::Object(fields) => fields.values().flat_map(hosts_in).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    };
    hosts.sort();
    hosts.dedup();
    hosts
}

async fn insert(
    connection: &mut SqliteConnection,
    org: String,
    host: String,
    sealed: String,
) -> Result<(), PlaneError> {
    sqlx::query("INSERT OR REPLACE INTO git_credentials (org_id, host, sealed, created_at) VALUES (?, ?, ?, ?)")
        .bind(org)
        .bind(host)
        .bind(sealed)
        .bind(Timestamp::now().as_micros())
        .execute(connection)
        .await?;
    Ok(())
}

async fn delete(connection: &mut SqliteConnection, org: String, host: String) -> Result<(), PlaneError> {
    let sql = "DELETE FROM git_credentials WHERE org_id = ? AND host = ?";
    let done = sqlx::query(sql).bind(org).bind(host).execute(connection).await?;
    if done.rows_affected() == 0 { Err(PlaneError::NotFound("git credential")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_a_payload_are_those_of_its_web_addresses() {
        let payload = serde_json::json!({
            "source": { "git": { "url": "https://git.example:8443/a/b.git" } },
            "list": ["https://git.example/a", "ssh://git@ssh.example/x", "https://git.example/b", "text", 1],
        });
        assert_eq!(hosts_in(&payload), ["git.example", "git.example:8443"]);
    }
}
