//! What goes with a plan through which something was made in the cloud that terraform knows nothing of.

use executor_terraform::PlanSummary;

use crate::snapshot::Snapshot;

/// The clusters of our templates.
const CLUSTERS: [&str; 3] = ["aws_eks_cluster", "google_container_cluster", "azurerm_kubernetes_cluster"];
/// Terraform's output with the role of Karpenter.
const KARPENTERS_ROLE: &str = "karpenter_sa_role";

/// What goes. It may be replaced: what was made through the one of before nobody unmakes afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Going {
    /// The cluster, and with it who could unmake load balancers, names and machines.
    Cluster,
    /// The role by which Karpenter ends its machines.
    KarpentersRole,
}

impl Going {
    pub(crate) fn with(plan: &PlanSummary, wanted: &Snapshot) -> Option<Self> {
        let is_cluster = |address: &str| CLUSTERS.iter().any(|kind| address.split('.').next() == Some(kind));
        let goes = |action: &str| ["delete", "replace"].contains(&action);
        if plan.resources.iter().any(|change| goes(&change.action) && is_cluster(&change.address)) {
            return Some(Self::Cluster);
        }
        let changes = plan.outputs.iter().any(|output| output == KARPENTERS_ROLE);
        (changes && !wanted.cluster.enable_karpenter).then_some(Self::KarpentersRole)
    }
}

#[cfg(test)]
mod tests {
    use executor_terraform::ResourceChange;
    use serde_json::json;

    use super::*;
    use crate::after_apply::example::snapshot;

    fn plan(changes: &[(&str, &str)], outputs: &[&str]) -> PlanSummary {
        let of = |(address, action): &(&str, &str)| ResourceChange {
            address: (*address).to_owned(),
            action: (*action).to_owned(),
        };
        let outputs = outputs.iter().map(|&output| output.to_owned()).collect();
        PlanSummary { resources: changes.iter().map(of).collect(), outputs, ..PlanSummary::default() }
    }

    fn with_karpenter(is_on: bool) -> Snapshot {
        snapshot(json!({ "provider": "aws", "cluster": { "provider_config": { "enable_karpenter": is_on } } }))
    }

    #[test]
    fn a_cluster_goes_when_it_is_deleted_and_when_it_is_replaced() {
        let wanted = with_karpenter(false);
        for (cloud, kind) in ["aws", "gcp", "azure"].iter().zip(CLUSTERS) {
            let template = format!("{}/../../templates/environment/{cloud}/cluster.tf", env!("CARGO_MANIFEST_DIR"));
            let template = std::fs::read_to_string(template).unwrap();
            assert!(template.contains(&format!("resource \"{kind}\" \"this\" {{")), "{cloud}");
            let address = format!("{kind}.this[0]");
            for (action, going) in [("delete", true), ("replace", true), ("create", false), ("update", false)] {
                let plan = plan(&[("aws_vpc.this[0]", "delete"), (&address, action)], &[KARPENTERS_ROLE]);
                assert_eq!(Going::with(&plan, &wanted) == Some(Going::Cluster), going, "{action} {address}");
            }
        }
        let nodes = plan(&[("azurerm_kubernetes_cluster_node_pool.this[\"a\"]", "delete")], &[]);
        assert_eq!(Going::with(&nodes, &wanted), None);
    }

    #[test]
    fn karpenters_role_goes_when_it_changes_and_nobody_wants_it() {
        let changed = plan(&[], &["vpc_id", KARPENTERS_ROLE]);
        assert_eq!(Going::with(&changed, &with_karpenter(false)), Some(Going::KarpentersRole));
        assert_eq!(Going::with(&changed, &with_karpenter(true)), None);
        assert_eq!(Going::with(&plan(&[], &["vpc_id"]), &with_karpenter(false)), None);
    }
}
