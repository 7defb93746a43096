//! What an Azure identity may look like: three GUIDs.

use executor_api::{CloudIdentity, CloudSettings, ExecutorError};

use crate::identity::{check_provider, refusal};

/// Checks an identity without asking anybody.
pub(super) fn check(identity: &CloudIdentity, settings: &CloudSettings) -> Result<(), ExecutorError> {
    check_provider(identity, "azure")?;
    let is_own = settings.ambient_identity && identity.client_id.is_empty();
    for (field, value, is_needed) in [
        ("tenant_id", &identity.tenant_id, !is_own),
        ("client_id", &identity.client_id, !is_own),
        ("subscription_id", &identity.subscription_id, true),
    ] {
        if value.is_empty() && is_needed {
            return Err(refusal(field, "is missing; give the GUID that `az account show` or `az ad app show` prints"));
        }
        if !value.is_empty() && !is_guid(value) {
            return Err(refusal(field, "is no GUID; it looks like 00000000-0000-0000-0000-000000000000"));
        }
    }
    Ok(())
}

fn is_guid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<_> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_no_guid_is_named() {
        let id = "01234567-89ab-cdef-0123-456789ABCDEF";
        let identity = |tenant: &str, client: &str, subscription: &str| CloudIdentity {
            provider: "azure".to_owned(),
            tenant_id: tenant.to_owned(),
            client_id: client.to_owned(),
            subscription_id: subscription.to_owned(),
            ..CloudIdentity::default()
        };
        let refused = |identity: &CloudIdentity| {
            check(identity, &CloudSettings::default()).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(refused(&identity(id, id, id)), "");
        for wrong in
            ["", "contoso.com", "--x", "../../common", "01234567-89ab-cdef-0123-456789ABCDEF\n", "@/etc/passwd"]
        {
            for (place, identity) in [
                ("tenant_id", identity(wrong, id, id)),
                ("client_id", identity(id, wrong, id)),
                ("subscription_id", identity(id, id, wrong)),
            ] {
                let error = refused(&identity);
                assert!(error.starts_with(&format!("/cloud_identity/{place}: ")), "{wrong:?}: {error:?}");
            }
        }
    }
}
