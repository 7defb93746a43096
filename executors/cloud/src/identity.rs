//! What every identity must be, whatever its provider.

use executor_api::{CloudIdentity, ExecutorError};

/// Refuses an identity that is of two providers, or of a provider other than `provider`.
pub(crate) fn check_provider(identity: &CloudIdentity, provider: &str) -> Result<(), ExecutorError> {
    let owners = [
        ("role_arn", &identity.role_arn, "aws"),
        ("external_id", &identity.external_id, "aws"),
        ("account_id", &identity.account_id, "aws"),
        ("project_id", &identity.project_id, "gcp"),
        ("service_account_email", &identity.service_account_email, "gcp"),
        ("wif_config", &identity.wif_config, "gcp"),
        ("tenant_id", &identity.tenant_id, "azure"),
        ("client_id", &identity.client_id, "azure"),
        ("subscription_id", &identity.subscription_id, "azure"),
    ];
    for (field, value, owner) in owners {
        if owner != provider && !value.is_empty() {
            let why = format!("belongs to {owner}, and the identity's provider is {provider}; leave one of them out");
            return Err(refusal(field, why));
        }
    }
    Ok(())
}

/// A wrong field of the identity.
pub(crate) fn refusal(field: &str, why: impl Into<String>) -> ExecutorError {
    ExecutorError::invalid(&format!("/cloud_identity/{field}"), why)
}

#[cfg(any(feature = "aws", feature = "gcp"))]
/// Refuses what no identifier has: nothing of an identity ever ends up in a place where these would mean something.
pub(crate) fn check_text(field: &str, value: &str, most: usize) -> Result<(), ExecutorError> {
    if value.len() > most {
        return Err(refusal(field, format!("is longer than {most} bytes")));
    }
    match value.chars().find(|c| c.is_control()) {
        Some(c) => Err(refusal(field, format!("holds the character {c:?}; take it out"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_of_one_provider() {
        let both = CloudIdentity {
            provider: "aws".to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/x".to_owned(),
            tenant_id: "t".to_owned(),
            ..CloudIdentity::default()
        };
        let error = check_provider(&both, "aws").unwrap_err().to_string();
        assert!(error.starts_with("/cloud_identity/tenant_id: belongs to azure"), "{error}");
        assert!(check_text("role_arn", "a\nb", 10).unwrap_err().to_string().starts_with("/cloud_identity/role_arn"));
    }
}
