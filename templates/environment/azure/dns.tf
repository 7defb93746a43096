# The zone: one that is there, or a new one.

locals {
  has_dns       = var.azure_dns_enabled && (var.azure_dns_zone_name != "" || var.azure_dns_domain != "")
  use_dns_zone  = local.has_dns && var.azure_dns_zone_name != ""
  make_dns_zone = local.has_dns && var.azure_dns_zone_name == ""
  dns_domain    = trimsuffix(var.azure_dns_domain, ".")

  dns_zone_id             = one(concat(azurerm_dns_zone.this[*].id, data.azurerm_dns_zone.existing[*].id))
  dns_zone_name           = one(concat(azurerm_dns_zone.this[*].name, data.azurerm_dns_zone.existing[*].name))
  dns_zone_resource_group = one(concat(azurerm_dns_zone.this[*].resource_group_name, data.azurerm_dns_zone.existing[*].resource_group_name))
  dns_name_servers        = flatten(concat([for zone in azurerm_dns_zone.this : tolist(zone.name_servers)], [for zone in data.azurerm_dns_zone.existing : tolist(zone.name_servers)]))
}

# By its name it is looked for in the whole subscription.
data "azurerm_dns_zone" "existing" {
  count = local.use_dns_zone ? 1 : 0

  name                = basename(var.azure_dns_zone_name)
  resource_group_name = try(split("/", var.azure_dns_zone_name)[4], null)
}

resource "azurerm_dns_zone" "this" {
  count = local.make_dns_zone ? 1 : 0

  name                = local.dns_domain
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}
