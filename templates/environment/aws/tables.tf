# Tables, in this region or in several.

locals {
  tables = merge([
    for is_global, given in { false = var.ddb_create ? var.ddb_table_configuration : [], true = var.ddb_global_create ? var.ddb_global_table_configuration : [] } : {
      for table in given : table.table_name_suffix => {
        keys = merge(
          { (table.hash_key) = coalesce(table.hash_key_type, "S") },
          coalesce(table.range_key, "-") == "-" ? {} : { (table.range_key) = coalesce(table.range_key_type, "S") },
        )
        hash_key    = table.hash_key
        range_key   = coalesce(table.range_key, "-") == "-" ? null : table.range_key
        provisioned = coalesce(table.billing_mode, "PAY_PER_REQUEST") == "PROVISIONED"
        recovery    = coalesce(table.enable_point_in_time_recovery, false)
        replicas    = tobool(is_global) ? [for region in var.ddb_global_replica_regions : region if region != var.region] : []
      }
    }
  ]...)
}

resource "aws_dynamodb_table" "this" {
  for_each         = local.tables
  name             = "${local.prefix}-${each.key}"
  billing_mode     = each.value.provisioned && length(each.value.replicas) == 0 ? "PROVISIONED" : "PAY_PER_REQUEST"
  read_capacity    = each.value.provisioned && length(each.value.replicas) == 0 ? 5 : null
  write_capacity   = each.value.provisioned && length(each.value.replicas) == 0 ? 5 : null
  hash_key         = each.value.hash_key
  range_key        = each.value.range_key
  stream_enabled   = length(each.value.replicas) > 0 ? true : null
  stream_view_type = length(each.value.replicas) > 0 ? "NEW_AND_OLD_IMAGES" : null

  dynamic "attribute" {
    for_each = each.value.keys

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "replica" {
    for_each = toset(each.value.replicas)

    content {
      region_name            = replica.value
      point_in_time_recovery = each.value.recovery
      propagate_tags         = true
    }
  }

  point_in_time_recovery {
    enabled = each.value.recovery
  }

  server_side_encryption {
    enabled = true
  }
}
