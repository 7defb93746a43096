# A certificate of Certificate Manager for the domain and all names right under it. A record in the zone proves that the
# domain is ours; a gateway in the cluster takes the map by its name.

locals {
  certificates      = var.cloud_dns_managed_certificate && local.has_dns && local.dns_domain != "" ? 1 : 0
  certificate_hosts = local.certificates == 1 ? toset(["", "*."]) : toset([])
}

resource "google_certificate_manager_dns_authorization" "this" {
  count = local.certificates

  name   = "auth-${local.prefix}"
  domain = local.dns_domain
}

resource "google_dns_record_set" "certificate" {
  count = local.certificates

  managed_zone = local.dns_zone_name
  name         = google_certificate_manager_dns_authorization.this[0].dns_resource_record[0].name
  type         = google_certificate_manager_dns_authorization.this[0].dns_resource_record[0].type
  ttl          = 300
  rrdatas      = [google_certificate_manager_dns_authorization.this[0].dns_resource_record[0].data]
}

resource "google_certificate_manager_certificate" "this" {
  count = local.certificates

  name = "cert-${local.prefix}"

  managed {
    domains            = [local.dns_domain, "*.${local.dns_domain}"]
    dns_authorizations = [google_certificate_manager_dns_authorization.this[0].id]
  }
}

resource "google_certificate_manager_certificate_map" "this" {
  count = local.certificates

  name = "certs-${local.prefix}"
}

resource "google_certificate_manager_certificate_map_entry" "this" {
  for_each = local.certificate_hosts

  name         = "${each.value == "" ? "apex" : "all"}-${local.prefix}"
  map          = google_certificate_manager_certificate_map.this[0].name
  certificates = [google_certificate_manager_certificate.this[0].id]
  hostname     = "${each.value}${local.dns_domain}"
}
