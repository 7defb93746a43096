//! The applications of a cluster on AWS.

use executor_api::ExecutorError;
use serde_json::{Value, json};

use super::chart::Chart;
use super::everywhere::{external_dns, external_secrets, secret_store, service_account};
use super::{Object, Wanted, machines};
use crate::after_apply::facts::Facts;

/// The annotation by which a service account is a role.
const ROLE: &str = "eks.amazonaws.com/role-arn";

const LOAD_BALANCER_CONTROLLER: Chart = Chart {
    name: "aws-load-balancer-controller",
    repository: "https://aws.github.io/eks-charts",
    chart: "aws-load-balancer-controller",
    version: "1.7.1",
    namespace: "kube-system",
    wave: 1,
};

const METRICS_SERVER: Chart = Chart {
    name: "metrics-server",
    repository: "https://kubernetes-sigs.github.io/metrics-server/",
    chart: "metrics-server",
    version: "3.12.1",
    namespace: "kube-system",
    wave: 1,
};

const CLUSTER_AUTOSCALER: Chart = Chart {
    name: "cluster-autoscaler",
    repository: "https://kubernetes.github.io/autoscaler",
    chart: "cluster-autoscaler",
    version: "9.37.0",
    namespace: "kube-system",
    wave: 2,
};

const KARPENTER: Chart = Chart {
    name: super::KARPENTER,
    repository: "public.ecr.aws/karpenter",
    chart: "karpenter",
    version: "0.37.0",
    namespace: "karpenter",
    wave: 2,
};

pub(super) fn add_to(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    load_balancer_controller(wanted, facts)?;
    if let Some(domain) = facts.domain()
        && let Some(role) = wanted.needs("external-dns", facts, "eks_irsa_external_dns_arn")?
    {
        let more = json!({ "serviceAccount": service_account("external-dns", ROLE, role),
                           "env": [{ "name": "AWS_DEFAULT_REGION", "value": facts.snapshot.region }] });
        wanted.applications.push(external_dns(facts, domain, "aws", more));
    }
    secrets(wanted, facts)?;
    wanted.applications.push(METRICS_SERVER.with(facts, json!({})));
    if facts.snapshot.cluster.enable_cluster_autoscaler {
        cluster_autoscaler(wanted, facts)?;
    }
    if facts.snapshot.cluster.enable_karpenter {
        karpenter(wanted, facts)?;
    }
    if facts.snapshot.cluster.provision {
        wanted.objects.push(Object { after_wave: 0, manifest: storage_class(), unless: &[] });
    }
    Ok(())
}

fn load_balancer_controller(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    let role = wanted.needs(LOAD_BALANCER_CONTROLLER.name, facts, "eks_irsa_alb_controller_arn")?;
    let Some(role) = role else { return Ok(()) };
    let name = wanted.needs(LOAD_BALANCER_CONTROLLER.name, facts, "eks_cluster_name")?;
    let Some(name) = name else { return Ok(()) };
    let Some(vpc) = wanted.needs(LOAD_BALANCER_CONTROLLER.name, facts, "vpc_id")? else { return Ok(()) };
    let account = service_account("aws-load-balancer-controller-sa", ROLE, role);
    let values =
        json!({ "clusterName": name, "region": facts.snapshot.region, "vpcId": vpc, "serviceAccount": account });
    wanted.applications.push(LOAD_BALANCER_CONTROLLER.with(facts, values));
    Ok(())
}

fn secrets(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    let role = wanted.needs("secretstore-aws", facts, "eks_irsa_external_secrets_arn")?;
    let more = role.map(|role| json!({ "serviceAccount": service_account("external-secrets", ROLE, role) }));
    wanted.applications.push(external_secrets(facts, more.unwrap_or_default()));
    if role.is_some() {
        // As the role of the operator itself.
        let provider = json!({ "aws": { "service": "SecretsManager", "region": facts.snapshot.region } });
        wanted.objects.push(secret_store("secretstore-aws", &provider));
    }
    Ok(())
}

/// The groups of nodes carry the cluster's name by themselves.
fn cluster_autoscaler(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    let role = wanted.needs(CLUSTER_AUTOSCALER.name, facts, "eks_irsa_cluster_autoscaler_arn")?;
    let Some(role) = role else { return Ok(()) };
    let Some(name) = wanted.needs(CLUSTER_AUTOSCALER.name, facts, "eks_cluster_name")? else { return Ok(()) };
    let account = service_account("cluster-autoscaler", ROLE, role);
    let values = json!({ "cloudProvider": "aws", "awsRegion": facts.snapshot.region,
                         "autoDiscovery": { "clusterName": name }, "rbac": { "create": true, "serviceAccount": account } });
    wanted.applications.push(CLUSTER_AUTOSCALER.with(facts, values));
    Ok(())
}

fn karpenter(wanted: &mut Wanted, facts: &Facts<'_>) -> Result<(), ExecutorError> {
    let Some(role) = wanted.needs(KARPENTER.name, facts, "karpenter_sa_role")? else { return Ok(()) };
    let Some(name) = wanted.needs(KARPENTER.name, facts, "eks_cluster_name")? else { return Ok(()) };
    let mut settings = json!({ "clusterName": name });
    for (setting, output) in
        [("clusterEndpoint", "eks_cluster_endpoint"), ("interruptionQueue", "karpenter_queue_name")]
    {
        if let Some(fact) = facts.word(output)? {
            settings[setting] = json!(fact);
        }
    }
    let values = json!({ "settings": settings, "serviceAccount": service_account("karpenter", ROLE, role) });
    wanted.applications.push(KARPENTER.with(facts, values));
    machines::add_to(wanted, facts, name, KARPENTER.wave)
}

/// Volumes where nothing else is said. Its driver is an addon of the cluster.
fn storage_class() -> Value {
    json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": "gp3", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
            "provisioner": "ebs.csi.aws.com", "parameters": { "type": "gp3", "encrypted": "true" },
            "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true, "reclaimPolicy": "Delete" })
}
