//! Who jobs are at cloud providers, and how a plane vouches for them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JobId, Timestamp};

/// Who a job is at a cloud provider. Fields that do not apply are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloudIdentity {
    /// `aws`, `gcp` or `azure`.
    pub provider: String,
    /// AWS: the role to assume.
    pub role_arn: String,
    /// AWS: the external id that the role's trust asks for.
    pub external_id: String,
    /// AWS: the account.
    pub account_id: String,
    /// GCP: the project.
    pub project_id: String,
    /// GCP: the service account to impersonate.
    pub service_account_email: String,
    /// GCP: an external-account document, as a string.
    pub wif_config: String,
    /// Azure: the tenant.
    pub tenant_id: String,
    /// Azure: the application.
    pub client_id: String,
    /// Azure: the subscription.
    pub subscription_id: String,
}

/// An organisation's identity at a provider, as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityInfo {
    /// Which: what a job names as its `cloud_identity_id`.
    pub id: String,
    /// `aws`, `gcp` or `azure`.
    pub provider: String,
    /// What people call it.
    pub label: String,
    /// A connection test has worked.
    #[serde(default)]
    pub is_verified: bool,
    /// AWS: what the role's trust must ask for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub external_id: String,
    /// Who it is there; none until it is connected.
    #[serde(default)]
    pub identity: Option<CloudIdentity>,
    /// The connection test of what is connected now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_job_id: Option<JobId>,
    /// What the last verified connection test has found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_resources: Option<Value>,
    /// What the provider has to be told to believe the plane's word for its jobs; none if the plane vouches for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation: Option<Federation>,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

/// What is the same in all tokens by which a plane vouches for the jobs of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federation {
    /// The plane's public address.
    pub issuer: String,
    /// Azure: the subject. AWS and GCP: what it begins with, and a `*`.
    pub subject: String,
    /// For whom they are; at GCP that is the pool's provider.
    #[serde(default)]
    pub audience: Option<String>,
}

/// `POST /api/cli/providers/{provider}/init`. The seed's clients send `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InitRequest {
    /// What people call it; the provider's name if missing.
    pub label: Option<String>,
    /// AWS: the role trusts the plane's word for a job, and asks for no external id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub web_identity: bool,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitAnswer {
    /// The new identity.
    pub identity_id: String,
    /// AWS: what the role's trust must ask for.
    pub external_id: Option<String>,
}

/// `POST /api/cli/providers/{provider}/connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectRequest {
    /// Which.
    pub identity_id: String,
    /// Who it is there. Provider and external id are the plane's to say.
    pub credentials: CloudIdentity,
}

/// The answer to it, and the connection test that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectAnswer {
    /// A job of the kind `CONNECTION_TEST`.
    pub job_id: JobId,
    /// Which.
    pub identity_id: String,
}

/// `POST /api/cli/providers/{provider}/verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyRequest {
    /// Which.
    pub identity_id: String,
    /// The connection test; the one that connecting began if missing.
    pub job_id: Option<JobId>,
}

/// `POST /api/cli/providers/{provider}/disconnect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DisconnectRequest {
    /// Which.
    pub identity_id: String,
    /// Also while jobs that have not ended name it; those that have not begun will fail.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// `POST /api/jobs/{id}/oidc-token`, by the runner that holds the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OidcTokenRequest {
    /// Who is to believe it, for example `sts.amazonaws.com`.
    pub audience: String,
}

/// The answer to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcTokenAnswer {
    /// A JWT that says who the job is; none if the plane vouches for nobody. A secret.
    pub token: Option<String>,
    /// Until when it is good.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for OidcTokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcTokenAnswer").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
