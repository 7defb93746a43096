# The task, and the service that keeps it running.
#
# What protects an apply when ECS wants the task gone (a new image, scaling to zero, maintenance):
#  1. While it holds jobs the runner keeps the task protected from scale-in (ECS_AGENT_URI/task-protection): deployments and
#     a smaller count wait for it.
#  2. What still comes as SIGTERM makes it drain: no more jobs, ALETHIA_DRAIN_TIMEOUT for the ones it has, and then one
#     SIGINT to their tools, which save their state. Fargate kills after stopTimeout, 120 s at most, so draining takes less
#     than half of it.
#  3. A job that has not begun to change anything goes to another runner.
# The old task goes before the new one comes (0 % to 100 %): two tasks of one runner would be refused by the plane.

resource "aws_cloudwatch_log_group" "runner" {
  name              = "/alethia/${local.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_cluster" "runner" {
  name = local.name
  setting {
    name  = "containerInsights"
    value = "disabled"
  }
}

locals {
  image = "${var.image_repository}${startswith(var.image_tag, "sha256:") ? "@" : ":"}${var.image_tag}"

  environment = merge(
    {
      ALETHIA_WEB_ORIGIN    = var.alethia_url
      ALETHIA_WORKER_ID     = var.runner_id
      ALETHIA_WORKER_MODE   = var.runner_mode
      ALETHIA_SLOTS         = tostring(var.slots)
      ALETHIA_DRAIN_TIMEOUT = "45s"
      AWS_REGION            = var.region
    },
    length(var.labels) > 0 ? { ALETHIA_LABELS = join(",", [for name, value in var.labels : "${name}=${value}"]) } : {},
    local.has_storage ? {
      SUPABASE_S3_ENDPOINT                = var.storage_endpoint
      SUPABASE_S3_REGION                  = var.storage_region
      ALETHIA_STORAGE_AUTO_CREATE_BUCKETS = tostring(var.storage_create_buckets)
    } : {},
    local.has_storage && var.storage_bucket != "" ? { ALETHIA_STATE_BUCKET = var.storage_bucket } : {},
  )

  secrets = merge(
    { ALETHIA_WORKER_TOKEN = aws_secretsmanager_secret.token.arn },
    local.has_storage ? {
      SUPABASE_STORAGE_KEY_ID     = "${aws_secretsmanager_secret.storage[0].arn}:key_id::"
      SUPABASE_STORAGE_SECRET_KEY = "${aws_secretsmanager_secret.storage[0].arn}:secret_key::"
    } : {},
    var.infracost ? { INFRACOST_API_KEY = aws_secretsmanager_secret.infracost[0].arn } : {},
  )
}

resource "aws_ecs_task_definition" "runner" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn

  runtime_platform {
    cpu_architecture        = var.architecture
    operating_system_family = "LINUX"
  }

  container_definitions = jsonencode([{
    name        = "runner"
    image       = local.image
    command     = var.image_command
    essential   = true
    stopTimeout = 120
    environment = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
    secrets     = [for name in sort(keys(local.secrets)) : { name = name, valueFrom = local.secrets[name] }]
    # Tasks read their secrets when they start: a new number is a new definition, and so a new task.
    dockerLabels = { "alethia.secrets" = join(".", [for name, number in var.secret_versions : number]) }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.runner.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "runner"
      }
    }
  }])

  lifecycle {
    # The service goes back to the old one if the new one does not start.
    create_before_destroy = true
  }
}

resource "aws_ecs_service" "runner" {
  name            = local.name
  cluster         = aws_ecs_cluster.runner.id
  task_definition = aws_ecs_task_definition.runner.arn
  launch_type     = "FARGATE"
  desired_count   = var.scale_to_zero ? 0 : var.desired_count

  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  availability_zone_rebalancing      = "DISABLED"
  wait_for_steady_state              = var.wait_for_steady_state
  propagate_tags                     = "SERVICE"
  force_new_deployment               = true
  triggers                           = { deployment = var.deployment }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.task_subnets
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = var.assign_public_ip
  }

  lifecycle {
    # Whether there is work is not ours to know: a change of the image must not end a task that works.
    ignore_changes = [desired_count]
  }

  depends_on = [
    aws_iam_role_policy.task,
    aws_iam_role_policy.execution,
    aws_secretsmanager_secret_version.token,
    aws_secretsmanager_secret_version.storage,
    aws_secretsmanager_secret_version.infracost,
    aws_route.public,
    aws_route.private,
  ]
}
