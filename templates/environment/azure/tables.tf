# Tables: collections of one account of Cosmos DB for NoSQL, which is serverless unless one of them reserves capacity. Its
# clients are identities of the tenant; there are no keys.

locals {
  collections = {
    for collection in(var.create_cosmos_db ? var.cosmos_db_collections : []) : collection.name => {
      partition_key = coalesce(collection.partition_key, "/id")
      provisioned   = upper(coalesce(collection.billing_mode, "PAY_PER_REQUEST")) == "PROVISIONED"
      analytical    = coalesce(collection.analytical_storage_enabled, false)
    }
  }

  has_cosmos             = length(local.collections) > 0
  is_serverless          = !anytrue([for collection in local.collections : collection.provisioned])
  has_analytical_storage = anytrue([for collection in local.collections : collection.analytical])
}

resource "azurerm_cosmosdb_account" "this" {
  count = local.has_cosmos ? 1 : 0

  name                          = "cosmos-${trim(substr(var.project_name, 0, 30), "-")}-${local.digest}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  offer_type                    = "Standard"
  kind                          = "GlobalDocumentDB"
  public_network_access_enabled = false
  local_authentication_disabled = true
  minimal_tls_version           = "Tls12"
  analytical_storage_enabled    = local.has_analytical_storage
  tags                          = local.tags

  consistency_policy {
    consistency_level = "Session"
  }

  geo_location {
    location          = var.location
    failover_priority = 0
  }

  dynamic "capabilities" {
    for_each = local.is_serverless ? ["EnableServerless"] : []

    content {
      name = capabilities.value
    }
  }

  # Any second of the last seven days can be restored.
  backup {
    type = "Continuous"
    tier = "Continuous7Days"
  }
}

resource "azurerm_cosmosdb_sql_database" "this" {
  count = local.has_cosmos ? 1 : 0

  name                = var.project_name
  resource_group_name = azurerm_resource_group.this.name
  account_name        = azurerm_cosmosdb_account.this[0].name
}

resource "azurerm_cosmosdb_sql_container" "this" {
  for_each = local.collections

  name                   = each.key
  resource_group_name    = azurerm_resource_group.this.name
  account_name           = azurerm_cosmosdb_account.this[0].name
  database_name          = azurerm_cosmosdb_sql_database.this[0].name
  partition_key_paths    = [startswith(each.value.partition_key, "/") ? each.value.partition_key : "/${each.value.partition_key}"]
  analytical_storage_ttl = each.value.analytical ? -1 : null
  # In an account that is not serverless, one that reserves nothing grows and shrinks with the need.
  throughput = each.value.provisioned ? 400 : null

  dynamic "autoscale_settings" {
    for_each = local.is_serverless || each.value.provisioned ? [] : [1000]

    content {
      max_throughput = autoscale_settings.value
    }
  }
}
