# The nodes: one group of machines. Karpenter's machines have the same role.

locals {
  # m7g, c6gn and a1 are Graviton; g5 is not, and g5g is.
  is_graviton   = alltrue([for type in var.eks_instance_types : can(regex("^(a1|[a-z]+[0-9]+[a-z]*g[a-z]*)\\.", type))])
  capacity_type = coalesce(var.eks_ng_capacity_type, local.is_production ? "ON_DEMAND" : "SPOT")
}

data "aws_iam_policy_document" "node_trust" {
  count = local.cluster

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "node" {
  count              = local.cluster
  name               = "${local.cluster_name}-node"
  assume_role_policy = data.aws_iam_policy_document.node_trust[0].json
}

# What pods may do is said by roles of their own: a node may join, and fetch images.
resource "aws_iam_role_policy_attachment" "node" {
  for_each   = toset(var.provision_eks ? ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly"] : [])
  role       = aws_iam_role.node[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.key}"
}

resource "aws_launch_template" "node" {
  count       = local.cluster
  name        = "${local.cluster_name}-node"
  description = "Nodes of ${local.cluster_name}"

  # A hop more, and pods could have the node's role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # Bottlerocket keeps itself on the first volume, and images and logs on the second.
  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = 4
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  block_device_mappings {
    device_name = "/dev/xvdb"

    ebs {
      volume_size           = 50
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${local.cluster_name}-node" })
    }
  }
}

resource "aws_eks_node_group" "this" {
  count           = local.cluster
  cluster_name    = aws_eks_cluster.this[0].name
  node_group_name = "main"
  node_role_arn   = aws_iam_role.node[0].arn
  subnet_ids      = local.network.private
  ami_type        = local.is_graviton ? "BOTTLEROCKET_ARM_64" : "BOTTLEROCKET_x86_64"
  capacity_type   = local.capacity_type
  instance_types  = var.eks_instance_types

  launch_template {
    id      = aws_launch_template.node[0].id
    version = aws_launch_template.node[0].latest_version
  }

  scaling_config {
    min_size     = var.eks_ng_min_size
    max_size     = max(var.eks_ng_max_size, var.eks_ng_min_size)
    desired_size = min(max(var.eks_ng_desired_size, var.eks_ng_min_size), max(var.eks_ng_max_size, var.eks_ng_min_size))
  }

  update_config {
    max_unavailable_percentage = 33
  }

  # Whatever scales the nodes has the say once they are there.
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }

  # A node without its network plugin never gets ready.
  depends_on = [aws_eks_addon.network, aws_iam_role_policy_attachment.node]
}
