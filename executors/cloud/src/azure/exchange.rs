//! From what the job can show to an access token of Entra ID.

use chrono::Utc;
use executor_api::{CredentialRequest, ExecutorError, Input};
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Deserializer};

use crate::cluster_token::TokenFile;
use crate::endpoint;
use crate::http::{self, HttpError};
use crate::identity::refusal;

/// Whom a federated token is for.
pub(super) const AUDIENCE: &str = "api://AzureADTokenExchange";
const LOGIN: &str = "https://login.microsoftonline.com";
/// The machine's own metadata service.
const METADATA: &str = "http://169.254.169.254";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the job can show.
pub(super) enum Proof {
    /// A token of somebody whom the application trusts.
    Federated(String),
    /// The application's secret, which the runner's operator has set.
    Secret(String),
    /// The machine is the identity.
    Managed,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: i64,
}

/// Entra ID writes a number, the metadata service a text.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom("expires_in is no number"))
}

/// The best that there is: the control plane's word, then what the operator has set for this application, then the
/// machine itself, where that is allowed.
pub(super) fn proof(request: &CredentialRequest) -> Result<Proof, ExecutorError> {
    let planes = request.paths.inputs.join(Input::OidcToken { audience: AUDIENCE.to_owned() }.file_name());
    let client = &request.identity.client_id;
    if !client.is_empty() {
        if planes.exists() {
            return read(&planes.display().to_string()).map(Proof::Federated);
        }
        if request.settings.is_shared {
            let why = "can be shown by the control plane alone on a runner of many organisations, and it issues no token; give \
                       the plane a public address";
            return Err(refusal("client_id", why));
        }
        if let Some(file) = request.ambient.get("AZURE_FEDERATED_TOKEN_FILE") {
            return read(file).map(Proof::Federated);
        }
        let is_its_own = request.ambient.get("AZURE_CLIENT_ID").is_some_and(|own| own.eq_ignore_ascii_case(client));
        if let Some(secret) = request.ambient.get("AZURE_CLIENT_SECRET").filter(|_| is_its_own) {
            return Ok(Proof::Secret(secret.to_owned()));
        }
    }
    if request.settings.ambient_identity {
        return Ok(Proof::Managed);
    }
    let why = "cannot be shown to anybody: the control plane issues no token, and the runner has neither a federated \
               token (AZURE_FEDERATED_TOKEN_FILE) nor this application's secret (AZURE_CLIENT_ID, AZURE_CLIENT_SECRET)";
    Err(refusal("client_id", why))
}

fn read(file: &str) -> Result<String, ExecutorError> {
    let text = std::fs::read_to_string(file).map_err(ExecutorError::io(format!("cannot read the token in {file}")))?;
    Ok(text.trim().to_owned())
}

/// An access token for one scope, for example `https://management.azure.com/.default`.
pub(super) async fn exchange(
    http: &Client,
    request: &CredentialRequest,
    proof: &Proof,
    scope: &str,
) -> Result<TokenFile, ExecutorError> {
    let asked = match proof {
        Proof::Federated(token) => {
            let shown = [("client_assertion_type", ASSERTION), ("client_assertion", token.as_str())];
            application(http, request, scope, &shown)?
        }
        Proof::Secret(secret) => application(http, request, scope, &[("client_secret", secret.as_str())])?,
        Proof::Managed => managed(http, request, scope),
    };
    let answer: Answer = http::json(asked).await.map_err(|error| refused(request, proof, &error))?;
    let life = chrono::Duration::seconds(answer.expires_in);
    Ok(TokenFile { token: answer.access_token, expires_at: Utc::now() + life })
}

fn application(
    http: &Client,
    request: &CredentialRequest,
    scope: &str,
    shown: &[(&str, &str)],
) -> Result<RequestBuilder, ExecutorError> {
    let identity = &request.identity;
    let authority = request.ambient.get("AZURE_AUTHORITY_HOST").unwrap_or(LOGIN).trim_end_matches('/');
    let base = endpoint::of(&request.settings, "azure.login", authority)?;
    let mut form =
        vec![("client_id", identity.client_id.as_str()), ("grant_type", "client_credentials"), ("scope", scope)];
    form.extend(shown);
    let url = format!("{base}/{}/oauth2/v2.0/token", identity.tenant_id);
    Ok(http.post(url).header("content-type", http::FORM).body(http::form(&form)))
}

fn managed(http: &Client, request: &CredentialRequest, scope: &str) -> RequestBuilder {
    let resource = scope.trim_end_matches(".default");
    let resource = if resource.starts_with("https://") { resource } else { resource.trim_end_matches('/') };
    let mut query = vec![("resource", resource)];
    let client = &request.identity.client_id;
    query.extend((!client.is_empty()).then_some(("client_id", client.as_str())));
    match (request.ambient.get("IDENTITY_ENDPOINT"), request.ambient.get("IDENTITY_HEADER")) {
        // App Service and Container Apps.
        (Some(url), Some(header)) => {
            query.push(("api-version", "2019-08-01"));
            http.get(url).query(&query).header("X-IDENTITY-HEADER", header)
        }
        _ => {
            let base = request.settings.endpoints.get("azure.metadata").map_or(METADATA, String::as_str);
            query.push(("api-version", "2018-02-01"));
            http.get(format!("{base}/metadata/identity/oauth2/token")).query(&query).header("Metadata", "true")
        }
    }
}

/// Entra ID says what is wrong by a number at the start of the message.
fn refused(request: &CredentialRequest, proof: &Proof, error: &HttpError) -> ExecutorError {
    let text = error.to_string();
    let identity = &request.identity;
    if matches!(proof, Proof::Managed) {
        return ExecutorError::Other(format!("the runner's machine has no managed identity to be used: {text}"));
    }
    let is = |numbers: &[&str]| numbers.iter().any(|number| text.contains(&format!("AADSTS{number}:")));
    if is(&["90002", "900023", "900021"]) {
        return refusal("tenant_id", format!("is no tenant: {text}"));
    }
    if is(&["700016", "700025"]) {
        return refusal("client_id", format!("is no application of the tenant {}: {text}", identity.tenant_id));
    }
    if is(&["70021", "700213", "700211", "700212"]) {
        let why = format!(
            "trusts no such token: {text}; run: az ad app federated-credential create --id {} --parameters \
             '{{\"name\": \"alethia\", \"issuer\": ISSUER, \"subject\": SUBJECT, \"audiences\": [\"{AUDIENCE}\"]}}' \
             with the issuer and subject that the message names",
            identity.client_id
        );
        return refusal("client_id", why);
    }
    if is(&["7000215", "7000222"]) {
        return ExecutorError::Other(format!("AZURE_CLIENT_SECRET is wrong or has expired: {text}"));
    }
    if is(&["700024", "700027"]) {
        return ExecutorError::Other(format!("the token has expired or is not valid yet; check the clocks: {text}"));
    }
    refusal("client_id", format!("cannot sign in: {text}"))
}
