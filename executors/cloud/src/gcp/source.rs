//! Where an external-account document takes its subject token from, and which places are refused.

use std::collections::BTreeMap;

use executor_api::{CloudSettings, ExecutorError};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::config::wrong;
use crate::endpoint;
use crate::identity::check_text;

/// The name by which a document asks for the control plane's token.
pub(super) const PLANES_TOKEN: &str = "oidc-token";
/// Where the subject token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenSource {
    /// The control plane vouches for the job.
    Plane,
    /// A file; absolute only where the operator lets jobs be the runner.
    File { file: String, format: Format },
    /// A server.
    Url { url: String, headers: BTreeMap<String, String>, format: Format },
    /// The runner's own AWS identity. The template of the address that Google asks.
    Aws { verification_url: String },
}

/// The form of a subject token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Format {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    subject_token_field_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    environment_id: String,
    regional_cred_verification_url: String,
    file: Option<String>,
    url: Option<String>,
    headers: BTreeMap<String, String>,
    format: Format,
    executable: Option<Value>,
    certificate: Option<Value>,
}

impl TokenSource {
    /// Reads `credential_source`.
    pub(super) fn read(source: Option<&Value>, settings: &CloudSettings) -> Result<Self, ExecutorError> {
        let Some(source) = source else { return Ok(Self::Plane) };
        let source = Source::deserialize(source)
            .map_err(|error| wrong("credential_source", format!("is not understood: {error}")))?;
        if source.executable.is_some() {
            let why = "names a program, and nothing that a job brings runs as the runner; use a file, a URL or AWS";
            return Err(wrong("credential_source/executable", why));
        }
        if source.certificate.is_some() {
            return Err(wrong("credential_source/certificate", "is not supported; use a file, a URL or AWS"));
        }
        match (source.environment_id.as_str(), source.file, source.url) {
            ("", Some(file), None) => check_file(file, source.format, settings),
            ("", None, Some(url)) => check_url(url, source.headers, source.format, settings),
            ("aws1", None, _) if settings.is_shared => {
                let why = "is AWS, where a runner of many organisations would be itself; use the control plane's token";
                Err(wrong("credential_source/environment_id", why))
            }
            // Its URLs are those of the metadata service; the chain of the official SDK knows more than they do.
            ("aws1", None, _) => {
                Ok(Self::Aws { verification_url: check_verification(&source.regional_cred_verification_url)? })
            }
            ("", None, None) => Err(wrong("credential_source", "names no source; give a file, a URL, or AWS")),
            ("", Some(_), Some(_)) => Err(wrong("credential_source", "names a file and a URL; keep one")),
            (other, ..) => Err(wrong("credential_source/environment_id", format!("is {other:?}; \"aws1\" is known"))),
        }
    }
}

fn check_file(file: String, format: Format, settings: &CloudSettings) -> Result<TokenSource, ExecutorError> {
    check_text("wif_config/credential_source/file", &file, 4096)?;
    if file == PLANES_TOKEN {
        return Ok(TokenSource::Plane);
    }
    if settings.ambient_identity && file.starts_with('/') {
        return Ok(TokenSource::File { file, format });
    }
    let why = format!("is not a file of the job; only {PLANES_TOKEN:?}, the control plane's token, is one");
    Err(wrong("credential_source/file", why))
}

fn check_url(
    url: String,
    headers: BTreeMap<String, String>,
    format: Format,
    settings: &CloudSettings,
) -> Result<TokenSource, ExecutorError> {
    let refuse = |why: &str| Err(wrong("credential_source/url", why));
    let Ok(parsed) = Url::parse(&url) else { return refuse("is not a URL") };
    // Whoever a metadata service answers is the runner, and that is the operator's to allow.
    if !settings.ambient_identity && endpoint::is_metadata(&parsed) {
        return refuse("is the address of a metadata service, where the runner itself would be meant");
    }
    match parsed.scheme() {
        "https" => {}
        "http" if settings.ambient_identity => {}
        _ => return refuse("is not https://"),
    }
    Ok(TokenSource::Url { url, headers, format })
}

/// Google sends our signed question there; a signature for another host is none for STS.
fn check_verification(template: &str) -> Result<String, ExecutorError> {
    const USUAL: &str = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
    if template.is_empty() || template == USUAL {
        return Ok(USUAL.to_owned());
    }
    let why = format!("is not AWS's, {USUAL}");
    Err(wrong("credential_source/regional_cred_verification_url", why))
}

impl Format {
    /// The token in what a file or a server says.
    pub(super) fn token(&self, text: &str) -> Option<String> {
        if self.kind != "json" {
            return Some(text.trim().to_owned()).filter(|token| !token.is_empty());
        }
        let document: Value = serde_json::from_str(text).ok()?;
        document[&self.subject_token_field_name].as_str().map(str::to_owned)
    }
}
