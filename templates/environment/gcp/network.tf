# The network that is made: one private subnet, with ranges for pods and services, and a NAT. Nothing comes in from outside:
# without a rule Google turns it away.
#
# Of 10.0.0.0/16: nodes 10.0.0.0/20, services 10.0.16.0/20, the connection to Google's services 10.0.32.0/20, the cluster's
# masters 10.0.48.0/28, pods 10.0.64.0/18.

locals {
  provision_network = var.provision_network

  nodes_cidr            = cidrsubnet(var.network_cidr, 4, 0)
  services_cidr         = cidrsubnet(var.network_cidr, 4, 1)
  private_services_cidr = cidrsubnet(var.network_cidr, 4, 2)
  pods_cidr             = cidrsubnet(var.network_cidr, 2, 1)
}

resource "google_compute_network" "this" {
  count = local.provision_network ? 1 : 0

  name                    = "vpc-${local.prefix}"
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
}

resource "google_compute_subnetwork" "private" {
  count = local.provision_network ? 1 : 0

  name                     = "private-${local.prefix}"
  network                  = google_compute_network.this[0].id
  region                   = var.region
  ip_cidr_range            = local.nodes_cidr
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = local.pods_cidr
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = local.services_cidr
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "EXCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "this" {
  count = local.provision_network ? 1 : 0

  name    = "router-${local.prefix}"
  network = google_compute_network.this[0].id
  region  = var.region
}

resource "google_compute_address" "nat" {
  count = local.provision_network && !var.single_cloud_nat ? 3 : 0

  name         = "nat-${local.prefix}-${count.index}"
  region       = var.region
  address_type = "EXTERNAL"
}

resource "google_compute_router_nat" "this" {
  count = local.provision_network ? 1 : 0

  name                               = "nat-${local.prefix}"
  router                             = google_compute_router.this[0].name
  region                             = var.region
  nat_ip_allocate_option             = var.single_cloud_nat ? "AUTO_ONLY" : "MANUAL_ONLY"
  nat_ips                            = var.single_cloud_nat ? null : google_compute_address.nat[*].self_link
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
