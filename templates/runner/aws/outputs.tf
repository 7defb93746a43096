output "cluster_arn" {
  description = "The ECS cluster."
  value       = aws_ecs_cluster.runner.arn
}

output "service_name" {
  description = "The ECS service in it."
  value       = aws_ecs_service.runner.name
}

output "task_definition_arn" {
  description = "What the service runs."
  value       = aws_ecs_task_definition.runner.arn
}

output "task_role_arn" {
  description = "Who the runner is: the roles of its jobs must trust it."
  value       = aws_iam_role.task.arn
}

output "log_group" {
  description = "Where the runner's own log is."
  value       = aws_cloudwatch_log_group.runner.name
}

output "image" {
  description = "The image that it runs."
  value       = local.image
}

output "subnet_ids" {
  description = "Where the task runs."
  value       = local.task_subnets
}

output "secret_versions" {
  description = "The numbers of the secrets as they are now."
  value = {
    runner_token = var.secret_versions.runner_token
    storage      = local.has_storage ? var.secret_versions.storage : null
    infracost    = var.infracost ? var.secret_versions.infracost : null
  }
}

output "storage" {
  description = "The storage of terraform states that it was given."
  value = local.has_storage ? {
    endpoint       = var.storage_endpoint
    region         = var.storage_region
    bucket         = var.storage_bucket
    create_buckets = var.storage_create_buckets
  } : null
}

output "deployment" {
  description = "What the service was started for last."
  value       = var.deployment
}

output "scaler" {
  description = "The function that scales to zero, where there is one."
  value       = one(aws_lambda_function.scaler[*].function_name)
}
