# Containers of blobs. Those that everybody may read are in an account of their own, so that the other can be closed to the
# internet. Azure encrypts all that lies in either; nobody has a key to them.

locals {
  containers = {
    for container in(var.create_storage_account ? var.storage_containers : []) : container.name => {
      account    = coalesce(container.container_access_type, "private") == "private" ? "private" : "public"
      access     = coalesce(container.container_access_type, "private")
      versioning = coalesce(container.versioning, true)
      origins    = coalesce(container.cors_origins, [])
    }
  }

  # Only the accounts that are needed.
  storage_accounts = {
    for account in distinct([for container in local.containers : container.account]) : account => {
      versioning = anytrue([for container in local.containers : container.versioning if container.account == account])
      origins    = distinct(flatten([for container in local.containers : container.origins if container.account == account]))
    }
  }
}

resource "azurerm_storage_account" "this" {
  for_each = local.storage_accounts

  name                              = "${local.compact}${substr(each.key, 0, 3)}${local.digest}"
  resource_group_name               = azurerm_resource_group.this.name
  location                          = var.location
  account_tier                      = "Standard"
  account_replication_type          = local.protect_data ? "ZRS" : "LRS"
  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  shared_access_key_enabled         = false
  infrastructure_encryption_enabled = true
  allow_nested_items_to_be_public   = each.key == "public"
  public_network_access_enabled     = each.key == "public"
  cross_tenant_replication_enabled  = false
  tags                              = local.tags

  blob_properties {
    versioning_enabled = each.value.versioning

    delete_retention_policy {
      days = 7
    }

    container_delete_retention_policy {
      days = 7
    }

    dynamic "cors_rule" {
      for_each = length(each.value.origins) > 0 ? [each.value.origins] : []

      content {
        allowed_origins    = cors_rule.value
        allowed_methods    = ["GET", "HEAD"]
        allowed_headers    = ["*"]
        exposed_headers    = ["*"]
        max_age_in_seconds = 3600
      }
    }
  }
}

resource "azurerm_storage_container" "this" {
  for_each = local.containers

  name                  = each.key
  storage_account_id    = azurerm_storage_account.this[each.value.account].id
  container_access_type = each.value.access
}
