# Registries of container images. Premium, since no other can be closed to the internet. The nodes may read them; nobody has
# a password.

locals {
  default_registry = { name = "main", vulnerability_scanning = null, immutable_tags = null }
  registries = {
    for registry in(length(var.container_registries) > 0 ? var.container_registries : [local.default_registry]) : registry.name => registry
    if var.provision_acr
  }
}

resource "azurerm_container_registry" "this" {
  for_each = local.registries

  name                          = "${substr(replace(lower(each.key), "/[^a-z0-9]/", ""), 0, 20)}${local.compact}${substr(sha256("${local.digest}/${each.key}"), 0, 8)}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  sku                           = "Premium"
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = var.acr_public_network_access_enabled
  tags                          = local.tags
}

resource "azurerm_role_assignment" "nodes_pull" {
  for_each = var.provision_aks ? local.registries : {}

  scope                = azurerm_container_registry.this[each.key].id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.nodes[0].principal_id
  principal_type       = "ServicePrincipal"
}

check "registry_wishes" {
  assert {
    condition     = alltrue([for registry in local.registries : !coalesce(registry.vulnerability_scanning, false) && !coalesce(registry.immutable_tags, false)])
    error_message = "Azure looks images through for a whole subscription (Defender for Containers), and fixes a tag for one image only: neither can be made for a registry."
  }
}
