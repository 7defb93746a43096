# Scale to zero: once a minute the plane is asked, with the runner's own token, whether there is work for it. See scaler.py,
# which travels as scaler.zip beside these files.

locals {
  # Once there, it stays: the service's count is not ours, so a runner that shall run always from now on, and is stopped,
  # would be started by nobody else.
  scaler      = var.scale_to_zero || var.has_scaler ? 1 : 0
  scaler_name = "${local.name}-scaler"
  # AWS writes the name of a resource that a policy is about in full.
  service_arn = "arn:${local.partition}:ecs:${var.region}:${local.account}:service/${local.name}/${local.name}"
}

data "aws_iam_policy_document" "by_lambda" {
  count = local.scaler
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "scaler" {
  count = local.scaler
  statement {
    sid       = "ReadTheToken"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.token.arn]
  }
  statement {
    sid       = "ScaleTheService"
    actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
    resources = [local.service_arn]
  }
  statement {
    sid       = "WriteItsLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.scaler[0].arn}:*"]
  }
}

resource "aws_iam_role" "scaler" {
  count              = local.scaler
  name               = local.scaler_name
  assume_role_policy = data.aws_iam_policy_document.by_lambda[0].json
}

resource "aws_iam_role_policy" "scaler" {
  count  = local.scaler
  name   = "scaler"
  role   = aws_iam_role.scaler[0].id
  policy = data.aws_iam_policy_document.scaler[0].json
}

resource "aws_cloudwatch_log_group" "scaler" {
  count             = local.scaler
  name              = "/aws/lambda/${local.scaler_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "scaler" {
  count            = local.scaler
  function_name    = local.scaler_name
  description      = "Starts the runner ${var.runner_name} when there is work for it, and stops it when there is none"
  role             = aws_iam_role.scaler[0].arn
  filename         = "${path.module}/scaler.zip"
  source_code_hash = filebase64sha256("${path.module}/scaler.zip")
  handler          = "scaler.handle"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  memory_size      = 128
  timeout          = 50
  # Two at once would act on each other's answers.
  reserved_concurrent_executions = 1

  environment {
    variables = {
      ALETHIA_URL  = var.alethia_url
      RUNNER_ID    = var.runner_id
      TOKEN_SECRET = aws_secretsmanager_secret.token.arn
      CLUSTER      = aws_ecs_cluster.runner.name
      SERVICE      = aws_ecs_service.runner.name
      IDLE_SECONDS = tostring(var.idle_seconds)
      ALWAYS       = tostring(!var.scale_to_zero)
    }
  }

  depends_on = [aws_iam_role_policy.scaler, aws_cloudwatch_log_group.scaler]
}

resource "aws_cloudwatch_event_rule" "scaler" {
  count               = local.scaler
  name                = local.scaler_name
  description         = "Once a minute"
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "scaler" {
  count = local.scaler
  rule  = aws_cloudwatch_event_rule.scaler[0].name
  arn   = aws_lambda_function.scaler[0].arn
}

resource "aws_lambda_permission" "scaler" {
  count         = local.scaler
  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.scaler[0].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.scaler[0].arn
}
