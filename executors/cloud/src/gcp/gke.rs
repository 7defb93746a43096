//! GKE: where a cluster is. The job's access token is the cluster's token.

use executor_api::{CloudCluster, ClusterEndpoint, ExecutorError, JobContext};
use serde::Deserialize;

use super::credentials::{Caller, TOKEN};
use crate::cluster_token;
use crate::http;

const CONTAINER: &str = "https://container.googleapis.com";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    master_auth: MasterAuth,
    #[serde(default)]
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MasterAuth {
    cluster_ca_certificate: String,
}

/// Asks GKE for the cluster's address. None if there is no such cluster.
pub(super) async fn endpoint(
    job: &JobContext,
    wanted: &CloudCluster,
) -> Result<Option<ClusterEndpoint>, ExecutorError> {
    let CloudCluster { name, place, pointer } = wanted;
    for (field, text) in [("name", name), ("region", place)] {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            let why = "has 1 to 63 lower-case letters, digits and '-'";
            return Err(ExecutorError::invalid(&format!("{pointer}/{field}"), why));
        }
    }
    let caller = Caller::of(job)?;
    let base = caller.base("gcp.container", CONTAINER)?;
    let project = &caller.project;
    let url = format!("{base}/v1/projects/{project}/locations/{place}/clusters/{name}");
    let answer = http::json(caller.http.get(url).bearer_auth(&caller.token)).await;
    if answer.as_ref().is_err_and(http::HttpError::is_missing) {
        return Ok(None);
    }
    let cluster: Cluster = answer.map_err(|error| {
        let who = job.credentials().map(|credentials| credentials.who()).unwrap_or_default();
        let mend = if error.is_denied() {
            format!("; run: gcloud projects add-iam-policy-binding {project} --member='serviceAccount:{who}' --role=roles/container.clusterViewer")
        } else {
            String::new()
        };
        ExecutorError::invalid(&format!("{pointer}/name"), format!("{name} cannot be looked up in {place}: {error}{mend}"))
    })?;
    if cluster.endpoint.is_empty() || cluster.master_auth.cluster_ca_certificate.is_empty() {
        let why = format!("the cluster {name} in {place} has no address yet: it is {}", cluster.status);
        return Err(ExecutorError::invalid(pointer, why));
    }
    let file = caller.request().folder.join(TOKEN).display().to_string();
    Ok(Some(ClusterEndpoint {
        server: format!("https://{}", cluster.endpoint),
        certificate_authority_data: cluster.master_auth.cluster_ca_certificate,
        program: caller.request().program.clone(),
        args: vec![cluster_token::VERB.into(), "file".into(), file],
    }))
}
