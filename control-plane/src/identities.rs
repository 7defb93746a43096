//! Who an organisation's jobs can be at a cloud provider. What a provider accepts, the connection test finds out.

use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use wire::{CloudIdentity, IdentityInfo, InitRequest, JobId, Timestamp};

use crate::database::Database;
use crate::error::PlaneError;
use crate::queue::columns;

/// The providers that the contract knows.
const PROVIDERS: [&str; 3] = ["aws", "gcp", "azure"];
/// The longest that any part of an identity may be: a whole external-account document is one of them.
const LONGEST_PART: usize = 16 * 1024;

/// The identities of all organisations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Identities(Database);

impl Identities {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    /// Makes an identity that is not connected yet.
    ///
    /// # Errors
    /// [`PlaneError::NotFound`] if nobody knows the provider.
    /// [`PlaneError::Invalid`] if it cannot do without an external id.
    pub(crate) async fn init(
        &self,
        org: &str,
        provider: &str,
        request: InitRequest,
    ) -> Result<IdentityInfo, PlaneError> {
        if !PROVIDERS.contains(&provider) {
            return Err(PlaneError::NotFound("provider; known are aws, gcp, azure"));
        }
        let (is_aws, label) = (provider == "aws", request.label.unwrap_or_else(|| provider.to_owned()));
        if request.web_identity && !is_aws {
            return Err(PlaneError::invalid("/web_identity", "only an AWS role asks for anything else; leave it out"));
        }
        let info = IdentityInfo {
            id: uuid::Uuid::now_v7().to_string(),
            provider: provider.to_owned(),
            label,
            is_verified: false,
            // Made by us: whoever names somebody else's role does not have what that role asks for.
            external_id: if is_aws && !request.web_identity { uuid::Uuid::new_v4().to_string() } else { String::new() },
            identity: None,
            test_job_id: None,
            cached_resources: None,
            federation: None,
            created_at: Some(Timestamp::now()),
        };
        let (new, org) = (info.clone(), org.to_owned());
        self.0.writer.change(|connection| Box::pin(insert(connection, org, new))).await?;
        Ok(info)
    }

    /// Says who it is there. It has to be verified again.
    ///
    /// # Errors
    /// [`PlaneError::Invalid`] with the place of what is wrong.
    pub(crate) async fn connect(
        &self,
        org: &str,
        info: &IdentityInfo,
        credentials: CloudIdentity,
    ) -> Result<IdentityInfo, PlaneError> {
        let identity =
            CloudIdentity { provider: info.provider.clone(), external_id: info.external_id.clone(), ..credentials };
        check(&identity)?;
        self.update(CONNECT, org, &info.id, [Some(json(&identity)?), None]).await?;
        Ok(IdentityInfo { identity: Some(identity), is_verified: false, test_job_id: None, ..info.clone() })
    }

    /// Says which job tests what is connected.
    ///
    /// # Errors
    /// [`PlaneError::Conflict`] if it is another by now, or none.
    pub(crate) async fn test(&self, org: &str, connected: &IdentityInfo, test: &JobId) -> Result<(), PlaneError> {
        let identity = connected.identity.as_ref().map(json).transpose()?;
        self.update(TEST, org, &connected.id, [identity, Some(test.to_string())]).await
    }

    /// Takes over what a test has found.
    ///
    /// # Errors
    /// [`PlaneError::Conflict`] if it is not the test of what is connected any more.
    pub(crate) async fn verify(
        &self,
        org: &str,
        tested: IdentityInfo,
        test: &JobId,
        found: Option<Value>,
    ) -> Result<IdentityInfo, PlaneError> {
        let kept = found.as_ref().map(Value::to_string);
        self.update(VERIFY, org, &tested.id, [Some(test.to_string()), kept]).await?;
        Ok(IdentityInfo { is_verified: true, cached_resources: found, ..tested })
    }

    /// It is nobody there any more.
    pub(crate) async fn disconnect(&self, org: &str, info: IdentityInfo) -> Result<IdentityInfo, PlaneError> {
        self.update(DISCONNECT, org, &info.id, [None, None]).await?;
        Ok(IdentityInfo { identity: None, is_verified: false, test_job_id: None, cached_resources: None, ..info })
    }

    async fn update(
        &self,
        sql: &'static str,
        org: &str,
        id: &str,
        values: [Option<String>; 2],
    ) -> Result<(), PlaneError> {
        let names = [id.to_owned(), org.to_owned()];
        self.0.writer.change(move |connection| Box::pin(update(connection, sql, names, values))).await
    }

    /// An organisation's identity.
    ///
    /// # Errors
    /// [`PlaneError::NotFound`] if it has none of that id.
    pub(crate) async fn get(&self, org: &str, id: &str) -> Result<IdentityInfo, PlaneError> {
        let found = sqlx::query("SELECT * FROM cloud_identities WHERE id = ? AND org_id = ?").bind(id).bind(org);
        let found = found.fetch_optional(&self.0.pool).await?;
        read(&found.ok_or(PlaneError::NotFound("cloud identity"))?)
    }

    /// All of an organisation, oldest first.
    pub(crate) async fn list(&self, org: &str) -> Result<Vec<IdentityInfo>, PlaneError> {
        let found = sqlx::query("SELECT * FROM cloud_identities WHERE org_id = ? ORDER BY created_at, id").bind(org);
        found.fetch_all(&self.0.pool).await?.iter().map(read).collect()
    }

    /// The jobs that have not ended and name it, oldest first; its own connection test aside.
    pub(crate) async fn unfinished_jobs(&self, org: &str, info: &IdentityInfo) -> Result<Vec<String>, PlaneError> {
        let found = sqlx::query(
            "SELECT id FROM jobs WHERE status IN ('QUEUED', 'CLAIMED', 'PROCESSING') AND org_id = ? \
             AND cloud_identity_id = ? AND id IS NOT ? ORDER BY created_at, id",
        );
        let test = info.test_job_id.as_ref().map(wire::JobId::as_str);
        let found = found.bind(org).bind(&info.id).bind(test).fetch_all(&self.0.pool).await?;
        found.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    pub(crate) async fn remove(&self, org: &str, id: &str) -> Result<(), PlaneError> {
        let (org, id) = (org.to_owned(), id.to_owned());
        self.0.writer.change(|connection| Box::pin(delete(connection, org, id))).await
    }
}

/// What can be said without asking the provider.
fn check(identity: &CloudIdentity) -> Result<(), PlaneError> {
    let parts = [
        ("role_arn", &identity.role_arn, "aws"),
        ("account_id", &identity.account_id, ""),
        ("project_id", &identity.project_id, ""),
        ("service_account_email", &identity.service_account_email, ""),
        ("wif_config", &identity.wif_config, "gcp"),
        ("tenant_id", &identity.tenant_id, "azure"),
        ("client_id", &identity.client_id, "azure"),
        ("subscription_id", &identity.subscription_id, "azure"),
    ];
    for (name, value, needed_by) in parts {
        let at = |what: &str| Err(PlaneError::invalid(&format!("/credentials/{name}"), what));
        if value.is_empty() && needed_by == identity.provider {
            return at("it is missing");
        }
        if !value.is_empty() && !needed_by.is_empty() && needed_by != identity.provider {
            return at("it belongs to another provider; an identity is at one");
        }
        // A document may have lines; a name may not.
        if value.len() > LONGEST_PART || (name != "wif_config" && value.chars().any(char::is_control)) {
            return at("it is too long, or holds a control character");
        }
        if let Some(wrong) = wrong_form(name, value).filter(|_| !value.is_empty()) {
            return at(wrong);
        }
    }
    Ok(())
}

/// What is wrong with the form of a part. Whether it exists, the connection test finds out.
fn wrong_form(name: &str, value: &str) -> Option<&'static str> {
    match name {
        "role_arn" => {
            let parts: Vec<_> = value.splitn(6, ':').collect();
            let is_role = matches!(parts.as_slice(), ["arn", partition, "iam", "", account, role]
                if partition.starts_with("aws") && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
                    && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
            (!is_role).then_some("give the ARN of a role, for example arn:aws:iam::123456789012:role/deployer")
        }
        "tenant_id" | "client_id" | "subscription_id" => {
            let is_guid = value.len() == 36 && uuid::Uuid::try_parse(value).is_ok();
            (!is_guid).then_some("give a GUID, for example 00000000-0000-0000-0000-000000000000")
        }
        "wif_config" => {
            let document: serde_json::Value = serde_json::from_str(value).unwrap_or_default();
            if document.get("private_key").is_some() {
                return Some(
                    "this is the key of a service account; the plane takes none: connect a workload identity pool",
                );
            }
            let is_pool = document["type"] == "external_account"
                && document["audience"].as_str().is_some_and(|audience| audience.contains("workloadIdentityPools"));
            (!is_pool).then_some("give the external_account document of a workload identity pool, as gcloud makes it")
        }
        _ => None,
    }
}

async fn insert(connection: &mut SqliteConnection, org: String, info: IdentityInfo) -> Result<(), PlaneError> {
    sqlx::query(
        "INSERT INTO cloud_identities (id, org_id, provider, label, external_id, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&info.id)
    .bind(org)
    .bind(&info.provider)
    .bind(&info.label)
    .bind(&info.external_id)
    .bind(info.created_at.map(Timestamp::as_micros))
    .execute(connection)
    .await?;
    Ok(())
}

// Each changes what it says and no more, and only where the caller still knows what it changes.
const CONNECT: &str = "UPDATE cloud_identities SET identity = ?3, is_verified = FALSE, test_job_id = NULL \
                       WHERE id = ?1 AND org_id = ?2";
const TEST: &str = "UPDATE cloud_identities SET test_job_id = ?4 WHERE id = ?1 AND org_id = ?2 AND identity = ?3";
const VERIFY: &str = "UPDATE cloud_identities SET is_verified = TRUE, cached_resources = ?4 \
                      WHERE id = ?1 AND org_id = ?2 AND test_job_id = ?3";
const DISCONNECT: &str = "UPDATE cloud_identities SET identity = NULL, is_verified = FALSE, cached_resources = NULL, \
                          test_job_id = NULL WHERE id = ?1 AND org_id = ?2";

async fn update(
    connection: &mut SqliteConnection,
    sql: &'static str,
    [id, org]: [String; 2],
    [first, second]: [Option<String>; 2],
) -> Result<(), PlaneError> {
    let updated = sqlx::query(sql).bind(id).bind(org).bind(first).bind(second).execute(connection).await?;
    if updated.rows_affected() == 0 {
        let error = "the identity was connected, disconnected or removed meanwhile; look at it, and try again";
        return Err(PlaneError::Conflict(error.to_owned()));
    }
    Ok(())
}

fn json(identity: &CloudIdentity) -> Result<String, sqlx::Error> {
    serde_json::to_string(identity).map_err(|error| sqlx::Error::Encode(error.into()))
}

async fn delete(connection: &mut SqliteConnection, org: String, id: String) -> Result<(), PlaneError> {
    let sql = "DELETE FROM cloud_identities WHERE id = ? AND org_id = ?";
    sqlx::query(sql).bind(id).bind(org).execute(connection).await?;
    Ok(())
}

fn read(found: &SqliteRow) -> Result<IdentityInfo, PlaneError> {
    let identity = columns::json(found, "identity")?.map(serde_json::from_value::<CloudIdentity>).transpose();
    Ok(IdentityInfo {
        id: found.try_get("id")?,
        provider: found.try_get("provider")?,
        label: found.try_get("label")?,
        is_verified: found.try_get("is_verified")?,
        external_id: found.try_get("external_id")?,
        identity: identity.map_err(|error| sqlx::Error::Decode(error.into()))?,
        test_job_id: found.try_get::<Option<String>, _>("test_job_id")?.as_deref().map(columns::parsed).transpose()?,
        cached_resources: columns::json(found, "cached_resources")?,
        // It is the plane's address that matters, and that may change.
        federation: None,
        created_at: Some(Timestamp::from_micros(found.try_get("created_at")?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The identities of a database, and one that is connected.
    async fn connected(folder: &tempfile::TempDir) -> (Identities, IdentityInfo) {
        let identities = Identities::new(Database::open(&folder.path().join("plane.db")).await.unwrap());
        let made = identities.init("o", "aws", InitRequest::default()).await.unwrap();
        let connected = identities.connect("o", &made, role("one")).await.unwrap();
        (identities, connected)
    }

    fn role(name: &str) -> CloudIdentity {
        CloudIdentity { role_arn: format!("arn:aws:iam::123456789012:role/{name}"), ..CloudIdentity::default() }
    }

    #[tokio::test]
    async fn what_was_disconnected_meanwhile_is_neither_connected_nor_verified_again() {
        let folder = tempfile::tempdir().unwrap();
        let (identities, info) = connected(&folder).await;
        let test: JobId = "test".parse().unwrap();
        identities.test("o", &info, &test).await.unwrap();
        let gone = identities.disconnect("o", info.clone()).await.unwrap();
        let tested = identities.test("o", &info, &test).await;
        assert!(matches!(tested, Err(PlaneError::Conflict(_))), "{tested:?}");
        let verified = identities.verify("o", info.clone(), &test, None).await.map(drop);
        assert!(matches!(verified, Err(PlaneError::Conflict(_))), "{verified:?}");
        assert_eq!(identities.get("o", &info.id).await.unwrap(), gone);
    }

    #[tokio::test]
    async fn a_test_says_nothing_of_what_was_connected_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let (identities, one) = connected(&folder).await;
        let [first, second] = ["first", "second"].map(|test| test.parse::<JobId>().unwrap());
        identities.test("o", &one, &first).await.unwrap();
        let two = identities.connect("o", &one, role("two")).await.unwrap();
        assert!(identities.test("o", &one, &first).await.is_err(), "it is another by now");
        assert!(identities.verify("o", one, &first, None).await.is_err());
        identities.test("o", &two, &second).await.unwrap();
        let found = serde_json::json!({ "regions": ["eu-north-1"] });
        let verified = identities.verify("o", two, &second, Some(found)).await.unwrap();
        let verified = IdentityInfo { test_job_id: Some(second), ..verified };
        assert_eq!(identities.get("o", &verified.id).await.unwrap(), verified);
    }
}
