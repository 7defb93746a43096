# A record of the connections in the network that is made.

locals {
  flow_logs = var.provision_vpc && var.vpc_flow_logs_enabled ? 1 : 0
}

resource "aws_cloudwatch_log_group" "flow" {
  count             = local.flow_logs
  name              = "/aws/vpc/${local.vpc_name}"
  retention_in_days = 30
}

resource "aws_iam_role" "flow" {
  count              = local.flow_logs
  name               = "${local.vpc_name}-flow"
  assume_role_policy = data.aws_iam_policy_document.flow_trust[0].json
}

data "aws_iam_policy_document" "flow_trust" {
  count = local.flow_logs

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["vpc-flow-logs.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_iam_policy_document" "flow" {
  count = local.flow_logs

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = ["${aws_cloudwatch_log_group.flow[0].arn}:*"]
  }

  statement {
    actions   = ["logs:DescribeLogGroups"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "flow" {
  count  = local.flow_logs
  name   = "write"
  role   = aws_iam_role.flow[0].id
  policy = data.aws_iam_policy_document.flow[0].json
}

resource "aws_flow_log" "this" {
  count           = local.flow_logs
  vpc_id          = aws_vpc.this[0].id
  traffic_type    = "ALL"
  log_destination = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn    = aws_iam_role.flow[0].arn
  tags            = { Name = local.vpc_name }
}
