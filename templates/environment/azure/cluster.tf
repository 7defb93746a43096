# The cluster. Its nodes have no public address. Its API has one, since whoever installs the applications comes from
# outside: the tenant says who gets in, and `aks_authorized_networks` from where. There are no accounts but the tenant's.

locals {
  cluster_name = "aks-${local.prefix}"
  first_type   = var.aks_instance_types[0]
  # Pools after the first begin with nothing, which only the autoscaler can change.
  other_types = var.enable_cluster_autoscaler ? setsubtract(toset(var.aks_instance_types), [local.first_type]) : toset([])
  node_max    = max(var.aks_node_max_size, var.aks_node_min_size)
}

resource "azurerm_user_assigned_identity" "cluster" {
  count = var.provision_aks ? 1 : 0

  name                = "id-${local.cluster_name}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

# To attach nodes and load balancers, in the one subnet.
resource "azurerm_role_assignment" "cluster_network" {
  count = var.provision_aks && local.has_network ? 1 : 0

  scope                = local.nodes_subnet
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster[0].principal_id
  principal_type       = "ServicePrincipal"
}

# Who the nodes are: it may read the registries, and nothing else.
resource "azurerm_user_assigned_identity" "nodes" {
  count = var.provision_aks ? 1 : 0

  name                = "id-nodes-${local.cluster_name}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

# To give nodes that identity.
resource "azurerm_role_assignment" "cluster_nodes" {
  count = var.provision_aks ? 1 : 0

  scope                = azurerm_user_assigned_identity.nodes[0].id
  role_definition_name = "Managed Identity Operator"
  principal_id         = azurerm_user_assigned_identity.cluster[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_kubernetes_cluster" "this" {
  count = var.provision_aks ? 1 : 0

  name                              = local.cluster_name
  resource_group_name               = azurerm_resource_group.this.name
  location                          = var.location
  dns_prefix                        = local.cluster_name
  kubernetes_version                = var.aks_cluster_version
  sku_tier                          = var.environment == "production" ? "Standard" : "Free"
  automatic_upgrade_channel         = "patch"
  node_os_upgrade_channel           = "NodeImage"
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  local_account_disabled            = true
  role_based_access_control_enabled = true
  run_command_enabled               = false
  image_cleaner_enabled             = true
  image_cleaner_interval_hours      = 48
  tags                              = local.tags

  default_node_pool {
    name                        = "first"
    temporary_name_for_rotation = "firsttmp"
    vm_size                     = local.first_type
    vnet_subnet_id              = local.nodes_subnet
    auto_scaling_enabled        = var.enable_cluster_autoscaler
    min_count                   = var.enable_cluster_autoscaler ? var.aks_node_min_size : null
    max_count                   = var.enable_cluster_autoscaler ? local.node_max : null
    node_count                  = var.enable_cluster_autoscaler ? null : var.aks_node_desired_size
    node_public_ip_enabled      = false
    host_encryption_enabled     = var.aks_host_encryption_enabled
    tags                        = local.tags

    upgrade_settings {
      max_surge = "1"
    }
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster[0].id]
  }

  kubelet_identity {
    client_id                 = azurerm_user_assigned_identity.nodes[0].client_id
    object_id                 = azurerm_user_assigned_identity.nodes[0].principal_id
    user_assigned_identity_id = azurerm_user_assigned_identity.nodes[0].id
  }

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled = true
    tenant_id          = local.tenant_id
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    load_balancer_sku   = "standard"
    outbound_type       = var.provision_vnet ? "userAssignedNATGateway" : "loadBalancer"
    # Apart from any network of ours: pods and services have no addresses outside the cluster.
    pod_cidr       = "100.64.0.0/14"
    service_cidr   = "100.68.0.0/16"
    dns_service_ip = "100.68.0.10"
  }

  dynamic "api_server_access_profile" {
    for_each = length(var.aks_authorized_networks) > 0 ? [var.aks_authorized_networks] : []

    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }

  lifecycle {
    precondition {
      condition     = local.has_network
      error_message = "a cluster needs a network: set provision_vnet or vnet_id."
    }
  }

  depends_on = [azurerm_role_assignment.cluster_network, azurerm_role_assignment.cluster_nodes, azurerm_subnet_nat_gateway_association.nodes, azurerm_nat_gateway_public_ip_association.this]
}

# Twelve letters and digits are what a pool's name has: a digest of its machine.
resource "azurerm_kubernetes_cluster_node_pool" "this" {
  for_each = var.provision_aks ? local.other_types : toset([])

  name                    = "p${substr(sha256(each.value), 0, 8)}"
  kubernetes_cluster_id   = azurerm_kubernetes_cluster.this[0].id
  vm_size                 = each.value
  vnet_subnet_id          = local.nodes_subnet
  auto_scaling_enabled    = true
  min_count               = 0
  max_count               = local.node_max
  node_public_ip_enabled  = false
  host_encryption_enabled = var.aks_host_encryption_enabled
  tags                    = local.tags

  lifecycle {
    ignore_changes = [node_count]
  }
}

# Whoever runs this installs the applications too.
resource "azurerm_role_assignment" "runs_this" {
  count = var.provision_aks ? 1 : 0

  scope                = azurerm_kubernetes_cluster.this[0].id
  role_definition_name = "Azure Kubernetes Service RBAC Cluster Admin"
  principal_id         = local.runs_this
}

resource "azurerm_role_assignment" "cluster_admins" {
  for_each = var.provision_aks ? toset([for admin in var.cluster_admins : lower(admin.username) if lower(admin.username) != lower(local.runs_this)]) : toset([])

  scope                = azurerm_kubernetes_cluster.this[0].id
  role_definition_name = "Azure Kubernetes Service RBAC Cluster Admin"
  principal_id         = each.value
}
