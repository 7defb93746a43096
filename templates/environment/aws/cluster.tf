# The cluster: its control plane, and the key under which it keeps secrets.

locals {
  cluster = var.provision_eks ? 1 : 0

  # EKS makes it; nodes have it too.
  cluster_security_group = one(aws_eks_cluster.this[*].vpc_config[0].cluster_security_group_id)
}

resource "aws_kms_key" "cluster" {
  count                   = local.cluster
  description             = "Secrets of ${local.cluster_name}"
  enable_key_rotation     = true
  deletion_window_in_days = local.protect_data ? 30 : 7
}

resource "aws_kms_alias" "cluster" {
  count         = local.cluster
  name          = "alias/${local.cluster_name}"
  target_key_id = aws_kms_key.cluster[0].key_id
}

# Made here, as EKS would make one that nothing ever empties or removes.
resource "aws_cloudwatch_log_group" "cluster" {
  count             = local.cluster
  name              = "/aws/eks/${local.cluster_name}/cluster"
  retention_in_days = var.eks_log_retention_days
}

data "aws_iam_policy_document" "cluster_trust" {
  count = local.cluster

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "cluster" {
  count              = local.cluster
  name               = "${local.cluster_name}-cluster"
  assume_role_policy = data.aws_iam_policy_document.cluster_trust[0].json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  count      = local.cluster
  role       = aws_iam_role.cluster[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/AmazonEKSClusterPolicy"
}

data "aws_iam_policy_document" "cluster_key" {
  count = local.cluster

  statement {
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"]
    resources = [aws_kms_key.cluster[0].arn]
  }
}

resource "aws_iam_role_policy" "cluster_key" {
  count  = local.cluster
  name   = "secrets-key"
  role   = aws_iam_role.cluster[0].id
  policy = data.aws_iam_policy_document.cluster_key[0].json
}

resource "aws_eks_cluster" "this" {
  count                         = local.cluster
  name                          = local.cluster_name
  role_arn                      = aws_iam_role.cluster[0].arn
  version                       = var.eks_cluster_version
  enabled_cluster_log_types     = ["api", "audit", "authenticator"]
  bootstrap_self_managed_addons = false

  vpc_config {
    subnet_ids              = local.network.private
    endpoint_private_access = true
    endpoint_public_access  = var.eks_endpoint_public_access
    public_access_cidrs     = var.eks_endpoint_public_access ? var.eks_public_access_cidrs : null
  }

  # Who makes the cluster installs into it what comes next, so it is an admin.
  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = aws_kms_key.cluster[0].arn
    }
  }

  lifecycle {
    precondition {
      condition     = local.network_fits
      error_message = local.network_fault
    }
  }

  # Without these the cluster could not clean up behind itself when it is destroyed.
  depends_on = [
    aws_cloudwatch_log_group.cluster,
    aws_iam_role_policy.cluster_key,
    aws_iam_role_policy_attachment.cluster,
    aws_route.internet,
    aws_route.nat,
    aws_route_table_association.private,
    aws_route_table_association.public,
  ]
}
