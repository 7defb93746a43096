# How databases, caches and the like are reached without a public address: each has an address in the network, and a name
# that leads there for whoever is in it.

locals {
  # The endpoint's word for each service, and the zone that its names are in.
  private_kinds = {
    postgres    = { subresource = "postgresqlServer", zone = "privatelink.postgres.database.azure.com" }
    mysql       = { subresource = "mysqlServer", zone = "privatelink.mysql.database.azure.com" }
    cache       = { subresource = "redisEnterprise", zone = "privatelink.redis.azure.net" }
    cosmos      = { subresource = "Sql", zone = "privatelink.documents.azure.com" }
    storage     = { subresource = "blob", zone = "privatelink.blob.core.windows.net" }
    registry    = { subresource = "registry", zone = "privatelink.azurecr.io" }
    vault       = { subresource = "vault", zone = "privatelink.vaultcore.azure.net" }
    service_bus = { subresource = "namespace", zone = "privatelink.servicebus.windows.net" }
  }

  # What is to be reached, by kind/name. The keys are known before anything is made.
  private_services = merge(
    { for name, database in local.postgres : "postgres/${name}" => { kind = "postgres", id = azurerm_postgresql_flexible_server.this[name].id } },
    { for name, database in local.mysql : "mysql/${name}" => { kind = "mysql", id = azurerm_mysql_flexible_server.this[name].id } },
    { for name, cache in local.caches : "cache/${name}" => { kind = "cache", id = azurerm_managed_redis.this[name].id } },
    { for index in range(local.has_cosmos ? 1 : 0) : "cosmos/this" => { kind = "cosmos", id = azurerm_cosmosdb_account.this[index].id } },
    { for name, account in local.storage_accounts : "storage/${name}" => { kind = "storage", id = azurerm_storage_account.this[name].id } },
    { for name, registry in local.registries : "registry/${name}" => { kind = "registry", id = azurerm_container_registry.this[name].id } },
    { for index in range(local.has_vault ? 1 : 0) : "vault/this" => { kind = "vault", id = azurerm_key_vault.this[index].id } },
    { for index in range(local.has_service_bus && var.service_bus_sku == "Premium" ? 1 : 0) : "service_bus/this" => { kind = "service_bus", id = azurerm_servicebus_namespace.this[index].id } },
  )

  reached_services = { for name, service in local.private_services : name => service if local.has_network }
  reached_kinds    = toset([for name in keys(local.reached_services) : split("/", name)[0]])
}

resource "azurerm_private_dns_zone" "this" {
  for_each = local.reached_kinds

  name                = local.private_kinds[each.value].zone
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.reached_kinds

  name                  = "link-${replace(each.value, "_", "-")}-${local.digest}"
  resource_group_name   = azurerm_resource_group.this.name
  private_dns_zone_name = azurerm_private_dns_zone.this[each.value].name
  virtual_network_id    = local.vnet
  tags                  = local.tags
}

resource "azurerm_private_endpoint" "this" {
  for_each = local.reached_services

  name                = "pe-${replace(lower(each.key), "/[^a-z0-9]+/", "-")}-${substr(sha256("${local.digest}/${each.key}"), 0, 8)}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  subnet_id           = local.services_subnet
  tags                = local.tags

  private_service_connection {
    name                           = "connection"
    private_connection_resource_id = each.value.id
    subresource_names              = [local.private_kinds[each.value.kind].subresource]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.this[each.value.kind].id]
  }
}
