# Registries of container images.

locals {
  registries = { for registry in var.provision_ecr ? var.container_registries : [] : registry.name => registry }
}

resource "aws_ecr_repository" "this" {
  for_each             = local.registries
  name                 = lower("${var.project_name}/${var.environment}/${each.key}")
  image_tag_mutability = coalesce(each.value.immutable_tags, true) ? "IMMUTABLE" : "MUTABLE"
  force_delete         = !local.protect_data

  image_scanning_configuration {
    scan_on_push = coalesce(each.value.vulnerability_scanning, true)
  }

  encryption_configuration {
    encryption_type = "KMS"
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each   = local.registries
  repository = aws_ecr_repository.this[each.key].name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Images that have lost their tag go after two weeks"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
      action       = { type = "expire" }
    }]
  })
}
