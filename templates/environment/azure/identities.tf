# Who the applications in the cluster are at Azure: identities that one account of Kubernetes each may act as, with what
# they need and nothing else.

locals {
  external_dns     = var.provision_aks && local.has_dns ? 1 : 0
  external_secrets = var.provision_aks ? 1 : 0
  token_audience   = ["api://AzureADTokenExchange"]
}

resource "azurerm_user_assigned_identity" "external_dns" {
  count = local.external_dns

  name                = "id-external-dns-${local.prefix}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "external_dns" {
  count = local.external_dns

  name                = "external-dns"
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.external_dns[0].id
  issuer              = azurerm_kubernetes_cluster.this[0].oidc_issuer_url
  subject             = "system:serviceaccount:external-dns:external-dns"
  audience            = local.token_audience
}

# To change the one zone, and to find it among those of its resource group.
resource "azurerm_role_assignment" "external_dns" {
  count = local.external_dns

  scope                = local.dns_zone_id
  role_definition_name = "DNS Zone Contributor"
  principal_id         = azurerm_user_assigned_identity.external_dns[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "external_dns_reads" {
  count = local.external_dns

  scope                = "/subscriptions/${var.subscription_id}/resourceGroups/${local.dns_zone_resource_group}"
  role_definition_name = "Reader"
  principal_id         = azurerm_user_assigned_identity.external_dns[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_user_assigned_identity" "external_secrets" {
  count = local.external_secrets

  name                = "id-external-secrets-${local.prefix}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "external_secrets" {
  count = local.external_secrets

  name                = "external-secrets"
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.external_secrets[0].id
  issuer              = azurerm_kubernetes_cluster.this[0].oidc_issuer_url
  subject             = "system:serviceaccount:external-secrets:external-secrets"
  audience            = local.token_audience
}

# To read what is in this environment's vault.
resource "azurerm_key_vault_access_policy" "external_secrets" {
  count = local.has_vault ? local.external_secrets : 0

  key_vault_id       = azurerm_key_vault.this[0].id
  tenant_id          = local.tenant_id
  object_id          = azurerm_user_assigned_identity.external_secrets[0].principal_id
  secret_permissions = ["Get", "List"]
}
