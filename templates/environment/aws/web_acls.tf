# Web ACLs: one for load balancers, and one for CloudFront, which lives in us-east-1. Whoever makes the load balancer or the
# distribution names the ACL there.

locals {
  # AWS keeps these lists. The order is the one in which a request meets them.
  web_acl_lists = [
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
  ]
}

resource "aws_wafv2_web_acl" "application" {
  count       = var.application_waf_enabled ? 1 : 0
  name        = "waf-${local.prefix}"
  description = "Load balancers of ${local.prefix}"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 0

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = var.waf_rate_limit
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = var.waf_webacl_cloudwatch_enabled
      sampled_requests_enabled   = var.waf_sampled_requests_enabled
      metric_name                = "rate"
    }
  }

  dynamic "rule" {
    for_each = local.web_acl_lists

    content {
      name     = rule.value
      priority = rule.key + 1

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          name        = rule.value
          vendor_name = "AWS"
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = var.waf_webacl_cloudwatch_enabled
        sampled_requests_enabled   = var.waf_sampled_requests_enabled
        metric_name                = rule.value
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = var.waf_webacl_cloudwatch_enabled
    sampled_requests_enabled   = var.waf_sampled_requests_enabled
    metric_name                = "waf-${local.prefix}"
  }
}

resource "aws_wafv2_web_acl" "cloudfront" {
  provider    = aws.us_east_1
  count       = var.cloudfront_waf_enabled ? 1 : 0
  name        = "waf-${local.prefix}-cloudfront"
  description = "CloudFront of ${local.prefix}"
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 0

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = var.waf_rate_limit
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = var.waf_webacl_cloudwatch_enabled
      sampled_requests_enabled   = var.waf_sampled_requests_enabled
      metric_name                = "rate"
    }
  }

  dynamic "rule" {
    for_each = local.web_acl_lists

    content {
      name     = rule.value
      priority = rule.key + 1

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          name        = rule.value
          vendor_name = "AWS"
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = var.waf_webacl_cloudwatch_enabled
        sampled_requests_enabled   = var.waf_sampled_requests_enabled
        metric_name                = rule.value
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = var.waf_webacl_cloudwatch_enabled
    sampled_requests_enabled   = var.waf_sampled_requests_enabled
    metric_name                = "waf-${local.prefix}-cloudfront"
  }
}
