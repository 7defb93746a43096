# A certificate that Azure makes and renews: there is one for a domain of Front Door only. A record in the zone proves that
# the domain is ours. What stands behind it is for whoever deploys the applications to say.

locals {
  certificates = var.azure_managed_certificate && local.has_dns && local.dns_domain != "" ? 1 : 0
  # The zone may be of a domain above: then the record says the rest.
  certificate_label = local.certificates == 0 ? "" : trimsuffix(trimsuffix(local.dns_domain, local.dns_zone_name), ".")
}

resource "azurerm_cdn_frontdoor_profile" "this" {
  count = local.certificates

  name                = "fd-${local.prefix}"
  resource_group_name = azurerm_resource_group.this.name
  sku_name            = "Standard_AzureFrontDoor"
  tags                = local.tags
}

resource "azurerm_cdn_frontdoor_custom_domain" "this" {
  count = local.certificates

  name                     = "domain-${local.digest}"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this[0].id
  host_name                = local.dns_domain

  tls {
    certificate_type = "ManagedCertificate"
  }
}

resource "azurerm_dns_txt_record" "certificate" {
  count = local.certificates

  name                = local.certificate_label == "" ? "_dnsauth" : "_dnsauth.${local.certificate_label}"
  zone_name           = local.dns_zone_name
  resource_group_name = local.dns_zone_resource_group
  ttl                 = 300
  tags                = local.tags

  record {
    value = azurerm_cdn_frontdoor_custom_domain.this[0].validation_token
  }
}
