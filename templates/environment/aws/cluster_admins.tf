# Who may do everything in the cluster.

locals {
  cluster_admins = {
    for admin in var.provision_eks ? var.eks_cluster_admins : [] :
    startswith(admin.username, "arn:") ? admin.username : join("", [
      "arn:${local.partition}:iam::${local.account_id}:",
      startswith(admin.username, "role/") ? "role" : "user",
      "/${trim(coalesce(admin.path, "/"), "/")}/" == "//" ? "/" : "/${trim(coalesce(admin.path, "/"), "/")}/",
      trimprefix(trimprefix(admin.username, "role/"), "user/"),
    ]) => [for group in coalesce(admin.groups, []) : group if !startswith(group, "system:")]
  }
}

resource "aws_eks_access_entry" "admin" {
  for_each          = local.cluster_admins
  cluster_name      = aws_eks_cluster.this[0].name
  principal_arn     = each.key
  kubernetes_groups = each.value
}

resource "aws_eks_access_policy_association" "admin" {
  for_each      = local.cluster_admins
  cluster_name  = aws_eks_cluster.this[0].name
  principal_arn = aws_eks_access_entry.admin[each.key].principal_arn
  policy_arn    = "arn:${local.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}
