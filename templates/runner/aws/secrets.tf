# Values go from the job to Secrets Manager and from there into the task. Arguments that end in _wo are in no state and
# in no plan; one whose number stays the same is not written, whatever the variable says. A secret is gone at once when the
# runner is destroyed: its token is worth nothing by then, and the same id can be deployed again.

locals {
  has_storage = var.storage_endpoint != ""
}

resource "aws_secretsmanager_secret" "token" {
  name                    = "${local.name}/token"
  description             = "Token of the runner ${var.runner_name}"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "token" {
  secret_id                = aws_secretsmanager_secret.token.id
  secret_string_wo         = var.runner_token
  secret_string_wo_version = var.secret_versions.runner_token
}

resource "aws_secretsmanager_secret" "storage" {
  count                   = local.has_storage ? 1 : 0
  name                    = "${local.name}/storage"
  description             = "Key of the storage of terraform states"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "storage" {
  count                    = local.has_storage ? 1 : 0
  secret_id                = aws_secretsmanager_secret.storage[0].id
  secret_string_wo         = jsonencode({ key_id = var.storage_key_id, secret_key = var.storage_secret_key })
  secret_string_wo_version = var.secret_versions.storage
}

resource "aws_secretsmanager_secret" "infracost" {
  count                   = var.infracost ? 1 : 0
  name                    = "${local.name}/infracost"
  description             = "Key of Infracost"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "infracost" {
  count                    = var.infracost ? 1 : 0
  secret_id                = aws_secretsmanager_secret.infracost[0].id
  secret_string_wo         = var.infracost_api_key
  secret_string_wo_version = var.secret_versions.infracost
}
