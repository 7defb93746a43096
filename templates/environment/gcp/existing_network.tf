# The network that is there already, and what the other files need to know of either: `network` and `subnetwork`.

locals {
  use_existing_network = !local.provision_network && var.network_id != ""
  has_network          = local.provision_network || local.use_existing_network
}

data "google_compute_network" "existing" {
  count = local.use_existing_network ? 1 : 0

  name = basename(var.network_id)
}

locals {
  existing_subnetworks = flatten([
    for network in data.google_compute_network.existing : [
      for link in sort(network.subnetworks_self_links) : link
      if strcontains(link, "/regions/${var.region}/") && (var.network_subnetwork == "" || endswith(link, "/${var.network_subnetwork}"))
    ]
  ])

  network = one(concat(google_compute_network.this[*].self_link, data.google_compute_network.existing[*].self_link))
  # The id is what databases and caches want to be called by: projects/.../global/networks/....
  network_path = one(concat(google_compute_network.this[*].id, data.google_compute_network.existing[*].id))
  subnetwork   = try(concat(google_compute_subnetwork.private[*].self_link, local.existing_subnetworks)[0], null)
}
