# Every cache, by name: Memorystore for Redis or for Valkey. Reached from the network alone, encrypted on the way.

locals {
  first_cache = {
    name                = var.memorystore_name
    engine              = var.memorystore_engine
    node_type           = var.memorystore_instance_type
    num_cache_nodes     = var.memorystore_tier == "STANDARD_HA" ? 2 : 1
    multi_az            = var.memorystore_multi_az
    allowed_cidr_blocks = null
  }

  wanted_caches = [for cache in concat([local.first_cache], var.additional_caches) : cache if var.create_memorystore]

  caches = {
    for cache in local.wanted_caches : cache.name => {
      engine   = lower(coalesce(cache.engine, "redis"))
      size     = upper(trimspace(cache.node_type == null ? "" : cache.node_type))
      replicas = max(coalesce(cache.num_cache_nodes, 1) - 1, coalesce(cache.multi_az, false) ? 1 : 0)
      multi_az = coalesce(cache.multi_az, false)
    }
  }

  redis_caches  = { for name, cache in local.caches : name => cache if cache.engine == "redis" }
  valkey_caches = { for name, cache in local.caches : name => cache if cache.engine == "valkey" }
  has_redis     = length(local.redis_caches) > 0
  has_valkey    = length(local.valkey_caches) > 0

  # The nodes of Valkey, and the GiB that each holds.
  valkey_nodes = [
    { type = "SHARED_CORE_NANO", gib = 1 },
    { type = "STANDARD_SMALL", gib = 6 },
    { type = "HIGHMEM_MEDIUM", gib = 13 },
    { type = "HIGHMEM_XLARGE", gib = 58 },
  ]
  valkey_gib = { for node in local.valkey_nodes : node.type => node.gib }

  # "5GB", "5" or a node of Valkey. A size of another cloud is none: the smallest.
  cache_gib   = { for name, cache in local.caches : name => try(tonumber(regex("^([0-9]+) ?(?:GI?B)?$", cache.size)[0]), local.valkey_gib[cache.size], 1) }
  valkey_node = { for name, gib in local.cache_gib : name => concat([for node in local.valkey_nodes : node.type if node.gib >= gib], ["HIGHMEM_XLARGE"])[0] }

  # 40 is the most that Redis has.
  cache_names = {
    for name in keys(local.caches) : name => "c-${trim(substr(replace(lower(name), "/[^a-z0-9]+/", "-"), 0, 28), "-")}-${substr(sha256("${local.digest}/${name}"), 0, 8)}"
  }
}

resource "google_redis_instance" "this" {
  for_each = local.redis_caches

  name                    = local.cache_names[each.key]
  display_name            = each.key
  region                  = var.region
  redis_version           = "REDIS_7_2"
  tier                    = each.value.replicas > 0 ? "STANDARD_HA" : "BASIC"
  memory_size_gb          = local.cache_gib[each.key]
  authorized_network      = local.network_path
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"

  lifecycle {
    precondition {
      condition     = local.has_network
      error_message = "a cache needs a network: set provision_network or network_id."
    }
  }

  depends_on = [google_service_networking_connection.this]
}

resource "google_memorystore_instance" "this" {
  for_each = local.valkey_caches

  instance_id                 = local.cache_names[each.key]
  location                    = var.region
  engine_version              = "VALKEY_8_0"
  mode                        = "CLUSTER_DISABLED"
  node_type                   = local.valkey_node[each.key]
  shard_count                 = 1
  replica_count               = each.value.replicas
  authorization_mode          = "IAM_AUTH"
  transit_encryption_mode     = "SERVER_AUTHENTICATION"
  deletion_protection_enabled = false

  desired_auto_created_endpoints {
    network    = local.network_path
    project_id = var.project_id
  }

  # Every region has a zone b.
  zone_distribution_config {
    mode = each.value.multi_az ? "MULTI_ZONE" : "SINGLE_ZONE"
    zone = each.value.multi_az ? null : "${var.region}-b"
  }

  lifecycle {
    precondition {
      condition     = local.has_network
      error_message = "a cache needs a network: set provision_network or network_id."
    }
  }

  depends_on = [google_network_connectivity_service_connection_policy.valkey]
}

# What a client of a cache of Redis has to say first.
resource "google_secret_manager_secret" "cache" {
  for_each = local.redis_caches

  secret_id = "${local.prefix}-cache-${replace(each.key, "/[^A-Za-z0-9_-]/", "-")}"

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "cache" {
  for_each = local.redis_caches

  secret      = google_secret_manager_secret.cache[each.key].id
  secret_data = google_redis_instance.this[each.key].auth_string
}

check "cache_sizes" {
  assert {
    condition     = alltrue([for cache in local.caches : cache.size == "" || can(regex("^[0-9]+ ?(GI?B)?$", cache.size)) || contains(keys(local.valkey_gib), cache.size)])
    error_message = "the node_type of a cache is none of Google's (for example STANDARD_SMALL, or 5GB): the smallest is made."
  }
}

check "cache_names" {
  assert {
    condition     = length(local.caches) == length(local.wanted_caches)
    error_message = "two caches have the same name: only one of them is made."
  }
}
