# Every database, each on a flexible server of its own, by name: removing one does not move another. None has a public
# address; see private_services.tf. The password lies in the vault.

locals {
  first_database = {
    name                  = var.azure_db_name
    engine                = var.azure_db_engine
    engine_version        = var.azure_db_engine_version
    min_capacity          = var.azure_db_min_capacity
    max_capacity          = var.azure_db_max_capacity
    port                  = var.azure_db_port
    backup_retention_days = var.azure_db_backup_retention_days
    iam_auth              = var.azure_db_iam_auth
  }

  wanted_databases = [for database in concat([local.first_database], var.additional_databases) : database if var.create_azure_db]

  databases = {
    for database in local.wanted_databases : database.name => {
      is_mysql  = strcontains(lower(coalesce(database.engine, "postgres")), "mysql")
      version   = database.engine_version
      units     = max(coalesce(database.min_capacity, 0.5), coalesce(database.max_capacity, 4))
      port      = database.port
      retention = min(max(coalesce(database.backup_retention_days, 7), 7), 35)
      iam_auth  = coalesce(database.iam_auth, false)
      # What both engines take as the name of a database.
      database = replace(lower(database.name), "/[^a-z0-9]+/", "_")
      # 54 of the 63 that a server's name has, and a digest: it is the whole world's.
      server = "${trim(substr("${replace(lower(database.name), "/[^a-z0-9]+/", "-")}-${var.project_name}", 0, 54), "-")}-${substr(sha256("${local.digest}/${database.name}"), 0, 8)}"
    }
  }

  postgres = { for name, database in local.databases : name => database if !database.is_mysql }
  mysql    = { for name, database in local.databases : name => database if database.is_mysql }

  # A unit of Aurora is 2 GiB. Machines with 2, 4, 8, ... cores and 4 GiB for each; small ones share theirs.
  database_sizes = [
    { units = 1, sku = "B_Standard_B1ms" },
    { units = 2, sku = "B_Standard_B2s" },
    { units = 4, sku = "GP_Standard_D2ds_v4" },
    { units = 8, sku = "GP_Standard_D4ds_v4" },
    { units = 16, sku = "GP_Standard_D8ds_v4" },
    { units = 32, sku = "GP_Standard_D16ds_v4" },
    { units = 64, sku = "GP_Standard_D32ds_v4" },
  ]
  database_sku = { for name, database in local.databases : name => concat([for size in local.database_sizes : size.sku if size.units >= database.units], ["GP_Standard_D64ds_v4"])[0] }

  database_hosts = merge(
    { for name, server in azurerm_postgresql_flexible_server.this : name => server.fqdn },
    { for name, server in azurerm_mysql_flexible_server.this : name => server.fqdn },
  )
}

resource "random_password" "database" {
  for_each = local.databases

  length      = 32
  special     = false
  min_lower   = 1
  min_upper   = 1
  min_numeric = 1
}

resource "azurerm_postgresql_flexible_server" "this" {
  for_each = local.postgres

  name                          = each.value.server
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  version                       = try(regex("^[0-9]+", each.value.version), "16")
  sku_name                      = local.database_sku[each.key]
  storage_mb                    = 32768
  auto_grow_enabled             = true
  backup_retention_days         = each.value.retention
  public_network_access_enabled = false
  administrator_login           = "app"
  administrator_password        = random_password.database[each.key].result
  tags                          = local.tags

  authentication {
    password_auth_enabled         = true
    active_directory_auth_enabled = each.value.iam_auth
    tenant_id                     = each.value.iam_auth ? local.tenant_id : null
  }

  lifecycle {
    # Azure picks the zone, and the storage grows by itself.
    ignore_changes = [zone, storage_mb]

    precondition {
      condition     = local.has_network
      error_message = "a database needs a network: set provision_vnet or vnet_id."
    }
  }
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  for_each = local.postgres

  name      = each.value.database
  server_id = azurerm_postgresql_flexible_server.this[each.key].id
  charset   = "UTF8"
  collation = "en_US.utf8"
}

resource "azurerm_mysql_flexible_server" "this" {
  for_each = local.mysql

  name                   = each.value.server
  resource_group_name    = azurerm_resource_group.this.name
  location               = var.location
  version                = "8.0.21"
  sku_name               = local.database_sku[each.key]
  backup_retention_days  = each.value.retention
  public_network_access  = "Disabled"
  administrator_login    = "app"
  administrator_password = random_password.database[each.key].result
  tags                   = local.tags

  storage {
    size_gb            = 32
    auto_grow_enabled  = true
    io_scaling_enabled = true
  }

  lifecycle {
    ignore_changes = [zone, storage[0].size_gb]

    precondition {
      condition     = local.has_network
      error_message = "a database needs a network: set provision_vnet or vnet_id."
    }
  }
}

resource "azurerm_mysql_flexible_database" "this" {
  for_each = local.mysql

  name                = each.value.database
  resource_group_name = azurerm_resource_group.this.name
  server_name         = azurerm_mysql_flexible_server.this[each.key].name
  charset             = "utf8mb4"
  collation           = "utf8mb4_0900_ai_ci"
}

check "database_names" {
  assert {
    condition     = length(local.databases) == length(local.wanted_databases)
    error_message = "two databases have the same name: only one of them is made."
  }
}

check "database_ports" {
  assert {
    condition     = alltrue([for database in local.databases : coalesce(database.port, database.is_mysql ? 3306 : 5432) == (database.is_mysql ? 3306 : 5432)])
    error_message = "flexible servers listen on 5432 (PostgreSQL) and 3306 (MySQL), whatever port is asked for."
  }
}

check "database_versions" {
  assert {
    condition     = alltrue([for database in local.mysql : database.version == null || can(regex("^8\\.0", database.version))])
    error_message = "of MySQL there is 8.0 alone, whatever version is asked for."
  }
}

check "database_sign_in" {
  assert {
    condition     = alltrue([for database in local.mysql : !database.iam_auth])
    error_message = "a MySQL server has no iam_auth until somebody names its administrator in the tenant: its clients sign in by password."
  }
}
