# Every cache, by its name: Redis or Valkey, encrypted where it lies and on its way.

locals {
  wanted_caches = var.create_elasticache_redis ? concat(
    [{
      name                = var.redis_name
      engine              = var.redis_engine
      node_type           = var.redis_instance_type
      num_cache_nodes     = var.redis_cluster_size
      multi_az            = var.redis_multi_az_enabled
      allowed_cidr_blocks = var.redis_allowed_cidr_blocks
    }],
    var.additional_caches,
  ) : []

  cache_engines = {
    redis  = { version = var.redis_engine_version, family = var.redis_family }
    valkey = { version = var.valkey_engine_version, family = var.valkey_family }
  }
  cache_ids       = { for wanted in local.wanted_caches : wanted.name => lower("${local.prefix}-${wanted.name}") }
  clean_cache_ids = { for name, id in local.cache_ids : name => trim(substr("c-${replace(id, "/[^a-z0-9]+/", "-")}", 0, 40), "-") }

  caches = {
    for wanted in local.wanted_caches : wanted.name => {
      engine    = coalesce(wanted.engine, "redis")
      node_type = coalesce(wanted.node_type, "cache.t3.micro")
      # Only the first cache can be split.
      is_split = wanted.name == var.redis_name && var.redis_cluster_mode_enabled
      nodes    = max(coalesce(wanted.num_cache_nodes, 1), coalesce(wanted.multi_az, false) ? 2 : 1)
      multi_az = coalesce(wanted.multi_az, false)
      cidrs    = coalesce(wanted.allowed_cidr_blocks, [])
      id = (local.clean_cache_ids[wanted.name] == "c-${local.cache_ids[wanted.name]}"
        ? local.clean_cache_ids[wanted.name]
      : "${trim(substr(local.clean_cache_ids[wanted.name], 0, 31), "-")}-${substr(sha256(local.cache_ids[wanted.name]), 0, 8)}")
    }
  }

  cache_cidrs  = merge([for name, cache in local.caches : { for cidr in cache.cidrs : "${name}/${cidr}" => { cache = name, cidr = cidr } }]...)
  cache_groups = merge([for name, cache in local.caches : { for group in var.redis_allowed_security_group_ids : "${name}/${group}" => { cache = name, group = group } }]...)
  cache_logs   = { for name, cache in local.caches : name => cache if var.redis_cloudwatch_logs_enabled }
}

resource "aws_elasticache_subnet_group" "this" {
  count       = var.create_elasticache_redis ? 1 : 0
  name        = "cache-${local.prefix}"
  description = "Where the caches of ${local.prefix} stand"
  subnet_ids  = local.network.database

  lifecycle {
    precondition {
      condition     = local.network_fits
      error_message = local.network_fault
    }
  }
}

resource "aws_security_group" "cache" {
  for_each    = local.caches
  name        = each.value.id
  description = "Who may reach the cache ${each.key}"
  vpc_id      = local.network.id
  tags        = { Name = each.value.id }
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  for_each                     = local.caches
  security_group_id            = aws_security_group.cache[each.key].id
  description                  = var.provision_eks ? "The cluster" : "The network, as there is no cluster"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = local.cluster_security_group
  cidr_ipv4                    = var.provision_eks ? null : local.network.cidr
}

resource "aws_vpc_security_group_ingress_rule" "cache_cidr" {
  for_each          = local.cache_cidrs
  security_group_id = aws_security_group.cache[each.value.cache].id
  description       = "Allowed by the configuration"
  ip_protocol       = "tcp"
  from_port         = 6379
  to_port           = 6379
  cidr_ipv4         = each.value.cidr
}

resource "aws_vpc_security_group_ingress_rule" "cache_group" {
  for_each                     = local.cache_groups
  security_group_id            = aws_security_group.cache[each.value.cache].id
  description                  = "Allowed by the configuration"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = each.value.group
}

resource "aws_cloudwatch_log_group" "cache" {
  for_each          = local.cache_logs
  name              = "/aws/elasticache/${each.value.id}"
  retention_in_days = 30
}

resource "aws_elasticache_replication_group" "this" {
  for_each                   = local.caches
  replication_group_id       = each.value.id
  description                = "The cache ${each.key} of ${local.prefix}"
  engine                     = each.value.engine
  engine_version             = local.cache_engines[each.value.engine].version
  parameter_group_name       = "default.${local.cache_engines[each.value.engine].family}${each.value.is_split ? ".cluster.on" : ""}"
  node_type                  = each.value.node_type
  port                       = 6379
  num_cache_clusters         = each.value.is_split ? null : each.value.nodes
  num_node_groups            = each.value.is_split ? each.value.nodes : null
  replicas_per_node_group    = each.value.is_split ? 1 : null
  automatic_failover_enabled = each.value.is_split || each.value.nodes > 1
  multi_az_enabled           = each.value.multi_az
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  subnet_group_name          = aws_elasticache_subnet_group.this[0].name
  security_group_ids         = [aws_security_group.cache[each.key].id]
  snapshot_retention_limit   = local.protect_data ? 7 : 0
  apply_immediately          = true

  # A version changes when somebody says so, and not between a plan and its apply.
  auto_minor_version_upgrade = false

  dynamic "log_delivery_configuration" {
    for_each = var.redis_cloudwatch_logs_enabled ? ["slow-log"] : []

    content {
      destination      = aws_cloudwatch_log_group.cache[each.key].name
      destination_type = "cloudwatch-logs"
      log_format       = "json"
      log_type         = log_delivery_configuration.value
    }
  }
}
