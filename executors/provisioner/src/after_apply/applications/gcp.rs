//! The applications of a cluster on GCP. Metrics, load balancers and volumes come with GKE.

use executor_api::ExecutorError;
use serde_json::json;

use super::Wanted;
use super::everywhere::{external_dns, external_secrets, secret_store, service_account};
use crate::after_apply::facts::Facts;

/// The annotation by which a service account of the cluster is one of the project.
const ACCOUNT: &str = "iam.gke.io/gcp-service-account";

pub(super) fn add_to(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    let project = facts.word("project_id")?.unwrap_or(&facts.snapshot.account_id);
    if let Some(domain) = facts.domain()
        && let Some(account) = wanted.needs("external-dns", facts, "external_dns_service_account")?
    {
        let more = json!({ "serviceAccount": service_account("external-dns", ACCOUNT, account),
                           "extraArgs": [format!("--google-project={project}")] });
        wanted.applications.push(external_dns(facts, domain, "google", more));
    }
    let account = wanted.needs("secretstore-gcp", facts, "external_secrets_service_account")?;
    let more =
        account.map(|account| json!({ "serviceAccount": service_account("external-secrets", ACCOUNT, account) }));
    wanted.applications.push(external_secrets(facts, more.unwrap_or_default()));
    if account.is_some() {
        wanted.objects.push(secret_store("secretstore-gcp", &json!({ "gcpsm": { "projectID": project } })));
    }
    Ok(())
}
