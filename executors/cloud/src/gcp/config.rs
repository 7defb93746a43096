//! An external-account document, as far as it is believed.
//!
//! It comes from a job's owner and tells the runner whom to send a token to: so only Google's own addresses are taken,
//! nothing in it is ever executed, and no file outside the job is read for it.

use executor_api::{CloudIdentity, CloudSettings, ExecutorError};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::source::{PLANES_TOKEN, TokenSource};
use crate::endpoint;
use crate::identity::{check_provider, check_text, refusal};

/// Where the token exchange is.
const STS: &str = "https://sts.googleapis.com";
/// Where a service account is impersonated.
const IAM_CREDENTIALS: &str = "https://iamcredentials.googleapis.com";
const LARGEST: usize = 16 * 1024;

/// What `gcloud iam workload-identity-pools create-cred-config` writes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WifConfig {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    pub(super) audience: String,
    #[serde(default)]
    pub(super) subject_token_type: String,
    #[serde(default)]
    token_url: String,
    #[serde(default)]
    service_account_impersonation_url: String,
    #[serde(default)]
    service_account_impersonation: Impersonation,
    #[serde(default)]
    credential_source: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Impersonation {
    token_lifetime_seconds: Option<u32>,
}

/// A document and what it comes to with the operator's settings.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) config: WifConfig,
    pub(super) source: TokenSource,
    pub(super) token_url: String,
    /// None if the federated identity itself is used.
    pub(super) impersonation_url: Option<String>,
    pub(super) lifetime_s: u32,
}

/// Checks an identity without asking anybody. None if it is whoever the runner is.
pub(super) fn check(identity: &CloudIdentity, settings: &CloudSettings) -> Result<Option<Checked>, ExecutorError> {
    check_provider(identity, "gcp")?;
    check_project(&identity.project_id)?;
    check_text("service_account_email", &identity.service_account_email, 320)?;
    if identity.wif_config.is_empty() {
        if settings.ambient_identity {
            return Ok(None);
        }
        let why = "is missing; give what `gcloud iam workload-identity-pools create-cred-config` writes";
        return Err(refusal("wif_config", why));
    }
    let config = WifConfig::parse(&identity.wif_config)?;
    config.check(&identity.service_account_email, settings).map(Some)
}

fn check_project(project: &str) -> Result<(), ExecutorError> {
    let fits = (4..=100).contains(&project.len())
        && project.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b))
        && project.as_bytes()[0].is_ascii_lowercase();
    if project.is_empty() || fits {
        return Ok(());
    }
    Err(refusal("project_id", "is no project's id; it looks like my-project-123"))
}

pub(super) fn wrong(field: &str, why: impl Into<String>) -> ExecutorError {
    refusal(&format!("wif_config/{field}"), why)
}

impl WifConfig {
    pub(super) fn parse(text: &str) -> Result<Self, ExecutorError> {
        if text.len() > LARGEST {
            return Err(refusal("wif_config", "is longer than 16 KiB"));
        }
        serde_json::from_str(text)
            .map_err(|error| refusal("wif_config", format!("is no external-account document: {error}")))
    }

    fn check(self, email: &str, settings: &CloudSettings) -> Result<Checked, ExecutorError> {
        if self.kind != "external_account" {
            let why =
                format!("is {:?} and not \"external_account\"; keys of service accounts are not taken", self.kind);
            return Err(wrong("type", why));
        }
        let pool = self.audience.strip_prefix("//iam.googleapis.com/").unwrap_or_default();
        if !pool.contains("workloadIdentityPools") || pool.chars().any(|c| c.is_control() || c == ' ') {
            return Err(wrong(
                "audience",
                "names no workload identity pool; it looks like //iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
            ));
        }
        if self.subject_token_type.is_empty() {
            return Err(wrong("subject_token_type", "is missing, for example urn:ietf:params:oauth:token-type:jwt"));
        }
        let source = TokenSource::read(self.credential_source.as_ref(), settings)?;
        let token_url = self.token_url(settings)?;
        let impersonation_url = self.impersonation_url(email, settings)?;
        let lifetime_s = self.service_account_impersonation.token_lifetime_seconds.unwrap_or(3600).clamp(600, 43_200);
        Ok(Checked { config: self, source, token_url, impersonation_url, lifetime_s })
    }

    /// A subject token sent elsewhere would let whoever is there be us.
    fn token_url(&self, settings: &CloudSettings) -> Result<String, ExecutorError> {
        if settings.endpoints.contains_key("gcp.sts") {
            return Ok(format!("{}/v1/token", endpoint::of(settings, "gcp.sts", STS)?));
        }
        let is_googles = |url: &Url| is_google(url, "sts") && url.path() == "/v1/token";
        match Url::parse(&self.token_url) {
            Ok(url) if is_googles(&url) => Ok(self.token_url.clone()),
            _ => Err(wrong("token_url", "is not Google's token exchange, https://sts.googleapis.com/v1/token")),
        }
    }

    fn impersonation_url(&self, email: &str, settings: &CloudSettings) -> Result<Option<String>, ExecutorError> {
        let text = &self.service_account_impersonation_url;
        if text.is_empty() {
            if email.is_empty() {
                return Ok(None);
            }
            let why =
                "is missing, and the identity names a service account; give it, or leave service_account_email out";
            return Err(wrong("service_account_impersonation_url", why));
        }
        let is_googles = |url: &Url| is_google(url, "iamcredentials") && self.impersonated(url).is_some();
        let url = Url::parse(text).ok().filter(is_googles);
        let Some(url) = url else {
            let why = "is not Google's, https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken";
            return Err(wrong("service_account_impersonation_url", why));
        };
        let account = self.impersonated(&url).unwrap_or_default();
        if !email.is_empty() && email != account {
            return Err(refusal(
                "service_account_email",
                format!("is not whom wif_config impersonates, which is {account}"),
            ));
        }
        let base = endpoint::of(settings, "gcp.iamcredentials", IAM_CREDENTIALS)?;
        let is_set = settings.endpoints.contains_key("gcp.iamcredentials");
        Ok(Some(if is_set { format!("{base}{}", url.path()) } else { text.clone() }))
    }

    fn impersonated(&self, url: &Url) -> Option<String> {
        let account =
            url.path().strip_prefix("/v1/projects/-/serviceAccounts/")?.strip_suffix(":generateAccessToken")?;
        let account = account.replace("%40", "@");
        let fits = account.contains('@') && !account.contains(['/', '%']);
        fits.then_some(account)
    }

    /// The service account that is impersonated; none if it is the federated identity itself.
    pub(super) fn service_account(&self) -> Option<String> {
        self.impersonated(&Url::parse(&self.service_account_impersonation_url).ok()?)
    }

    /// Whether the control plane has to vouch for the job.
    pub(super) fn wants_the_planes_token(&self) -> bool {
        let file = self.credential_source.as_ref().and_then(|source| source["file"].as_str());
        self.credential_source.is_none() || file == Some(PLANES_TOKEN)
    }

    /// Whom a token is for that the pool takes where nothing else was set up.
    pub(super) fn oidc_audience(&self) -> String {
        format!("https:{}", self.audience)
    }
}

/// `NAME.googleapis.com`, or its regional and private forms.
fn is_google(url: &Url, name: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    let rest = host.strip_prefix(name).unwrap_or_default();
    let is_known = rest == ".googleapis.com"
        || rest.starts_with('.') && rest.ends_with(".rep.googleapis.com")
        || rest.starts_with('-') && rest.ends_with(".p.googleapis.com");
    url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && is_known
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "service_account_impersonation_url":
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken",
            "credential_source": { "file": "oidc-token" },
        })
    }

    fn refused(change: &Value, ambient_identity: bool) -> String {
        let mut document = document();
        document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let identity = CloudIdentity { provider: "gcp".into(), wif_config: document.to_string(), ..Default::default() };
        let settings = CloudSettings { ambient_identity, ..Default::default() };
        check(&identity, &settings).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn only_what_google_writes_is_believed() {
        assert_eq!(refused(&json!({}), false), "");
        assert_eq!(refused(&json!({ "credential_source": null }), false), "");
        assert_eq!(refused(&json!({ "token_url": "https://sts.europe-west1.rep.googleapis.com/v1/token" }), false), "");
        for (change, place) in [
            (json!({ "type": "service_account" }), "type"),
            (json!({ "audience": "//iam.googleapis.com/projects/1" }), "audience"),
            (json!({ "token_url": "https://sts.googleapis.com.evil/v1/token" }), "token_url"),
            (json!({ "token_url": "https://sts.googleapis.com@evil/v1/token" }), "token_url"),
            (json!({ "token_url": "http://sts.googleapis.com/v1/token" }), "token_url"),
            (json!({ "token_url": "https://sts.evil.rep.googleapis.com:1/v1/token" }), "token_url"),
            (
                json!({ "service_account_impersonation_url": "https://evil/v1/projects/-/serviceAccounts/a@b:generateAccessToken" }),
                "service_account_impersonation_url",
            ),
            (
                json!({ "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b/../c:generateAccessToken" }),
                "service_account_impersonation_url",
            ),
            (
                json!({ "credential_source": { "executable": { "command": "/bin/id" } } }),
                "credential_source/executable",
            ),
            (json!({ "credential_source": { "file": "/etc/passwd" } }), "credential_source/file"),
            (json!({ "credential_source": { "file": "../../claim.json" } }), "credential_source/file"),
            (json!({ "credential_source": { "url": "http://169.254.169.254/token" } }), "credential_source/url"),
            (json!({ "credential_source": { "url": "https://2852039166/token" } }), "credential_source/url"),
            (json!({ "credential_source": { "url": "http://example.com/token" } }), "credential_source/url"),
            (
                json!({ "credential_source": { "environment_id": "aws1", "regional_cred_verification_url": "https://evil" } }),
                "credential_source/regional_cred_verification_url",
            ),
            (json!({ "credential_source": {} }), "credential_source"),
        ] {
            let error = refused(&change, false);
            assert!(error.starts_with(&format!("/cloud_identity/wif_config/{place}: ")), "{change}: {error:?}");
        }
        assert_eq!(refused(&json!({ "credential_source": { "file": "/var/run/token" } }), true), "");
    }

    #[test]
    fn fields_that_contradict_each_other_are_named() {
        let identity = CloudIdentity {
            provider: "gcp".into(),
            wif_config: document().to_string(),
            service_account_email: "other@b.iam.gserviceaccount.com".into(),
            ..Default::default()
        };
        let error = check(&identity, &CloudSettings::default()).unwrap_err().to_string();
        assert!(error.starts_with("/cloud_identity/service_account_email"), "{error}");
        let identity =
            CloudIdentity { project_id: "My Project\n".into(), service_account_email: String::new(), ..identity };
        let error = check(&identity, &CloudSettings::default()).unwrap_err().to_string();
        assert!(error.starts_with("/cloud_identity/project_id"), "{error}");
    }
}
