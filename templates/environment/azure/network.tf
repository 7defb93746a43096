# The network that is made: a subnet for the nodes, one for the private addresses of services, and a NAT gateway. Nothing
# comes in from outside: no machine has a public address, and the security group lets in what the network itself sends and
# what Azure's load balancer does.
#
# Of 10.0.0.0/16: nodes 10.0.0.0/18, services 10.0.64.0/20.

locals {
  nodes_cidr    = cidrsubnet(var.vnet_cidr, 2, 0)
  services_cidr = cidrsubnet(var.vnet_cidr, 4, 4)

  nat_addresses = var.provision_vnet ? (var.single_nat_gateway ? 1 : 2) : 0
}

resource "azurerm_virtual_network" "this" {
  count = var.provision_vnet ? 1 : 0

  name                = "vnet-${local.prefix}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  address_space       = [var.vnet_cidr]
  tags                = local.tags
}

resource "azurerm_subnet" "nodes" {
  count = var.provision_vnet ? 1 : 0

  name                            = "nodes"
  resource_group_name             = azurerm_resource_group.this.name
  virtual_network_name            = azurerm_virtual_network.this[0].name
  address_prefixes                = [local.nodes_cidr]
  default_outbound_access_enabled = false
}

resource "azurerm_subnet" "services" {
  count = var.provision_vnet ? 1 : 0

  name                              = "services"
  resource_group_name               = azurerm_resource_group.this.name
  virtual_network_name              = azurerm_virtual_network.this[0].name
  address_prefixes                  = [local.services_cidr]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "Enabled"
}

# Azure's own rules are what is wanted of the services' subnet: the network in, the internet not.
resource "azurerm_network_security_group" "services" {
  count = var.provision_vnet ? 1 : 0

  name                = "nsg-services-${local.prefix}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_subnet_network_security_group_association" "services" {
  count = var.provision_vnet ? 1 : 0

  subnet_id                 = azurerm_subnet.services[0].id
  network_security_group_id = azurerm_network_security_group.services[0].id
}

resource "azurerm_public_ip" "nat" {
  count = local.nat_addresses

  name                = "pip-nat-${local.prefix}-${count.index}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway" "this" {
  count = var.provision_vnet ? 1 : 0

  name                = "nat-${local.prefix}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  sku_name            = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway_public_ip_association" "this" {
  count = local.nat_addresses

  nat_gateway_id       = azurerm_nat_gateway.this[0].id
  public_ip_address_id = azurerm_public_ip.nat[count.index].id
}

resource "azurerm_subnet_nat_gateway_association" "nodes" {
  count = var.provision_vnet ? 1 : 0

  subnet_id      = azurerm_subnet.nodes[0].id
  nat_gateway_id = azurerm_nat_gateway.this[0].id
}
