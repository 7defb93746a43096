//! The token by which Google learns who asks: from the control plane, a file, a server, or AWS.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use executor_api::{CredentialRequest, ExecutorError, Input};
use reqwest::Client;
use serde_json::Value;

use super::config::Checked;
use super::source::TokenSource;
use crate::http::Answer;
use crate::identity::refusal;

/// A token that does not say how long it is good is read again this often.
const UNKNOWN_LIFE: Duration = Duration::from_secs(300);

/// A subject token.
pub(super) struct Subject {
    pub(super) token: String,
    pub(super) good_until: SystemTime,
}

/// Gets one.
pub(super) async fn subject(
    http: &Client,
    request: &CredentialRequest,
    checked: &Checked,
) -> Result<Subject, ExecutorError> {
    let token = match &checked.source {
        TokenSource::Plane => planes_token(request, checked)?,
        TokenSource::File { file, format } => {
            let text =
                std::fs::read_to_string(file).map_err(|error| refusal(FILE, format!("cannot be read: {error}")))?;
            format.token(&text).ok_or_else(|| refusal(FILE, "holds no token in the form that `format` says"))?
        }
        TokenSource::Url { url, headers, format } => {
            let mut asked = http.get(url);
            for (name, value) in headers {
                asked = asked.header(name, value);
            }
            let answer = Answer::of(asked).await.map_err(|error| refusal(URL, error.to_string()))?;
            let text = String::from_utf8_lossy(&answer.body);
            let token = answer.status.is_success().then(|| format.token(&text)).flatten();
            token.ok_or_else(|| refusal(URL, answer.nonsense().to_string()))?
        }
        TokenSource::Aws { verification_url } => aws(request, checked, verification_url).await?,
    };
    request.log.mask(&token);
    let good_until = expiry(&token).unwrap_or_else(|| SystemTime::now() + UNKNOWN_LIFE);
    Ok(Subject { token, good_until })
}

const FILE: &str = "wif_config/credential_source/file";
const URL: &str = "wif_config/credential_source/url";

fn planes_token(request: &CredentialRequest, checked: &Checked) -> Result<String, ExecutorError> {
    let input = Input::OidcToken { audience: checked.config.oidc_audience() };
    let token = std::fs::read_to_string(request.paths.inputs.join(input.file_name()));
    token.map(|token| token.trim().to_owned()).map_err(|_| {
        let why =
            "asks for the control plane's token, and this plane issues none; set up its keys, or name another source";
        refusal(FILE, why)
    })
}

#[cfg(feature = "aws")]
async fn aws(request: &CredentialRequest, checked: &Checked, template: &str) -> Result<String, ExecutorError> {
    crate::aws::signed_question(&request.ambient, template, &checked.config.audience).await
}

#[cfg(not(feature = "aws"))]
async fn aws(_: &CredentialRequest, _: &Checked, _: &str) -> Result<String, ExecutorError> {
    Err(refusal("wif_config/credential_source/environment_id", "is AWS, which this runner is built without"))
}

/// Until when a JWT says that it is good. Not believed by anybody but us.
fn expiry(token: &str) -> Option<SystemTime> {
    let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let seconds = serde_json::from_slice::<Value>(&body).ok()?["exp"].as_u64()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
