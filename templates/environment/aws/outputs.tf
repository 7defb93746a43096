# What the rest of the product, and whoever asks, is told. Of a block that is off: nothing (null), or an empty map.

output "region_short" {
  description = "The region, as it stands in names."
  value       = local.region_short
}

output "vpc_id" {
  description = "The network, made or existing."
  value       = local.has_network ? local.network.id : null
}
