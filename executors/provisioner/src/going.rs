//! What goes with a plan through which something was made in the cloud that terraform knows nothing of.

use executor_terraform::PlanSummary;

/// The clusters of our templates.
const CLUSTERS: [&str; 3] = ["aws_eks_cluster", "google_container_cluster", "azurerm_kubernetes_cluster"];
/// Karpenter's role in `templates/environment/aws/service_accounts.tf`.
const KARPENTERS_ROLE: &str = "aws_iam_role.service_account[\"karpenter\"]";

/// What goes. It may be replaced: what was made through the one of before nobody unmakes afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Going {
    /// The cluster, and with it who could unmake load balancers, names and machines.
    Cluster,
    /// The role by which Karpenter ends its machines.
    KarpentersRole,
}

impl Going {
    pub(crate) fn with(plan: &PlanSummary) -> Option<Self> {
        let mut going = plan.resources.iter().filter(|change| ["delete", "replace"].contains(&change.action.as_str()));
        let kind = |address: &str| address.split('.').next().unwrap_or_default().to_owned();
        if going.clone().any(|change| CLUSTERS.contains(&kind(&change.address).as_str())) {
            return Some(Self::Cluster);
        }
        going
            .any(|change| change.address == KARPENTERS_ROLE && change.action == "delete")
            .then_some(Self::KarpentersRole)
    }
}

#[cfg(test)]
mod tests {
    use executor_terraform::ResourceChange;

    use super::*;

    fn plan(changes: &[(&str, &str)]) -> PlanSummary {
        let of = |(address, action): &(&str, &str)| ResourceChange {
            address: (*address).to_owned(),
            action: (*action).to_owned(),
        };
        PlanSummary { resources: changes.iter().map(of).collect(), ..PlanSummary::default() }
    }

    fn template(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates/environment");
        std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
    }

    #[test]
    fn a_cluster_goes_when_it_is_deleted_and_when_it_is_replaced() {
        for (cloud, kind) in ["aws", "gcp", "azure"].iter().zip(CLUSTERS) {
            assert!(template(&format!("{cloud}/cluster.tf")).contains(&format!("resource \"{kind}\" \"this\" {{")));
            let address = format!("{kind}.this[0]");
            for (action, going) in [("delete", true), ("replace", true), ("create", false), ("update", false)] {
                let plan = plan(&[("aws_vpc.this[0]", "delete"), (&address, action), (KARPENTERS_ROLE, "delete")]);
                assert_eq!(Going::with(&plan) == Some(Going::Cluster), going, "{action} {address}");
            }
        }
        assert_eq!(Going::with(&plan(&[("azurerm_kubernetes_cluster_node_pool.this[\"a\"]", "delete")])), None);
    }

    #[test]
    fn karpenters_role_is_that_of_the_template() {
        let template = template("aws/service_accounts.tf");
        assert!(
            template.contains("resource \"aws_iam_role\" \"service_account\" {") && template.contains("    karpenter ")
        );
        assert_eq!(Going::with(&plan(&[(KARPENTERS_ROLE, "delete")])), Some(Going::KarpentersRole));
        assert_eq!(Going::with(&plan(&[(KARPENTERS_ROLE, "update")])), None);
        assert_eq!(Going::with(&PlanSummary::default()), None);
    }
}
