# Roles for service accounts of the cluster: who may be which. What each may do stands in `policy_*.tf`.

resource "aws_iam_openid_connect_provider" "cluster" {
  count          = local.cluster
  url            = aws_eks_cluster.this[0].identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  issuer = try(trimprefix(aws_eks_cluster.this[0].identity[0].oidc[0].issuer, "https://"), "")

  # Accounts are written as namespace:name. `policy` is a document of ours, `managed` one that AWS keeps.
  service_accounts = {
    vpc-cni        = { wanted = true, accounts = ["kube-system:aws-node"], managed = "AmazonEKS_CNI_Policy" }
    ebs-csi        = { wanted = true, accounts = ["kube-system:ebs-csi-controller-sa"], managed = "service-role/AmazonEBSCSIDriverPolicy" }
    alb-controller = { wanted = true, accounts = ["kube-system:aws-load-balancer-controller-sa", "kube-system:aws-load-balancer-controller"], managed = null }
    secrets        = { wanted = true, accounts = ["external-secrets:external-secrets", "external-secrets:external-secrets-sa"], managed = null }
    external-dns   = { wanted = local.has_zone, accounts = ["external-dns:external-dns", "external-dns:external-dns-sa"], managed = null }
    karpenter      = { wanted = var.enable_karpenter, accounts = ["karpenter:karpenter", "kube-system:karpenter"], managed = null }
    autoscaler     = { wanted = var.enable_cluster_autoscaler, accounts = ["kube-system:cluster-autoscaler"], managed = null }
    fluentbit      = { wanted = var.enable_fluentbit, accounts = ["amazon-cloudwatch:fluent-bit", "logging:fluent-bit"], managed = null }
    databases      = { wanted = length(var.rds_service_accounts) > 0 && length(local.iam_databases) > 0, accounts = var.rds_service_accounts, managed = null }
  }
  service_roles = { for name, role in local.service_accounts : name => role if var.provision_eks && role.wanted }

  service_policies = {
    alb-controller = one(data.aws_iam_policy_document.alb_controller[*].json)
    secrets        = one(data.aws_iam_policy_document.external_secrets[*].json)
    external-dns   = one(data.aws_iam_policy_document.external_dns[*].json)
    karpenter      = one(data.aws_iam_policy_document.karpenter[*].json)
    autoscaler     = one(data.aws_iam_policy_document.autoscaler[*].json)
    fluentbit      = one(data.aws_iam_policy_document.fluentbit[*].json)
    databases      = one(data.aws_iam_policy_document.databases[*].json)
  }
}

data "aws_iam_policy_document" "service_account_trust" {
  for_each = local.service_roles

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster[0].arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = [for account in each.value.accounts : "system:serviceaccount:${account}"]
    }
  }
}

resource "aws_iam_role" "service_account" {
  for_each           = local.service_roles
  name               = "${local.cluster_name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.service_account_trust[each.key].json
}

resource "aws_iam_role_policy_attachment" "service_account" {
  for_each   = { for name, role in local.service_roles : name => role.managed if role.managed != null }
  role       = aws_iam_role.service_account[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

resource "aws_iam_role_policy" "service_account" {
  for_each = { for name, role in local.service_roles : name => role if role.managed == null }
  name     = each.key
  role     = aws_iam_role.service_account[each.key].id
  policy   = local.service_policies[each.key]
}
