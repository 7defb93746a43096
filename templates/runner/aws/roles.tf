# Who the task is (to its jobs), and who starts it.

data "aws_iam_policy_document" "by_ecs" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "task" {
  name               = "${local.name}-task"
  assume_role_policy = data.aws_iam_policy_document.by_ecs.json
}

# A runner may do nothing but become who its jobs are; what those may do is said by their own roles.
data "aws_iam_policy_document" "task" {
  statement {
    sid       = "BeWhoTheJobsAre"
    actions   = ["sts:AssumeRole", "sts:TagSession"]
    resources = length(var.assumable_roles) > 0 ? var.assumable_roles : ["arn:${local.partition}:iam::*:role/AlethiaProvisionerRole-*"]
  }
  statement {
    sid       = "StayWhileThereAreJobs"
    actions   = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
    resources = ["arn:${local.partition}:ecs:${var.region}:${local.account}:task/${local.name}/*"]
  }
}

resource "aws_iam_role_policy" "task" {
  name   = "runner"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

resource "aws_iam_role" "execution" {
  name               = "${local.name}-exec"
  assume_role_policy = data.aws_iam_policy_document.by_ecs.json
}

locals {
  ecr = try(regex("^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/(.+)$", var.image_repository), null)
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid     = "ReadItsSecrets"
    actions = ["secretsmanager:GetSecretValue"]
    resources = concat(
      [aws_secretsmanager_secret.token.arn],
      aws_secretsmanager_secret.storage[*].arn,
      aws_secretsmanager_secret.infracost[*].arn,
    )
  }
  statement {
    sid       = "WriteItsLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.runner.arn}:*"]
  }
  dynamic "statement" {
    for_each = local.ecr == null ? [] : [local.ecr]
    content {
      sid       = "PullItsImage"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = ["arn:${local.partition}:ecr:${statement.value[1]}:${statement.value[0]}:repository/${statement.value[2]}"]
    }
  }
  dynamic "statement" {
    for_each = local.ecr == null ? [] : [local.ecr]
    content {
      sid = "SignInToRegistries"
      # Knows no resources.
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "runner"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}
