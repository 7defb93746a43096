# Who the applications in the cluster are at Google: service accounts that one account of Kubernetes each may act as, with
# what they need and nothing else. And who may do everything in the cluster.

locals {
  has_external_dns     = var.provision_gke && local.has_dns
  has_external_secrets = var.provision_gke

  # A bare e-mail address is a user's, or one of Google's own accounts.
  admins = toset([
    for admin in var.cluster_admins : strcontains(admin.username, ":") ? admin.username :
    "${endswith(admin.username, ".gserviceaccount.com") ? "serviceAccount" : "user"}:${admin.username}"
  ])
}

resource "google_service_account" "external_dns" {
  count = local.has_external_dns ? 1 : 0

  account_id   = "external-dns-${local.digest}"
  display_name = "external-dns in ${local.cluster_name}"
}

resource "google_service_account_iam_member" "external_dns" {
  count = local.has_external_dns ? 1 : 0

  service_account_id = google_service_account.external_dns[0].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${local.workload_pool}[external-dns/external-dns]"

  # The pool is there once the first cluster is.
  depends_on = [google_container_cluster.this]
}

# To change the one zone, and to find it among all.
resource "google_dns_managed_zone_iam_member" "external_dns" {
  count = local.has_external_dns ? 1 : 0

  managed_zone = local.dns_zone_name
  role         = "roles/dns.admin"
  member       = google_service_account.external_dns[0].member
}

resource "google_project_iam_member" "external_dns" {
  count = local.has_external_dns ? 1 : 0

  project = var.project_id
  role    = "roles/dns.reader"
  member  = google_service_account.external_dns[0].member
}

resource "google_service_account" "external_secrets" {
  count = local.has_external_secrets ? 1 : 0

  account_id   = "external-sec-${local.digest}"
  display_name = "external-secrets in ${local.cluster_name}"
}

resource "google_service_account_iam_member" "external_secrets" {
  count = local.has_external_secrets ? 1 : 0

  service_account_id = google_service_account.external_secrets[0].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${local.workload_pool}[external-secrets/external-secrets]"

  depends_on = [google_container_cluster.this]
}

# To read the secrets of this environment, each by its name.
resource "google_secret_manager_secret_iam_member" "external_secrets" {
  for_each = local.has_external_secrets ? local.all_secret_ids : {}

  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.external_secrets[0].member
}

resource "google_project_iam_member" "cluster_admins" {
  for_each = var.provision_gke ? local.admins : toset([])

  project = var.project_id
  role    = "roles/container.admin"
  member  = each.value
}
