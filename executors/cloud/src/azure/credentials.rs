//! The credentials of one job at Azure: a federated token where each tool looks for it, and what else they need.

use std::sync::Mutex;
use std::time::SystemTime;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use executor_api::{CredentialRequest, CredentialSession, Environment, ExecutorError};
use reqwest::Client;
use serde_json::Value;

use super::exchange::{Proof, exchange, proof};
use super::token_endpoint::TokenEndpoint;
use crate::cluster_token::TokenFile;
use crate::{endpoint, folder, http};

/// What `AZURE_FEDERATED_TOKEN_FILE` names.
const FEDERATED: &str = "azure-federated-token";
/// An access token for Azure's own API.
const MANAGEMENT: &str = "azure-management.json";
/// An access token for AKS; there from the moment that somebody asks for a cluster.
const AKS: &str = "azure-aks.json";
const MANAGEMENT_URL: &str = "https://management.azure.com";
/// The application that all AKS clusters are.
const AKS_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";

pub(super) struct Session {
    request: CredentialRequest,
    http: Client,
    who: Mutex<String>,
    environment: Environment,
    _token_endpoint: Option<TokenEndpoint>,
}

impl Session {
    /// Asks nobody yet.
    pub(super) fn open(request: CredentialRequest) -> Result<Self, ExecutorError> {
        let proof = proof(&request)?;
        let mut environment = environment(&request, &proof);
        let endpoint =
            matches!(proof, Proof::Federated(_)).then(|| TokenEndpoint::serve(request.folder.join(FEDERATED)));
        let endpoint = endpoint.transpose().map_err(ExecutorError::io("cannot listen for Azure's providers"))?;
        if let Some(endpoint) = &endpoint {
            request.log.mask(&endpoint.bearer);
            environment.set("ARM_OIDC_REQUEST_URL", &endpoint.url).set("ARM_OIDC_REQUEST_TOKEN", &endpoint.bearer);
        }
        Ok(Self { request, http: http::client(), who: Mutex::default(), environment, _token_endpoint: endpoint })
    }
}

/// The names of Azure's own libraries, and those of terraform's providers.
fn environment(request: &CredentialRequest, proof: &Proof) -> Environment {
    let identity = &request.identity;
    let mut env = Environment::default();
    let pairs = [
        ("AZURE_TENANT_ID", "ARM_TENANT_ID", &identity.tenant_id),
        ("AZURE_CLIENT_ID", "ARM_CLIENT_ID", &identity.client_id),
        ("AZURE_SUBSCRIPTION_ID", "ARM_SUBSCRIPTION_ID", &identity.subscription_id),
    ];
    for (library, provider, value) in pairs.into_iter().filter(|(_, _, value)| !value.is_empty()) {
        env.set(library, value).set(provider, value);
    }
    match proof {
        Proof::Federated(_) => {
            env.set("AZURE_FEDERATED_TOKEN_FILE", request.folder.join(FEDERATED));
            env.set("ARM_USE_OIDC", "true").set("ARM_USE_CLI", "false");
        }
        Proof::Secret(secret) => {
            env.set("AZURE_CLIENT_SECRET", secret).set("ARM_CLIENT_SECRET", secret).set("ARM_USE_CLI", "false");
        }
        Proof::Managed => {
            env.set("ARM_USE_MSI", "true");
            for name in ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"] {
                if let Some(value) = request.ambient.get(name) {
                    env.set(name, value);
                }
            }
        }
    }
    if let Some(host) = request.ambient.get("AZURE_AUTHORITY_HOST") {
        env.set("AZURE_AUTHORITY_HOST", host);
    }
    env
}

#[async_trait]
impl CredentialSession for Session {
    fn environment(&self) -> Environment {
        self.environment.clone()
    }

    fn who(&self) -> String {
        self.who.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn renew(&self) -> Result<Option<SystemTime>, ExecutorError> {
        let folder = &self.request.folder;
        let proof = proof(&self.request)?;
        if let Proof::Federated(secret) | Proof::Secret(secret) = &proof {
            self.request.log.mask(secret);
        }
        let scope = management_scope(&self.request)?;
        let token = keep(&self.http, &self.request, &proof, &scope, MANAGEMENT).await?;
        let mut until = token.expires_at;
        if folder.join(AKS).exists() {
            let token = keep(&self.http, &self.request, &proof, AKS_SCOPE, AKS).await?;
            until = until.min(token.expires_at);
        }
        if let Proof::Federated(federated) = &proof {
            folder::write(folder, FEDERATED, federated.as_bytes())?;
            until = expiry(federated).map_or(until, |expiry| expiry.min(until));
        }
        *self.who.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = who(&self.request, &token.token);
        Ok(Some(until.into()))
    }
}

fn management_scope(request: &CredentialRequest) -> Result<String, ExecutorError> {
    endpoint::of(&request.settings, "azure.management", MANAGEMENT_URL)?;
    // A stand-in's tokens are for the real thing.
    Ok(format!("{MANAGEMENT_URL}/.default"))
}

async fn keep(
    http: &Client,
    request: &CredentialRequest,
    proof: &Proof,
    scope: &str,
    name: &str,
) -> Result<TokenFile, ExecutorError> {
    let token = exchange(http, request, proof, scope).await?;
    request.log.mask(&token.token);
    folder::write_json(&request.folder, name, &token)?;
    Ok(token)
}

/// An AKS token from now on; the file that it is kept fresh in.
pub(super) async fn aks_token(request: &CredentialRequest) -> Result<std::path::PathBuf, ExecutorError> {
    let http = http::client();
    keep(&http, request, &proof(request)?, AKS_SCOPE, AKS).await?;
    Ok(request.folder.join(AKS))
}

/// Who the token says that it is for; only for words about it.
fn who(request: &CredentialRequest, token: &str) -> String {
    let claims = claims(token);
    let client = claims["appid"].as_str().or_else(|| claims["azp"].as_str()).unwrap_or(&request.identity.client_id);
    let object = claims["oid"].as_str().map(|id| format!(" (object {id})")).unwrap_or_default();
    let tenant = claims["tid"].as_str().unwrap_or(&request.identity.tenant_id);
    format!("the application {client}{object} of the tenant {tenant}")
}

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok());
    body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default()
}

fn expiry(token: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(claims(token)["exp"].as_i64()?, 0)
}

/// What discovery and AKS need: a token, and where Azure is.
pub(super) struct Caller {
    pub(super) http: Client,
    pub(super) token: String,
    pub(super) base: String,
    pub(super) request: CredentialRequest,
}

impl Caller {
    pub(super) fn of(job: &executor_api::JobContext) -> Result<Self, ExecutorError> {
        let nobody = || ExecutorError::invalid("/cloud_identity", "the job has no cloud identity");
        let request = job.credentials().ok_or_else(nobody)?.request().clone();
        let token: TokenFile = folder::read_json(&request.folder.join(MANAGEMENT))
            .map_err(ExecutorError::io("cannot read the job's access token"))?;
        let base = endpoint::of(&request.settings, "azure.management", MANAGEMENT_URL)?;
        Ok(Self { http: http::client(), token: token.token, base, request })
    }

    /// An address below the subscription.
    pub(super) fn url(&self, path: &str, version: &str) -> String {
        format!("{}/subscriptions/{}{path}?api-version={version}", self.base, self.request.identity.subscription_id)
    }
}
