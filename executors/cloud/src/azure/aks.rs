//! AKS: where a cluster is, and tokens for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_api::{CloudCluster, ClusterEndpoint, ExecutorError, JobContext};
use serde::Deserialize;

use super::credentials::{Caller, aks_token};
use crate::cluster_token;
use crate::http;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    kubeconfigs: Vec<Encoded>,
}

#[derive(Deserialize)]
struct Encoded {
    value: String,
}

/// The part of a kubeconfig that says where a cluster is.
#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

/// Asks Azure for the cluster's kubeconfig, and takes only the address from it. None if there is no such cluster.
pub(super) async fn endpoint(
    job: &JobContext,
    wanted: &CloudCluster,
) -> Result<Option<ClusterEndpoint>, ExecutorError> {
    let CloudCluster { name, place: group, pointer } = wanted;
    for (field, text, most) in [("name", name, 63), ("resource_group", group, 90)] {
        let fits = (1..=most).contains(&text.len())
            && !text.ends_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.()".contains(&b))
            && text.bytes().any(|b| b.is_ascii_alphanumeric());
        if !fits {
            let why = format!("has 1 to {most} letters, digits and '-_.()'");
            return Err(ExecutorError::invalid(&format!("{pointer}/{field}"), why));
        }
    }
    let caller = Caller::of(job)?;
    let path = format!(
        "/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}/listClusterUserCredential"
    );
    let asked =
        caller.http.post(caller.url(&path, "2024-09-01")).bearer_auth(&caller.token).header("content-length", "0");
    let answer = http::json(asked).await;
    if answer.as_ref().is_err_and(http::HttpError::is_missing) {
        return Ok(None);
    }
    let answer: Answer = answer.map_err(|error| {
        let identity = &caller.request.identity;
        let mend = if error.is_denied() {
            let scope = format!("/subscriptions/{}/resourceGroups/{group}", identity.subscription_id);
            format!("; run: az role assignment create --assignee {} --role 'Azure Kubernetes Service Cluster User Role' --scope {scope}", identity.client_id)
        } else {
            String::new()
        };
        ExecutorError::invalid(&format!("{pointer}/name"), format!("{name} cannot be looked up in {group}: {error}{mend}"))
    })?;
    let cluster = answer.kubeconfigs.first().and_then(|encoded| parse(&encoded.value));
    let Some(Cluster { server, certificate_authority_data }) = cluster else {
        return Err(ExecutorError::invalid(pointer, format!("Azure gives no usable kubeconfig for {name}")));
    };
    let file = aks_token(&caller.request).await?;
    Ok(Some(ClusterEndpoint {
        server,
        certificate_authority_data,
        program: caller.request.program.clone(),
        args: vec![cluster_token::VERB.into(), "file".into(), file.display().to_string()],
    }))
}

fn parse(encoded: &str) -> Option<Cluster> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let kubeconfig: Kubeconfig = serde_saphyr::from_str(&text).ok()?;
    kubeconfig.clusters.into_iter().next().map(|named| named.cluster)
}
