# The network that is there already, and what the other files need to know of either: `nodes_subnet` and `services_subnet`.

locals {
  use_existing_network = !var.provision_vnet && var.vnet_id != ""
  has_network          = var.provision_vnet || local.use_existing_network
  vnet_parts           = split("/", var.vnet_id)

  # Subnets that Azure keeps for itself.
  reserved_subnets = ["GatewaySubnet", "AzureFirewallSubnet", "AzureFirewallManagementSubnet", "AzureBastionSubnet", "RouteServerSubnet"]
}

data "azurerm_virtual_network" "existing" {
  count = local.use_existing_network ? 1 : 0

  name                = element(local.vnet_parts, 8)
  resource_group_name = element(local.vnet_parts, 4)
}

locals {
  existing_subnets = flatten([
    for network in data.azurerm_virtual_network.existing : [
      for name in sort(network.subnets) : "${network.id}/subnets/${name}"
      if var.vnet_subnet_name == "" ? !contains(local.reserved_subnets, name) : name == var.vnet_subnet_name
    ]
  ])

  vnet            = one(concat(azurerm_virtual_network.this[*].id, data.azurerm_virtual_network.existing[*].id))
  nodes_subnet    = try(concat(azurerm_subnet.nodes[*].id, local.existing_subnets)[0], null)
  services_subnet = try(concat(azurerm_subnet.services[*].id, local.existing_subnets)[0], null)
}
