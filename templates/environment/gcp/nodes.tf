# The nodes of a cluster that has pools of its own, and who all nodes are.

locals {
  has_pools = var.provision_gke && local.is_standard
  # Pools after the first begin with nothing, which only the autoscaler can change.
  instance_types = var.enable_cluster_autoscaler ? distinct(var.gke_instance_types) : slice(var.gke_instance_types, 0, 1)
  first_type     = var.gke_instance_types[0]
  # No more zones than there are nodes: one pool has the same number in each to begin with.
  node_zones = flatten([for zones in data.google_compute_zones.this : slice(sort(zones.names), 0, min(3, length(zones.names), var.gke_node_desired_size))])
  node_min   = var.enable_cluster_autoscaler ? var.gke_node_min_size : var.gke_node_desired_size
  node_max   = var.enable_cluster_autoscaler ? max(var.gke_node_max_size, var.gke_node_min_size) : var.gke_node_desired_size
}

data "google_compute_zones" "this" {
  count = local.has_pools ? 1 : 0

  region = var.region
  status = "UP"
}

resource "google_service_account" "nodes" {
  count = var.provision_gke ? 1 : 0

  account_id   = "nodes-${local.digest}"
  display_name = "Nodes of ${local.cluster_name}"
}

# What GKE asks of the nodes' account, and nothing else: to write logs and figures.
resource "google_project_iam_member" "nodes" {
  count = var.provision_gke ? 1 : 0

  project = var.project_id
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes[0].member
}

# GKE counts nodes of a regional cluster by zone, but for these limits: without the autoscaler both are the wanted number.
resource "google_container_node_pool" "this" {
  for_each = toset(local.has_pools ? local.instance_types : [])

  name               = substr(each.value, 0, 40)
  cluster            = google_container_cluster.this[0].id
  node_locations     = local.node_zones
  initial_node_count = each.value == local.first_type ? floor(var.gke_node_desired_size / length(local.node_zones)) : 0

  autoscaling {
    total_min_node_count = each.value == local.first_type ? local.node_min : 0
    total_max_node_count = local.node_max
    location_policy      = "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type    = each.value
    image_type      = "COS_CONTAINERD"
    service_account = google_service_account.nodes[0].email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    resource_labels = local.labels

    metadata = {
      disable-legacy-endpoints = "true"
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }

  lifecycle {
    # It says how the pool began, and would begin it anew.
    ignore_changes = [initial_node_count]
  }
}
