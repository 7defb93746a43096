# The zone, which is there already, and a certificate for the domain and all names directly below it.

locals {
  wants_certificate = var.acm_certificate_enable && var.dns_main_domain != ""
  has_zone          = var.dns_hosted_zone != "" || local.wants_certificate
}

data "aws_route53_zone" "this" {
  count        = local.has_zone ? 1 : 0
  zone_id      = var.dns_hosted_zone != "" ? trimprefix(var.dns_hosted_zone, "/hostedzone/") : null
  name         = var.dns_hosted_zone != "" ? null : var.dns_main_domain
  private_zone = var.dns_hosted_zone != "" ? null : false
}

resource "aws_acm_certificate" "this" {
  count                     = local.wants_certificate ? 1 : 0
  domain_name               = var.dns_main_domain
  subject_alternative_names = ["*.${var.dns_main_domain}"]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

# The domain and the names below it are proved by one and the same record.
resource "aws_route53_record" "certificate" {
  count           = local.wants_certificate ? 1 : 0
  zone_id         = data.aws_route53_zone.this[0].zone_id
  name            = local.proof.resource_record_name
  type            = local.proof.resource_record_type
  records         = [local.proof.resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

locals {
  proof = one([for option in try(aws_acm_certificate.this[0].domain_validation_options, []) : option if option.domain_name == var.dns_main_domain])
}

resource "aws_acm_certificate_validation" "this" {
  count                   = local.wants_certificate ? 1 : 0
  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [aws_route53_record.certificate[0].fqdn]
}
