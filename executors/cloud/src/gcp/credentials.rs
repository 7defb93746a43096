//! The credentials of one job at GCP: a subject token in a file that every library exchanges for itself, and an access
//! token for what cannot.

use std::time::SystemTime;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use executor_api::{CredentialRequest, CredentialSession, Environment, ExecutorError};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use super::config::{self, Checked};
use super::exchange::{SCOPE, exchange};
use super::subject::subject;
use crate::cluster_token::TokenFile;
use crate::{endpoint, folder, http};

/// What `GOOGLE_APPLICATION_CREDENTIALS` names.
const CONFIG: &str = "gcp.json";
/// Where that document sends a library.
const SUBJECT: &str = "gcp-subject-token";
/// For gcloud, which takes an access token from a file.
const ACCESS: &str = "gcp-access-token";
/// The same, with its expiry, for us.
pub(super) const TOKEN: &str = "gcp-token.json";
/// The address is a name that only exists inside of GCP.
const METADATA: &str = "http://metadata.google.internal";

pub(super) struct Session {
    request: CredentialRequest,
    http: Client,
    /// None if the job is whoever the runner is.
    checked: Option<Checked>,
}

#[derive(Deserialize)]
struct MetadataToken {
    access_token: String,
    expires_in: u64,
}

impl Session {
    /// Asks nobody yet.
    pub(super) fn open(mut request: CredentialRequest) -> Result<Self, ExecutorError> {
        if request.identity.wif_config.is_empty() {
            request.identity.wif_config = operators_document(&request)?;
        }
        let checked = config::check(&request.identity, &request.settings)?;
        if let Some(checked) = &checked {
            folder::write_json(&request.folder, CONFIG, &document(&request, checked))?;
        }
        Ok(Self { request, http: http::client(), checked })
    }

    async fn own(&self) -> Result<TokenFile, ExecutorError> {
        let base = self.request.settings.endpoints.get("gcp.metadata").map_or(METADATA, String::as_str);
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let asked =
            self.http.get(format!("{base}/{path}")).query(&[("scopes", SCOPE)]).header("Metadata-Flavor", "Google");
        let answer: MetadataToken = http::json(asked).await.map_err(|error| {
            ExecutorError::Other(format!(
                "the runner has no GCP identity of its own: {error}; give its machine a service account, or the job a wif_config"
            ))
        })?;
        let expires_at = Utc::now() + std::time::Duration::from_secs(answer.expires_in);
        Ok(TokenFile { token: answer.access_token, expires_at })
    }

    fn project(&self) -> Option<String> {
        project(&self.request, self.checked.as_ref())
    }
}

/// The project of the identity: said, or that of its service account.
fn project(request: &CredentialRequest, checked: Option<&Checked>) -> Option<String> {
    let said = &request.identity.project_id;
    if !said.is_empty() {
        return Some(said.clone());
    }
    let account = checked.and_then(|checked| checked.config.service_account())?;
    account.split_once('@')?.1.strip_suffix(".iam.gserviceaccount.com").map(str::to_owned)
}

/// The runner's own document, where its operator has set one and lets jobs be the runner.
fn operators_document(request: &CredentialRequest) -> Result<String, ExecutorError> {
    match request.ambient.get("GOOGLE_APPLICATION_CREDENTIALS") {
        None => Ok(String::new()),
        Some(file) => std::fs::read_to_string(file)
            .map_err(ExecutorError::io(format!("cannot read GOOGLE_APPLICATION_CREDENTIALS, {file}"))),
    }
}

/// The document for the tools: the same exchange, with the subject token in a file of the job.
fn document(request: &CredentialRequest, checked: &Checked) -> serde_json::Value {
    let mut document = json!({
        "type": "external_account",
        "audience": checked.config.audience,
        "subject_token_type": checked.config.subject_token_type,
        "token_url": checked.token_url,
        "credential_source": { "file": request.folder.join(SUBJECT), "format": { "type": "text" } },
    });
    if let Some(url) = &checked.impersonation_url {
        document["service_account_impersonation_url"] = json!(url);
        document["service_account_impersonation"] = json!({ "token_lifetime_seconds": checked.lifetime_s });
    }
    document
}

#[async_trait]
impl CredentialSession for Session {
    fn environment(&self) -> Environment {
        let folder = &self.request.folder;
        let mut env = Environment::default();
        if self.checked.is_some() {
            env.set("GOOGLE_APPLICATION_CREDENTIALS", folder.join(CONFIG));
        }
        // gcloud does not look at that.
        env.set("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", folder.join(ACCESS)).set("CLOUDSDK_CONFIG", folder.join("gcloud"));
        for name in ["GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"] {
            env.set_if(name, self.project());
        }
        for name in ["GOOGLE_REGION", "GOOGLE_ZONE", "CLOUDSDK_COMPUTE_REGION"] {
            env.set_if(name, self.request.ambient.get(name).map(str::to_owned));
        }
        env
    }

    fn who(&self) -> String {
        match &self.checked {
            None => "the GCP service account of the runner".to_owned(),
            Some(checked) => checked.config.service_account().unwrap_or_else(|| checked.config.audience.clone()),
        }
    }

    async fn renew(&self) -> Result<Option<SystemTime>, ExecutorError> {
        let folder = &self.request.folder;
        let (token, good_until) = match &self.checked {
            None => (self.own().await?, None),
            Some(checked) => {
                let subject = subject(&self.http, &self.request, checked).await?;
                let token = exchange(&self.http, checked, &subject.token).await?;
                folder::write(folder, SUBJECT, subject.token.as_bytes())?;
                (token, Some(subject.good_until))
            }
        };
        self.request.log.mask(&token.token);
        folder::write(folder, ACCESS, token.token.as_bytes())?;
        folder::write_json(folder, TOKEN, &token)?;
        let until: SystemTime = DateTime::<Utc>::into(token.expires_at);
        Ok(Some(good_until.map_or(until, |subject| subject.min(until))))
    }
}

/// What both discovery and GKE need: a project, a token, and where a service is.
pub(super) struct Caller {
    pub(super) http: Client,
    pub(super) token: String,
    pub(super) project: String,
    request: CredentialRequest,
}

impl Caller {
    pub(super) fn of(job: &executor_api::JobContext) -> Result<Self, ExecutorError> {
        let nobody = || ExecutorError::invalid("/cloud_identity", "the job has no cloud identity");
        let credentials = job.credentials().ok_or_else(nobody)?;
        let request = credentials.request().clone();
        let checked = config::check(&request.identity, &request.settings)?;
        let unknown = || crate::identity::refusal("project_id", "is missing; say in which project to look");
        let token: TokenFile = folder::read_json(&credentials.folder().join(TOKEN))
            .map_err(ExecutorError::io("cannot read the job's access token"))?;
        let ambient_project = || request.ambient.get("GOOGLE_CLOUD_PROJECT").map(str::to_owned);
        let project = project(&request, checked.as_ref()).or_else(ambient_project).ok_or_else(unknown)?;
        Ok(Self { http: http::client(), token: token.token, project, request })
    }

    pub(super) fn base(&self, name: &str, public: &str) -> Result<String, ExecutorError> {
        endpoint::of(&self.request.settings, name, public)
    }

    pub(super) fn request(&self) -> &CredentialRequest {
        &self.request
    }
}

trait SetIf {
    fn set_if(&mut self, name: &str, value: Option<String>);
}

impl SetIf for Environment {
    fn set_if(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }
}
