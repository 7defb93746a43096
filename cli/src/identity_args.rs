//! Who somebody is at a cloud provider, as a command line or a file says it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use executor_api::{CloudSettings, ExecutorError, credential_source};
use serde_json::{Value, json};
use wire::CloudIdentity;

use crate::ending::Misused;

/// Who a job is, without a control plane that keeps it. The flags are those of `identity connect`.
#[derive(Args, Debug)]
pub(crate) struct IdentityArgs {
    /// Who it is at a cloud provider: a JSON object like {"provider": "aws", "role_arn": "..."}, or what `identity show
    /// --json` prints [default: whoever runs it]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["role_arn", "wif_config", "tenant_id"])]
    identity: Option<PathBuf>,
    /// At AWS: the role to assume
    #[arg(long, value_name = "ARN", conflicts_with_all = ["wif_config", "tenant_id"])]
    role_arn: Option<String>,
    /// The external id that the role's trust policy asks for
    #[arg(long, value_name = "ID", requires = "role_arn")]
    external_id: Option<String>,
    /// At GCP: an external-account document; never a key
    #[arg(long, value_name = "FILE", conflicts_with = "tenant_id")]
    wif_config: Option<PathBuf>,
    /// The project [default: that of the service account]
    #[arg(long, value_name = "ID", requires = "wif_config")]
    project: Option<String>,
    /// The service account, to be sure that it is the one that the document impersonates
    #[arg(long, value_name = "EMAIL", requires = "wif_config")]
    service_account: Option<String>,
    /// At Azure: the tenant
    #[arg(long, value_name = "GUID", requires_all = ["client_id", "subscription_id"])]
    tenant_id: Option<String>,
    /// The application
    #[arg(long, value_name = "GUID", requires = "tenant_id")]
    client_id: Option<String>,
    /// The subscription
    #[arg(long, value_name = "GUID", requires = "tenant_id")]
    subscription_id: Option<String>,
}

impl IdentityArgs {
    /// Who the job is; none if that was not said. Checked as far as that can be done without asking anybody.
    pub(crate) fn identity(self) -> anyhow::Result<Option<CloudIdentity>> {
        if let Some(file) = &self.identity {
            return Ok(Some(read(file)?));
        }
        let identity = if let Some(role_arn) = self.role_arn {
            CloudIdentity { role_arn, external_id: self.external_id.unwrap_or_default(), ..of("aws") }
        } else if let Some(wif_config) = self.wif_config {
            gcp(&wif_config, self.project, self.service_account)?
        } else if let (Some(tenant_id), Some(client_id), Some(subscription_id)) =
            (self.tenant_id, self.client_id, self.subscription_id)
        {
            CloudIdentity { tenant_id, client_id, subscription_id, ..of("azure") }
        } else {
            return Ok(None);
        };
        check(&identity)?;
        Ok(Some(identity))
    }
}

/// Nobody yet.
pub(crate) fn of(provider: &str) -> CloudIdentity {
    CloudIdentity { provider: provider.to_owned(), ..CloudIdentity::default() }
}

/// Somebody at GCP.
pub(crate) fn gcp(
    wif_config: &Path,
    project: Option<String>,
    service_account: Option<String>,
) -> anyhow::Result<CloudIdentity> {
    Ok(CloudIdentity {
        wif_config: external_account(wif_config)?,
        project_id: project.unwrap_or_default(),
        service_account_email: service_account.unwrap_or_default(),
        ..of("gcp")
    })
}

/// A key must not even reach the control plane.
fn external_account(file: &Path) -> anyhow::Result<String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read --wif-config {name}"))?;
    let wrong = |why: &str| {
        let give = "give what `gcloud iam workload-identity-pools create-cred-config` writes";
        Misused(format!("--wif-config {name} {why}; {give}"))
    };
    let document: Value = serde_json::from_str(&text).map_err(|error| wrong(&format!("is no JSON: {error}")))?;
    match document["type"].as_str() {
        Some("external_account") => Ok(text),
        Some("service_account") => Err(wrong("is the key of a service account, and nobody keeps keys here").into()),
        _ => Err(wrong("is no external-account document").into()),
    }
}

/// What can be said without asking anybody, by the part of this program that will use it. The most that a runner's
/// operator can allow is allowed.
pub(crate) fn check(identity: &CloudIdentity) -> Result<(), Misused> {
    // A control plane may have runners that know a provider that this program does not.
    if credential_source(&identity.provider).is_err() {
        return Ok(());
    }
    checked(identity).map_err(|error| Misused(by_flag(&error)))
}

fn checked(identity: &CloudIdentity) -> Result<(), ExecutorError> {
    let settings = CloudSettings { ambient_identity: true, ..CloudSettings::default() };
    credential_source(&identity.provider)?.check(identity, &settings)
}

/// The flag that says what is wrong, instead of the field of an identity.
fn by_flag(error: &ExecutorError) -> String {
    let ExecutorError::InvalidInput { pointer: Some(pointer), message } = error else { return error.to_string() };
    let mut parts = pointer.trim_start_matches("/cloud_identity/").splitn(2, '/');
    let flag = match parts.next().unwrap_or_default() {
        "project_id" => "project".to_owned(),
        "service_account_email" => "service-account".to_owned(),
        field => field.replace('_', "-"),
    };
    match parts.next() {
        Some(place) => format!("--{flag}: {place} {message}"),
        None => format!("--{flag} {message}"),
    }
}

/// An identity from a file. A field that nobody reads would be a wish that nobody hears, so there is none.
fn read(file: &Path) -> anyhow::Result<CloudIdentity> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read --identity {name}"))?;
    let wrong = |why: String| Misused(format!("--identity {name}: {why}"));
    let document: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    // `identity show` prints an identity with what a control plane knows about it.
    let mut document = document.get("identity").cloned().unwrap_or(document);
    let fields = document.as_object_mut().ok_or_else(|| wrong("is no connected identity".to_owned()))?;
    let known = json!(CloudIdentity::default());
    if let Some(other) = fields.keys().find(|field| known.get(field.as_str()).is_none()) {
        let known: Vec<_> = known.as_object().into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
        return Err(wrong(format!("/{other} is no field of an identity; they are {}", known.join(", "))).into());
    }
    // The document is often pasted as it is.
    if let Some(config) = fields.get_mut("wif_config").filter(|config| config.is_object()) {
        *config = json!(config.to_string());
    }
    let identity: CloudIdentity = serde_json::from_value(document).map_err(|error| wrong(error.to_string()))?;
    checked(&identity).map_err(|error| wrong(error.to_string().replace("/cloud_identity/", "/")))?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
    const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        who: IdentityArgs,
    }

    fn parsed(args: &[&str]) -> Result<IdentityArgs, String> {
        let line = Line::try_parse_from(["alethia"].iter().chain(args)).map_err(|error| error.to_string())?;
        Ok(line.who)
    }

    fn from_file(text: &str) -> anyhow::Result<Option<CloudIdentity>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        parsed(&["--identity", file.path().to_str().unwrap()]).unwrap().identity()
    }

    #[test]
    fn a_field_is_said_by_its_flag() {
        for (pointer, says) in [
            ("/cloud_identity/role_arn", "--role-arn is wrong"),
            ("/cloud_identity/project_id", "--project is wrong"),
            ("/cloud_identity/service_account_email", "--service-account is wrong"),
            ("/cloud_identity/wif_config/credential_source/url", "--wif-config: credential_source/url is wrong"),
        ] {
            assert_eq!(by_flag(&ExecutorError::invalid(pointer, "is wrong")), says);
        }
    }

    #[test]
    fn flags_are_of_one_provider_and_whole() {
        assert_eq!(parsed(&[]).unwrap().identity().unwrap(), None);
        let role = parsed(&["--role-arn", ROLE, "--external-id", "e-1"]).unwrap().identity().unwrap().unwrap();
        assert_eq!((role.provider.as_str(), role.external_id.as_str()), ("aws", "e-1"));
        let azure = ["--tenant-id", GUID, "--client-id", GUID, "--subscription-id", GUID];
        assert_eq!(parsed(&azure).unwrap().identity().unwrap().unwrap().provider, "azure");
        for args in [
            &["--role-arn", ROLE, "--wif-config", "f"][..],
            &["--role-arn", ROLE, "--identity", "f"],
            &["--external-id", "e"],
            &azure[..4],
        ] {
            parsed(args).unwrap_err();
        }
    }

    #[test]
    fn a_file_may_be_what_identity_show_prints() {
        let identity = json!({ "provider": "aws", "role_arn": ROLE, "external_id": "e-1" });
        let shown = json!({ "id": "i", "provider": "aws", "label": "prod", "identity": identity });
        let read = |document: &Value| from_file(&document.to_string()).unwrap().unwrap();
        assert_eq!(read(&identity), read(&shown));
        let document = json!({ "provider": "gcp", "wif_config": { "type": "external_account" } });
        let error = from_file(&document.to_string()).unwrap_err().to_string();
        assert!(error.contains("/wif_config/"), "it was read: {error}");
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        for (text, says) in [
            ("{", "is no JSON"),
            ("[]", "is no connected identity"),
            (r#"{ "identity": null, "provider": "aws" }"#, "is no connected identity"),
            (
                r#"{ "provider": "aws", "role-arn": "x" }"#,
                "/role-arn is no field of an identity; they are provider, role_arn, ",
            ),
            (r#"{ "provider": "aws", "role_arn": "x" }"#, ": /role_arn"),
            (r#"{ "role_arn": "x" }"#, ": /provider"),
        ] {
            let error = from_file(text).unwrap_err();
            assert!(error.is::<Misused>() && error.to_string().contains(says), "{text}: {error}");
        }
    }
}
