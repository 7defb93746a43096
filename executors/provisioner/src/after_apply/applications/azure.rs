//! The applications of a cluster on Azure. Metrics, load balancers and volumes come with AKS.

use executor_api::ExecutorError;
use serde_json::{Value, json};

use super::Wanted;
use super::everywhere::{external_dns, external_secrets, secret_store, service_account};
use crate::after_apply::facts::Facts;

/// The annotation by which a service account of the cluster is a managed identity.
const CLIENT: &str = "azure.workload.identity/client-id";
/// The label by which pods get a token of it.
const USES_IT: &str = "azure.workload.identity/use";

pub(super) fn add_to(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    if let Some(domain) = facts.domain() {
        names(wanted, facts, domain)?;
    }
    secrets(wanted, facts)
}

fn names(wanted: &mut Wanted, facts: &Facts<'_>, domain: &str) -> Result<(), ExecutorError> {
    let Some(client) = wanted.needs("external-dns", facts, "external_dns_client_id")? else { return Ok(()) };
    let Some(tenant) = wanted.needs("external-dns", facts, "tenant_id")? else { return Ok(()) };
    let group = facts.word("azure_dns_zone_resource_group")?.or(facts.word("resource_group_name")?);
    // The file that external-dns reads on Azure; nothing in it is a secret.
    let file = json!({ "tenantId": tenant, "subscriptionId": facts.snapshot.account_id, "resourceGroup": group,
                       "useWorkloadIdentityExtension": true });
    let more = json!({
        "serviceAccount": service_account("external-dns", CLIENT, client),
        "podLabels": { USES_IT: "true" },
        "secretConfiguration": { "enabled": true, "mountPath": "/etc/kubernetes/", "data": { "azure.json": file.to_string() } },
    });
    wanted.applications.push(external_dns(facts, domain, "azure", more));
    Ok(())
}

fn secrets(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    let client = wanted.needs("secretstore-azure", facts, "external_secrets_client_id")?;
    let vault = if client.is_some() { wanted.needs("secretstore-azure", facts, "key_vault_uri")? } else { None };
    let more = client.map(|client| {
        json!({ "serviceAccount": service_account("external-secrets", CLIENT, client), "podLabels": { USES_IT: "true" } })
    });
    wanted.applications.push(external_secrets(facts, more.unwrap_or_default()));
    if let Some(vault) = vault {
        let account = json!({ "name": "external-secrets", "namespace": "external-secrets" });
        let mut provider = json!({ "authType": "WorkloadIdentity", "vaultUrl": vault, "serviceAccountRef": account });
        if let Some(tenant) = facts.word("tenant_id")? {
            provider["tenantId"] = Value::from(tenant);
        }
        wanted.objects.push(secret_store("secretstore-azure", &json!({ "azurekv": provider })));
    }
    Ok(())
}
