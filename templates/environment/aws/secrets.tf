# Secrets. A value is made once and then belongs to whoever changes it.

locals {
  secret_prefix = "${var.project_name}/${var.environment}"
  secrets       = { for secret in var.custom_secrets : secret.secret_name => secret }
  made_secrets  = { for name, secret in local.secrets : name => secret if !coalesce(secret.manual, false) }
}

# Not a data source: its id is the value, and terraform prints ids.
ephemeral "aws_secretsmanager_random_password" "this" {
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

# Only written: the value is in no plan, no state and no output. It is drawn again each time somebody looks, and written only
# where the number changes.
resource "aws_secretsmanager_secret_version" "this" {
  for_each                 = local.made_secrets
  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  secret_string_wo_version = 1
}
