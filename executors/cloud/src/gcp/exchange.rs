//! From a subject token to an access token: Google's token exchange, then impersonation.

use std::time::Duration;

use chrono::{DateTime, Utc};
use executor_api::ExecutorError;
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use super::config::Checked;
use crate::cluster_token::TokenFile;
use crate::http::{self, HttpError};
use crate::identity::refusal;

pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

#[derive(Deserialize)]
struct Exchanged {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: DateTime<Utc>,
}

/// Exchanges a subject token for an access token, RFC 8693.
pub(super) async fn exchange(http: &Client, checked: &Checked, subject: &str) -> Result<TokenFile, ExecutorError> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", &checked.config.audience),
        ("scope", SCOPE),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token", subject),
        ("subject_token_type", &checked.config.subject_token_type),
    ];
    let asked = http.post(&checked.token_url).body(http::form(&form)).header("content-type", http::FORM);
    let answer: Exchanged = http::json(asked).await.map_err(|error| not_exchanged(checked, &error))?;
    let life = Duration::from_secs(if answer.expires_in == 0 { 3600 } else { answer.expires_in });
    let federated = TokenFile { token: answer.access_token, expires_at: Utc::now() + life };
    match &checked.impersonation_url {
        None => Ok(federated),
        Some(url) => impersonate(http, checked, url, &federated.token).await,
    }
}

async fn impersonate(http: &Client, checked: &Checked, url: &str, token: &str) -> Result<TokenFile, ExecutorError> {
    let body = json!({ "scope": [SCOPE], "lifetime": format!("{}s", checked.lifetime_s) });
    let asked = http.post(url).bearer_auth(token).json(&body);
    let answer: Impersonated = http::json(asked).await.map_err(|error| not_impersonated(checked, &error))?;
    Ok(TokenFile { token: answer.access_token, expires_at: answer.expire_time })
}

fn not_exchanged(checked: &Checked, error: &HttpError) -> ExecutorError {
    let field = match error.code() {
        "invalid_target" => "wif_config/audience",
        "invalid_grant" | "invalid_request" => "wif_config/credential_source",
        _ => "wif_config/token_url",
    };
    let pool = checked.config.audience.trim_start_matches("//iam.googleapis.com/");
    let mend = match error.code() {
        "invalid_target" => format!("; look with `gcloud iam workload-identity-pools providers describe {pool}`"),
        "invalid_grant" => format!(
            "; the provider {pool} does not take this token: compare its issuer, audience, mapping and condition"
        ),
        _ => String::new(),
    };
    refusal(field, format!("Google does not exchange the token: {error}{mend}"))
}

fn not_impersonated(checked: &Checked, error: &HttpError) -> ExecutorError {
    let account = checked.config.service_account().unwrap_or_default();
    let pool = checked.config.audience.trim_start_matches("//iam.googleapis.com/");
    let pool = pool.split("/providers/").next().unwrap_or_default();
    let mend = if error.is_denied() {
        format!(
            "; run: gcloud iam service-accounts add-iam-policy-binding {account} --role=roles/iam.workloadIdentityUser \
             --member='principalSet://iam.googleapis.com/{pool}/*'"
        )
    } else {
        String::new()
    };
    let why = format!("{account} cannot be impersonated: {error}{mend}");
    refusal("wif_config/service_account_impersonation_url", why)
}
