# What external-dns may do: change records of the environment's zone.

data "aws_iam_policy_document" "external_dns" {
  count = var.provision_eks && local.has_zone ? 1 : 0

  statement {
    actions   = ["route53:ChangeResourceRecordSets"]
    resources = [data.aws_route53_zone.this[0].arn]
  }

  # It asks for all zones and picks its own.
  statement {
    actions   = ["route53:ListHostedZones", "route53:ListResourceRecordSets", "route53:ListTagsForResource", "route53:ListTagsForResources"]
    resources = ["*"]
  }
}
