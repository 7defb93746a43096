# The cluster. Its nodes have no public address. Its API has one, since whoever installs the applications comes from
# outside: IAM says who gets in, and `gke_authorized_networks` from where.

locals {
  cluster_name  = "gke-${local.prefix}"
  workload_pool = "${var.project_id}.svc.id.goog"
  is_standard   = !var.gke_enable_autopilot
}

resource "google_container_cluster" "this" {
  count = var.provision_gke ? 1 : 0

  name                = local.cluster_name
  location            = var.region
  network             = local.network
  subnetwork          = local.subnetwork
  networking_mode     = "VPC_NATIVE"
  min_master_version  = var.gke_cluster_version
  deletion_protection = false
  resource_labels     = local.labels

  enable_autopilot         = var.gke_enable_autopilot ? true : null
  remove_default_node_pool = local.is_standard ? true : null
  initial_node_count       = 1
  enable_shielded_nodes    = local.is_standard ? true : null
  datapath_provider        = local.is_standard ? "ADVANCED_DATAPATH" : null

  release_channel {
    channel = "REGULAR"
  }

  # The ranges of an existing subnet are GKE's to pick.
  ip_allocation_policy {
    cluster_secondary_range_name  = local.provision_network ? "pods" : null
    services_secondary_range_name = local.provision_network ? "services" : null
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = false

    master_global_access_config {
      enabled = false
    }
  }

  dynamic "master_authorized_networks_config" {
    for_each = length(var.gke_authorized_networks) > 0 ? [true] : []

    content {
      gcp_public_cidrs_access_enabled = false

      dynamic "cidr_blocks" {
        for_each = var.gke_authorized_networks

        content {
          cidr_block = cidr_blocks.value
        }
      }
    }
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  # An Autopilot cluster has it, and says so itself.
  dynamic "workload_identity_config" {
    for_each = local.is_standard ? [true] : []

    content {
      workload_pool = local.workload_pool
    }
  }

  dynamic "database_encryption" {
    for_each = var.gke_kms_key == "" ? [] : [var.gke_kms_key]

    content {
      state    = "ENCRYPTED"
      key_name = database_encryption.value
    }
  }

  # The nodes that Autopilot makes are nobody else.
  dynamic "cluster_autoscaling" {
    for_each = var.gke_enable_autopilot ? [true] : []

    content {
      auto_provisioning_defaults {
        service_account = google_service_account.nodes[0].email
        oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
      }
    }
  }

  # The pool that GKE makes and we remove at once: nobody else either.
  dynamic "node_config" {
    for_each = local.is_standard ? [true] : []

    content {
      service_account = google_service_account.nodes[0].email
      oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]

      shielded_instance_config {
        enable_secure_boot          = true
        enable_integrity_monitoring = true
      }
    }
  }

  lifecycle {
    # Google keeps the patch up to date, and a pool of our own replaces the first.
    ignore_changes = [node_config, initial_node_count]

    precondition {
      condition     = local.has_network
      error_message = "a cluster needs a network: set provision_network or network_id."
    }
  }

  depends_on = [google_compute_router_nat.this, google_project_iam_member.nodes]
}
