# How databases and caches are reached without a public address: a connection of the network to that of Google's services
# (Cloud SQL, Memorystore for Redis), and addresses of the subnet for single services (Memorystore for Valkey).

locals {
  wants_private_services     = var.create_cloud_sql || local.has_redis
  provision_private_services = local.has_network && local.wants_private_services && coalesce(var.network_private_services, local.provision_network)
}

resource "google_compute_global_address" "private_services" {
  count = local.provision_private_services ? 1 : 0

  name          = "services-${local.prefix}"
  network       = local.network_path
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = local.provision_network ? cidrhost(local.private_services_cidr, 0) : null
  prefix_length = local.provision_network ? tonumber(split("/", local.private_services_cidr)[1]) : 20
}

resource "google_service_networking_connection" "this" {
  count = local.provision_private_services ? 1 : 0

  network                 = local.network_path
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.private_services[0].name]
  # Google refuses to close it for days after the last database went; it goes with the network.
  deletion_policy = "ABANDON"
}

resource "google_network_connectivity_service_connection_policy" "valkey" {
  count = local.has_valkey ? 1 : 0

  name          = "valkey-${local.prefix}"
  location      = var.region
  network       = local.network_path
  service_class = "gcp-memorystore"

  psc_config {
    subnetworks = [local.subnetwork]
  }
}
