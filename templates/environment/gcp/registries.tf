# Registries of container images. The nodes may read them.

locals {
  default_registry = { name = "main", vulnerability_scanning = true, immutable_tags = false }
  registries = {
    for registry in(length(var.container_registries) > 0 ? var.container_registries : [local.default_registry]) : registry.name => {
      scanning  = coalesce(registry.vulnerability_scanning, true)
      immutable = coalesce(registry.immutable_tags, false)
    } if var.provision_artifact_registry
  }
}

resource "google_artifact_registry_repository" "this" {
  for_each = local.registries

  repository_id = trim(substr("${local.prefix}-${replace(lower(each.key), "/[^a-z0-9]+/", "-")}", 0, 63), "-")
  location      = var.region
  format        = "DOCKER"

  docker_config {
    immutable_tags = each.value.immutable
  }

  vulnerability_scanning_config {
    enablement_config = each.value.scanning ? "INHERITED" : "DISABLED"
  }
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  for_each = var.provision_gke ? local.registries : {}

  repository = google_artifact_registry_repository.this[each.key].name
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes[0].member
}
