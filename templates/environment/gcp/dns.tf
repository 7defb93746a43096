# The zone: one that is there, or a new one.

locals {
  has_dns       = var.cloud_dns_enabled && (var.cloud_dns_zone_name != "" || var.cloud_dns_domain != "")
  use_dns_zone  = local.has_dns && var.cloud_dns_zone_name != ""
  make_dns_zone = local.has_dns && var.cloud_dns_zone_name == ""
  dns_domain    = trimsuffix(var.cloud_dns_domain, ".")

  dns_zone_name    = one(concat(google_dns_managed_zone.this[*].name, data.google_dns_managed_zone.existing[*].name))
  dns_name_servers = flatten(concat(google_dns_managed_zone.this[*].name_servers, data.google_dns_managed_zone.existing[*].name_servers))
}

data "google_dns_managed_zone" "existing" {
  count = local.use_dns_zone ? 1 : 0

  name = basename(var.cloud_dns_zone_name)
}

resource "google_dns_managed_zone" "this" {
  count = local.make_dns_zone ? 1 : 0

  name          = "zone-${local.prefix}"
  dns_name      = "${local.dns_domain}."
  description   = "Names of ${var.project_name}, ${var.environment}"
  force_destroy = true

  dnssec_config {
    state = "on"
  }
}
