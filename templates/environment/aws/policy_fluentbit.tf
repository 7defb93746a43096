# What Fluent Bit may do: write the log of pods into groups of this cluster.

data "aws_iam_policy_document" "fluentbit" {
  count = var.provision_eks && var.enable_fluentbit ? 1 : 0

  statement {
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents", "logs:PutRetentionPolicy"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/aws/eks/${local.cluster_name}/pods*"]
  }

  statement {
    actions   = ["logs:DescribeLogGroups"]
    resources = ["*"]
  }
}
