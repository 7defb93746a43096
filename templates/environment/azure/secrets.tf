# Secrets: a vault, with what was asked for, and the passwords of databases and caches. Whoever runs this puts them in from
# outside, so the vault has a public address: access policies say who may, and `key_vault_allowed_cidrs` from where.
# One that is not generated is not there until somebody puts it in.

locals {
  secrets   = { for secret in var.custom_secrets : secret.name => secret }
  generated = { for name, secret in local.secrets : name => secret if coalesce(secret.generate, false) }

  # What is put in, by the name that it has in the vault: letters, digits and -.
  vault_names  = { for name in keys(local.secrets) : name => replace(name, "/[^A-Za-z0-9-]/", "-") }
  database_key = { for name in keys(local.databases) : name => "database-${replace(name, "/[^A-Za-z0-9-]/", "-")}" }
  cache_key    = { for name in keys(local.caches) : name => "cache-${replace(name, "/[^A-Za-z0-9-]/", "-")}" }

  has_vault = length(local.secrets) + length(local.databases) + length(local.caches) > 0
}

resource "azurerm_key_vault" "this" {
  count = local.has_vault ? 1 : 0

  name                          = "kv-${local.compact}-${local.digest}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  tenant_id                     = local.tenant_id
  sku_name                      = "standard"
  soft_delete_retention_days    = 7
  purge_protection_enabled      = local.protect_data
  public_network_access_enabled = true
  tags                          = local.tags

  network_acls {
    bypass         = "AzureServices"
    default_action = length(var.key_vault_allowed_cidrs) > 0 ? "Deny" : "Allow"
    ip_rules       = var.key_vault_allowed_cidrs
  }
}

resource "azurerm_key_vault_access_policy" "runs_this" {
  count = local.has_vault ? 1 : 0

  key_vault_id       = azurerm_key_vault.this[0].id
  tenant_id          = local.tenant_id
  object_id          = local.runs_this
  secret_permissions = ["Get", "List", "Set", "Delete", "Recover", "Purge"]
}

resource "random_password" "secret" {
  for_each = local.generated

  length  = coalesce(each.value.length, 32)
  special = coalesce(each.value.special_chars, false)
}

resource "azurerm_key_vault_secret" "this" {
  for_each = local.generated

  name         = local.vault_names[each.key]
  value        = random_password.secret[each.key].result
  key_vault_id = azurerm_key_vault.this[0].id
  tags         = local.tags

  depends_on = [azurerm_key_vault_access_policy.runs_this]
}

resource "azurerm_key_vault_secret" "database" {
  for_each = local.databases

  name         = local.database_key[each.key]
  value        = random_password.database[each.key].result
  key_vault_id = azurerm_key_vault.this[0].id
  tags         = local.tags

  depends_on = [azurerm_key_vault_access_policy.runs_this]
}

resource "azurerm_key_vault_secret" "cache" {
  for_each = local.caches

  name         = local.cache_key[each.key]
  value        = azurerm_managed_redis.this[each.key].default_database[0].primary_access_key
  key_vault_id = azurerm_key_vault.this[0].id
  tags         = local.tags

  depends_on = [azurerm_key_vault_access_policy.runs_this]
}
