//! What Karpenter makes nodes of, as long as nobody has said otherwise: machines like those of the cluster's own group.

use executor_api::ExecutorError;
use serde_json::{Value, json};

use super::{Object, Wanted};
use crate::after_apply::facts::Facts;
use crate::snapshot::Stage;

/// The kind that says which machines Karpenter makes, and how many.
const POOLS: &str = "nodepools.karpenter.sh";
/// Of both objects.
const NAME: &str = "default";
const CLASS: &str = "ec2nodeclasses.karpenter.k8s.aws/default";
/// No more of all machines together: what asks for more than this is more likely to be a mistake.
const MOST_CPU: &str = "100";
const MOST_MEMORY: &str = "400Gi";

/// Both come after Karpenter, whose kinds they are, and only into a cluster without a NodePool: whoever makes one, or
/// changes ours, has the say from then on.
pub(super) fn add_to(
    wanted: &mut Wanted,
    facts: &Facts<'_>,
    cluster: &str,
    after_wave: u8,
) -> Result<(), ExecutorError> {
    let needs = "Karpenter's NodePool";
    let Some(role) = wanted.needs(needs, facts, "node_iam_role_name")? else { return Ok(()) };
    let Some(group) = wanted.needs(needs, facts, "node_security_group")? else { return Ok(()) };
    let Some(architecture) = wanted.needs(needs, facts, "node_architecture")? else { return Ok(()) };
    let class = node_class(facts, role, group, &subnets(facts, cluster)?);
    let pool = node_pool(facts, architecture);
    wanted.objects.push(Object { after_wave, manifest: class, unless: &[POOLS, CLASS] });
    wanted.objects.push(Object { after_wave, manifest: pool, unless: &[POOLS] });
    Ok(())
}

/// Those of a network that terraform made carry the cluster's name; of others it has looked up the ids.
fn subnets(facts: &Facts<'_>, cluster: &str) -> Result<Value, ExecutorError> {
    if facts.snapshot.network.provision {
        return Ok(json!([{ "tags": { "karpenter.sh/discovery": cluster } }]));
    }
    let mut terms = Vec::new();
    for output in ["subnet1", "subnet2", "subnet3"] {
        terms.extend(facts.word(output)?.map(|id| json!({ "id": id })));
    }
    Ok(Value::Array(terms))
}

/// Image, volumes and way to the metadata as in `templates/environment/aws/nodes.tf`, tags as in `names.tf`.
fn node_class(facts: &Facts<'_>, role: &str, security_group: &str, subnets: &Value) -> Value {
    let snapshot = facts.snapshot;
    let volume = |device: &str, size: &str| {
        json!({ "deviceName": device, "ebs": { "volumeSize": size, "volumeType": "gp3", "encrypted": true,
                                               "deleteOnTermination": true } })
    };
    json!({ "apiVersion": "karpenter.k8s.aws/v1beta1", "kind": "EC2NodeClass", "metadata": { "name": NAME },
            "spec": {
                "amiFamily": "Bottlerocket",
                "role": role,
                "tags": { "project": snapshot.project_name, "environment": snapshot.environment_stage,
                          "managed-by": "karpenter" },
                "subnetSelectorTerms": subnets,
                "securityGroupSelectorTerms": [{ "id": security_group }],
                "blockDeviceMappings": [volume("/dev/xvda", "4Gi"), volume("/dev/xvdb", "50Gi")],
                "metadataOptions": { "httpEndpoint": "enabled", "httpProtocolIPv6": "disabled", "httpTokens": "required",
                                     "httpPutResponseHopLimit": 1 },
            } })
}

fn node_pool(facts: &Facts<'_>, architecture: &str) -> Value {
    let is_in = |key: &str, values: Value| json!({ "key": key, "operator": "In", "values": values });
    // Of both, Karpenter takes spot while there is some.
    let capacity = match facts.snapshot.environment_stage {
        Stage::Production => json!(["on-demand"]),
        _ => json!(["spot", "on-demand"]),
    };
    let requirements = json!([
        is_in("kubernetes.io/os", json!(["linux"])),
        is_in("kubernetes.io/arch", json!([architecture])),
        is_in("karpenter.sh/capacity-type", capacity),
        is_in("karpenter.k8s.aws/instance-category", json!(["c", "m", "r"])),
        { "key": "karpenter.k8s.aws/instance-generation", "operator": "Gt", "values": ["4"] },
    ]);
    let class = json!({ "apiVersion": "karpenter.k8s.aws/v1beta1", "kind": "EC2NodeClass", "name": NAME });
    json!({ "apiVersion": "karpenter.sh/v1beta1", "kind": "NodePool", "metadata": { "name": NAME },
            "spec": {
                "template": { "spec": { "nodeClassRef": class, "requirements": requirements } },
                "limits": { "cpu": MOST_CPU, "memory": MOST_MEMORY },
                "disruption": { "consolidationPolicy": "WhenUnderutilized", "expireAfter": "720h" },
            } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::after_apply::example::snapshot;

    /// The specs of EC2NodeClass and NodePool.
    fn specs(fields: &Value) -> (Value, Value) {
        let mut all = json!({ "provider": "aws", "cluster": { "provider_config": { "enable_karpenter": true } } });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let outputs = json!({ "karpenter_sa_role": "arn:aws:iam::1:role/karpenter", "eks_cluster_name": "eks-1",
                              "node_iam_role_name": "eks-1-node", "node_security_group": "sg-1",
                              "node_architecture": "arm64", "subnet1": "subnet-1", "subnet2": "subnet-2" });
        let outputs = outputs.as_object().unwrap();
        let wanted = super::super::wanted(&Facts::new(&snapshot(all), outputs), None).unwrap();
        let of = |kind: &str| wanted.objects.iter().find(|object| object.manifest["kind"] == kind).unwrap();
        let (class, pool) = (of("EC2NodeClass"), of("NodePool"));
        assert_eq!((class.after_wave, pool.after_wave), (2, 2), "their kinds are Karpenter's");
        (class.manifest["spec"].clone(), pool.manifest["spec"].clone())
    }

    #[test]
    fn machines_are_like_those_of_the_group() {
        let (class, pool) = specs(&json!({}));
        assert_eq!((&class["role"], &class["amiFamily"]), (&json!("eks-1-node"), &json!("Bottlerocket")));
        assert_eq!(class["subnetSelectorTerms"], json!([{ "tags": { "karpenter.sh/discovery": "eks-1" } }]));
        assert_eq!(
            class["tags"],
            json!({ "project": "shop", "environment": "development", "managed-by": "karpenter" })
        );
        assert_eq!(class["securityGroupSelectorTerms"], json!([{ "id": "sg-1" }]));
        let requirements = &pool["template"]["spec"]["requirements"];
        assert_eq!(requirements[1]["values"], json!(["arm64"]));
        assert_eq!(requirements[2]["values"], json!(["spot", "on-demand"]));
        let (_, pool) = specs(&json!({ "environment_stage": "production" }));
        assert_eq!(pool["template"]["spec"]["requirements"][2]["values"], json!(["on-demand"]));
    }

    #[test]
    fn subnets_of_a_network_that_was_there_are_named() {
        let (class, _) = specs(&json!({ "network": { "provision_network": false, "network_id": "vpc-0123abcd" } }));
        assert_eq!(class["subnetSelectorTerms"], json!([{ "id": "subnet-1" }, { "id": "subnet-2" }]));
    }
}
