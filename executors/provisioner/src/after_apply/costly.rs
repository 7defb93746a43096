//! What objects of a cluster make in the cloud behind terraform's back. It goes when they go, as long as who made it is there.

use std::collections::BTreeMap;
use std::time::Duration;

use executor_api::{ExecutorError, JobContext};
use executor_kubectl::{Kubectl, Resource, Targets};
use serde_json::Value;

use super::deadline::Deadline;
use super::known;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
const LOAD_BALANCERS: [&str; 2] = ["services", "ingresses.networking.k8s.io"];
/// Machines of Karpenter: its NodePools, what is made of them, and what they are made like, which has an instance profile.
const MACHINES: [&str; 3] = ["nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws"];

/// An object with something of the cloud behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Costly {
    namespace: Option<String>,
    kind: &'static str,
    name: String,
}

impl Costly {
    fn of(object: &Value) -> Option<Self> {
        let kind = match object["kind"].as_str()? {
            "Service" if object["spec"]["type"] == "LoadBalancer" => LOAD_BALANCERS[0],
            "Ingress" => LOAD_BALANCERS[1],
            "NodePool" => MACHINES[0],
            "NodeClaim" => MACHINES[1],
            "EC2NodeClass" => MACHINES[2],
            _ => return None,
        };
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().map(str::to_owned);
        Some(Self { namespace, kind, name: metadata["name"].as_str()?.to_owned() })
    }
}

impl std::fmt::Display for Costly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.as_deref().map(|name| format!("{name}/")).unwrap_or_default();
        write!(f, "{} {namespace}{}", self.kind, self.name)
    }
}

/// Takes away all load balancers of the cluster, and waits until they are gone; how many there were.
pub(super) async fn take_away_load_balancers(
    job: &JobContext,
    kubectl: &Kubectl<'_>,
    deadline: Deadline,
) -> Result<usize, ExecutorError> {
    take_away_all(job, kubectl, &LOAD_BALANCERS, deadline).await
}

/// Whether the cluster knows of machines that Karpenter makes.
pub(super) async fn has_machines(kubectl: &Kubectl<'_>) -> Result<bool, ExecutorError> {
    known::has_kind(kubectl, MACHINES[0]).await
}

/// The same for all machines of Karpenter. Nobody but Karpenter ends them: where it does not run, or may not, they are
/// still there at the deadline, and that is an error.
pub(super) async fn take_away_machines(
    job: &JobContext,
    kubectl: &Kubectl<'_>,
    deadline: Deadline,
) -> Result<usize, ExecutorError> {
    let mut kinds = Vec::new();
    for kind in MACHINES {
        if known::has_kind(kubectl, kind).await? {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return Ok(0);
    }
    take_away_all(job, kubectl, &kinds, deadline).await.map_err(|error| match error {
        ExecutorError::Unsuccessful(text) => ExecutorError::Unsuccessful(format!(
            "{text}\nKarpenter ends its machines as long as it runs and has its role; its log in the namespace karpenter says \
             why it does not"
        )),
        other => other,
    })
}

async fn take_away_all(
    job: &JobContext,
    kubectl: &Kubectl<'_>,
    kinds: &[&str],
    deadline: Deadline,
) -> Result<usize, ExecutorError> {
    let mut asked = std::collections::BTreeSet::new();
    loop {
        let left = look(kubectl, kinds).await?;
        if left.is_empty() {
            return Ok(asked.len());
        }
        // Somebody may make new ones meanwhile.
        let new: Vec<_> = left.iter().filter(|one| !asked.contains(*one)).cloned().collect();
        delete(job, kubectl, &new).await?;
        asked.extend(new);
        if deadline.is_over() {
            let names: Vec<_> = left.iter().map(ToString::to_string).collect();
            let text = format!(
                "after {deadline} these are not gone, nor what the cloud made for them:\n  {}",
                names.join("\n  ")
            );
            return Err(ExecutorError::Unsuccessful(text));
        }
        deadline.rest(job, PAUSE).await?;
    }
}

async fn look(kubectl: &Kubectl<'_>, kinds: &[&str]) -> Result<Vec<Costly>, ExecutorError> {
    Ok(kubectl.get_everywhere(kinds).await?.iter().filter_map(Costly::of).collect())
}

async fn delete(job: &JobContext, kubectl: &Kubectl<'_>, objects: &[Costly]) -> Result<(), ExecutorError> {
    if objects.is_empty() {
        return Ok(());
    }
    job.commit_point().await?;
    let mut by_namespace: BTreeMap<Option<&str>, Vec<Resource>> = BTreeMap::new();
    for one in objects {
        job.log().system(format!("taking away {one}"));
        let resource = Resource::parse(&format!("{}/{}", one.kind, one.name)).map_err(ExecutorError::Other)?;
        by_namespace.entry(one.namespace.as_deref()).or_default().push(resource);
    }
    for (namespace, resources) in by_namespace {
        kubectl.within(namespace.unwrap_or("default"))?.delete(&Targets::Named(resources), None).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_is_costly_only_as_a_load_balancer() {
        let service = |kind: &str| json!({ "kind": "Service", "spec": { "type": kind }, "metadata": { "name": "a", "namespace": "x" } });
        assert_eq!(Costly::of(&service("ClusterIP")), None);
        assert_eq!(Costly::of(&service("LoadBalancer")).unwrap().to_string(), "services x/a");
        let pool = json!({ "kind": "NodePool", "metadata": { "name": "a" } });
        assert_eq!(Costly::of(&pool).unwrap().to_string(), "nodepools.karpenter.sh a");
    }
}
