# What runs in every cluster: its network, names, and disks. EKS picks the versions unless `eks_addon_versions` does.

locals {
  addons = { for name in ["vpc-cni", "kube-proxy", "coredns", "aws-ebs-csi-driver"] : name => lookup(var.eks_addon_versions, name, null) if var.provision_eks }
  addon_roles = {
    "vpc-cni"            = try(aws_iam_role.service_account["vpc-cni"].arn, null)
    "aws-ebs-csi-driver" = try(aws_iam_role.service_account["ebs-csi"].arn, null)
  }
}

resource "aws_eks_addon" "network" {
  for_each                    = { for name, version in local.addons : name => version if contains(["vpc-cni", "kube-proxy"], name) }
  cluster_name                = aws_eks_cluster.this[0].name
  addon_name                  = each.key
  addon_version               = each.value
  service_account_role_arn    = lookup(local.addon_roles, each.key, null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  depends_on                  = [aws_iam_role_policy.service_account, aws_iam_role_policy_attachment.service_account]
}

# These are ready only when there is a node that runs them.
resource "aws_eks_addon" "workload" {
  for_each                    = { for name, version in local.addons : name => version if !contains(["vpc-cni", "kube-proxy"], name) }
  cluster_name                = aws_eks_cluster.this[0].name
  addon_name                  = each.key
  addon_version               = each.value
  service_account_role_arn    = lookup(local.addon_roles, each.key, null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  depends_on                  = [aws_eks_node_group.this, aws_iam_role_policy.service_account, aws_iam_role_policy_attachment.service_account]
}
