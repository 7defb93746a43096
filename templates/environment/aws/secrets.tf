# Secrets. A value is made once and then belongs to whoever changes it.

locals {
  secret_prefix = "${var.project_name}/${var.environment}"
  secrets       = { for secret in var.custom_secrets : secret.secret_name => secret }
  made_secrets  = { for name, secret in local.secrets : name => secret if !coalesce(secret.manual, false) }
}

data "aws_secretsmanager_random_password" "this" {
  for_each                   = local.made_secrets
  password_length            = coalesce(each.value.length, 32)
  exclude_punctuation        = !coalesce(each.value.special, false)
  require_each_included_type = true
}

resource "aws_secretsmanager_secret" "this" {
  for_each                = local.secrets
  name                    = "${local.secret_prefix}/${each.key}"
  recovery_window_in_days = local.protect_data ? 7 : 0
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each      = local.made_secrets
  secret_id     = aws_secretsmanager_secret.this[each.key].id
  secret_string = sensitive(data.aws_secretsmanager_random_password.this[each.key].random_password)

  # Another value is drawn each time somebody looks.
  lifecycle {
    ignore_changes = [secret_string]
  }
}
