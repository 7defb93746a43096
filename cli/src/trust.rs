//! What a cloud provider has to be told so that it believes an identity's jobs: documents to paste there.

use serde_json::{Value, json};
use wire::{Federation, IdentityInfo};

/// In the place of what only its owner knows.
const RUNNER: &str = "RUNNER_ARN";
const ACCOUNT: &str = "ACCOUNT_ID";

/// What the caller knows, and the control plane does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// AWS: who the runners are there.
    pub(crate) principal: Option<String>,
    /// AWS: the account of the role.
    pub(crate) account: Option<String>,
}

/// Something to paste.
pub(crate) struct Trust {
    /// Its name in a document of ours.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) what: String,
    /// The document.
    pub(crate) document: Value,
    /// What is still to be filled in, and how.
    pub(crate) open: Option<String>,
}

/// What the provider of this identity has to be told. None where the control plane has no say.
pub(crate) fn of(identity: &IdentityInfo, facts: &Facts) -> Option<Trust> {
    match (identity.provider.as_str(), &identity.federation) {
        ("aws", _) if !identity.external_id.is_empty() => Some(by_external_id(&identity.external_id, facts)),
        ("aws", Some(plane)) => Some(by_web_identity(plane, facts)),
        ("gcp", Some(plane)) => Some(pool_provider(plane, &identity.id)),
        ("azure", Some(plane)) => Some(federated_credential(plane, &identity.id)),
        _ => None,
    }
}

fn by_external_id(id: &str, facts: &Facts) -> Trust {
    let open = format!("put in place of {RUNNER} who the runners are at AWS, as --principal would");
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "AWS": facts.principal.as_deref().unwrap_or(RUNNER) },
        "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "sts:ExternalId": id } },
    });
    trust_policy(&statement, facts.principal.is_none().then_some(open))
}

fn by_web_identity(plane: &Federation, facts: &Facts) -> Trust {
    let issuer = plane.issuer.trim_start_matches("https://");
    let account = facts.account.as_deref().unwrap_or(ACCOUNT);
    let open = format!("put in place of {ACCOUNT} the account of the role, as --account-id would");
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::{account}:oidc-provider/{issuer}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": { format!("{issuer}:aud"): plane.audience },
            "StringLike": { format!("{issuer}:sub"): plane.subject },
        },
    });
    trust_policy(&statement, facts.account.is_none().then_some(open))
}

fn trust_policy(statement: &Value, open: Option<String>) -> Trust {
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    Trust { name: "trust_policy", what: "the role's trust policy".to_owned(), document, open }
}

/// Not `google.subject=assertion.sub`: Google takes 127 bytes there, and a subject may be longer.
fn pool_provider(plane: &Federation, id: &str) -> Trust {
    let prefix = plane.subject.trim_end_matches('*');
    let document = json!({
        "attributeMapping": { "google.subject": "assertion.job_id", "attribute.identity": "assertion.cloud_identity_id" },
        "attributeCondition":
            format!("assertion.sub.startsWith(\"{prefix}\") && assertion.cloud_identity_id == \"{id}\""),
        "oidc": { "issuerUri": plane.issuer },
    });
    Trust { name: "pool_provider", what: "the provider of a workload identity pool".to_owned(), document, open: None }
}

fn federated_credential(plane: &Federation, id: &str) -> Trust {
    let document = json!({
        "name": format!("alethia-{id}"),
        "issuer": plane.issuer,
        "subject": plane.subject,
        "audiences": [plane.audience],
    });
    let what = "a federated credential of the application".to_owned();
    Trust { name: "federated_credential", what, document, open: None }
}

/// Who may stand in a trust policy for good: an account, or a role or user of it.
pub(crate) fn principal(text: &str) -> Result<String, String> {
    if is_account(text) {
        return Ok(text.to_owned());
    }
    let parts: Vec<_> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "sts", _, account, session] if session.starts_with("assumed-role/") => {
            let role = session.split('/').nth(1).unwrap_or_default();
            Err(format!("it is a session, which ends; give its role: arn:aws:iam::{account}:role/{role}"))
        }
        ["arn", partition, "iam", "", _, _] if partition.starts_with("aws") => Ok(text.to_owned()),
        _ => {
            Err("give an account's 12 digits, or the ARN of a role, for example arn:aws:iam::123456789012:role/runner"
                .to_owned())
        }
    }
}

/// The 12 digits of an account.
pub(crate) fn account(text: &str) -> Result<String, String> {
    if is_account(text) { Ok(text.to_owned()) } else { Err("give the 12 digits of the account".to_owned()) }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_nobody_to_trust() {
        for good in ["123456789012", "arn:aws:iam::123456789012:role/runner", "arn:aws-cn:iam::123456789012:root"] {
            assert_eq!(principal(good).as_deref(), Ok(good));
        }
        let error = principal("arn:aws:sts::123456789012:assumed-role/runner/i-1").unwrap_err();
        assert!(error.ends_with("arn:aws:iam::123456789012:role/runner"), "{error}");
        for bad in ["", "*", "runner", "arn:aws:s3:::bucket", "12345678901"] {
            assert!(principal(bad).is_err(), "{bad}");
        }
    }
}
