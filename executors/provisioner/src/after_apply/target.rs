//! Which cluster: the one that the snapshot brings, or the one that terraform made. Never any other.

use cluster_access::{Aks, Cluster, ClusterAccess, Eks, Gke};
use executor_api::{ExecutorError, JobContext};
use executor_kubectl::{Kubectl, Resource};

use super::facts::Facts;
use crate::snapshot::Provider;

/// The cluster of an environment.
pub(super) struct Target {
    cluster: Cluster,
    /// Terraform made it, and takes it away.
    pub(super) is_ours: bool,
}

impl Target {
    /// None if there is no cluster, and none is meant.
    pub(super) fn of(facts: &Facts<'_>) -> Result<Option<Self>, ExecutorError> {
        match Self::brought(facts) {
            Some(target) => Ok(Some(target)),
            None => Self::made(facts),
        }
    }

    /// The one that the snapshot brings: its owner's, with all that is not of this environment.
    pub(super) fn brought(facts: &Facts<'_>) -> Option<Self> {
        let text = facts.snapshot.cluster.kubeconfig.as_ref()?;
        Some(Self { cluster: Cluster::Kubeconfig(text.to_string()), is_ours: false })
    }

    /// The one that terraform made, whatever the snapshot brings: it may bring the next one.
    pub(super) fn made(facts: &Facts<'_>) -> Result<Option<Self>, ExecutorError> {
        let region = facts.snapshot.region.clone();
        let cluster = match facts.snapshot.provider {
            Provider::Aws => {
                facts.word("eks_cluster_name")?.map(|name| Cluster::Eks(Eks { name: name.to_owned(), region }))
            }
            Provider::Gcp => {
                facts.word("gke_cluster_name")?.map(|name| Cluster::Gke(Gke { name: name.to_owned(), region }))
            }
            Provider::Azure => {
                let resource_group = resource_group(facts)?;
                let aks = |name: &str| Cluster::Aks(Aks { name: name.to_owned(), resource_group });
                facts.word("aks_cluster_name")?.map(aks)
            }
        };
        Ok(cluster.map(|cluster| Self { cluster, is_ours: true }))
    }

    /// The way to it, tried out. None if the cloud says that there is no such cluster.
    pub(super) async fn reach(&self, job: &JobContext) -> Result<Option<ClusterAccess>, ExecutorError> {
        let found = self.cluster.find(job, "/cluster").await.map_err(|error| self.explained(error))?;
        let Some(access) = found else { return Ok(None) };
        // Every cluster has it.
        let resource = Resource::parse("namespace/kube-system").map_err(ExecutorError::Other)?;
        Kubectl::find(job, &access)?.get_one(resource).await?;
        job.log().system(format!("the cluster is at {}", access.server()));
        Ok(Some(access))
    }

    /// No field of the snapshot is wrong where terraform named the cluster.
    fn explained(&self, error: ExecutorError) -> ExecutorError {
        match error {
            ExecutorError::InvalidInput { message, .. } if self.is_ours => {
                ExecutorError::Other(format!("the environment's cluster cannot be reached: {message}"))
            }
            other => other,
        }
    }
}

fn resource_group(facts: &Facts<'_>) -> Result<String, ExecutorError> {
    let by_name = || format!("rg-{}-{}", facts.snapshot.project_name, facts.snapshot.environment_stage.as_str());
    Ok(facts.word("resource_group_name")?.map_or_else(by_name, str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::after_apply::example::snapshot;

    fn target(snapshot_fields: serde_json::Value, outputs: &serde_json::Value) -> Option<(String, bool)> {
        let snapshot = snapshot(snapshot_fields);
        let facts = Facts::new(&snapshot, outputs.as_object().unwrap());
        Target::of(&facts).unwrap().map(|target| (format!("{:?}", target.cluster), target.is_ours))
    }

    #[test]
    fn a_cluster_is_the_snapshots_or_terraforms_or_none() {
        let outputs = json!({ "eks_cluster_name": "e", "gke_cluster_name": "g", "aks_cluster_name": "a" });
        for (provider, name) in
            [("aws", "Eks { name: \"e\""), ("gcp", "Gke { name: \"g\""), ("azure", "Aks { name: \"a\"")]
        {
            let (cluster, is_ours) = target(json!({ "provider": provider }), &outputs).unwrap();
            assert!(cluster.starts_with(name) && is_ours, "{cluster}");
            assert_eq!(target(json!({ "provider": provider }), &json!({})), None);
        }
        let given = target(json!({ "provider": "aws", "cluster": { "kubeconfig": "text" } }), &outputs);
        assert_eq!(given, Some(("Kubeconfig(..)".to_owned(), false)));
        let snapshot = snapshot(json!({ "provider": "aws", "cluster": { "kubeconfig": "text" } }));
        let made = Target::made(&Facts::new(&snapshot, outputs.as_object().unwrap())).unwrap().unwrap();
        assert!(made.is_ours && matches!(made.cluster, Cluster::Eks(_)));
        let (azure, _) = target(json!({ "provider": "azure" }), &outputs).unwrap();
        assert!(azure.contains("resource_group: \"rg-shop-development\""), "{azure}");
    }
}
