# Every cache, by name: Azure Managed Redis, since Azure Cache for Redis is not made anew any more. Reached from the network
# alone, encrypted on the way and where it lies. The key lies in the vault.

locals {
  first_cache = {
    name                = var.azure_cache_name
    engine              = var.azure_cache_engine
    node_type           = var.azure_cache_node_type
    num_cache_nodes     = var.azure_cache_sku == "Basic" ? 1 : 2
    multi_az            = var.azure_cache_multi_az
    allowed_cidr_blocks = null
  }

  wanted_caches = [for cache in concat([local.first_cache], var.additional_caches) : cache if var.create_azure_cache]
  cache_sizes   = "^(Balanced_B|MemoryOptimized_M|ComputeOptimized_X)[0-9]+$"

  caches = {
    for cache in local.wanted_caches : cache.name => {
      engine    = lower(coalesce(cache.engine, "redis"))
      node_type = cache.node_type
      # A size of another cloud is none: the smallest.
      sku     = can(regex(local.cache_sizes, cache.node_type)) ? cache.node_type : "Balanced_B0"
      is_ha   = coalesce(cache.num_cache_nodes, 1) > 1 || coalesce(cache.multi_az, false)
      address = "${trim(substr("${replace(lower(cache.name), "/[^a-z0-9]+/", "-")}-${var.project_name}", 0, 40), "-")}-${substr(sha256("${local.digest}/${cache.name}"), 0, 8)}"
    }
  }
}

resource "azurerm_managed_redis" "this" {
  for_each = local.caches

  name                      = each.value.address
  resource_group_name       = azurerm_resource_group.this.name
  location                  = var.location
  sku_name                  = each.value.sku
  high_availability_enabled = each.value.is_ha
  public_network_access     = "Disabled"
  tags                      = local.tags

  default_database {
    access_keys_authentication_enabled = true
    client_protocol                    = "Encrypted"
    # Clients that know nothing of clusters can talk to it.
    clustering_policy = "EnterpriseCluster"
    eviction_policy   = "VolatileLRU"
  }

  lifecycle {
    precondition {
      condition     = local.has_network
      error_message = "a cache needs a network: set provision_vnet or vnet_id."
    }
  }
}

check "cache_engines" {
  assert {
    condition     = alltrue([for cache in local.caches : cache.engine == "redis"])
    error_message = "Azure has no valkey: Redis is made, which speaks the same protocol."
  }
}

check "cache_sizes" {
  assert {
    condition     = alltrue([for cache in local.caches : cache.node_type == null || can(regex(local.cache_sizes, cache.node_type))])
    error_message = "the node_type of a cache is none of Azure Managed Redis (for example Balanced_B1): the smallest is made."
  }
}

check "cache_names" {
  assert {
    condition     = length(local.caches) == length(local.wanted_caches)
    error_message = "two caches have the same name: only one of them is made."
  }
}
