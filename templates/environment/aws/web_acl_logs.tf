# A record of the requests that the web ACLs blocked. WAF takes only groups whose name begins with aws-waf-logs-.

locals {
  application_log = var.application_waf_enabled && var.waf_logging_enabled ? 1 : 0
  cloudfront_log  = var.cloudfront_waf_enabled && var.waf_logging_enabled ? 1 : 0
}

resource "aws_cloudwatch_log_group" "application" {
  count             = local.application_log
  name              = "aws-waf-logs-${local.prefix}"
  retention_in_days = var.waf_log_retention_days
}

resource "aws_cloudwatch_log_group" "cloudfront" {
  provider          = aws.us_east_1
  count             = local.cloudfront_log
  name              = "aws-waf-logs-${local.prefix}-cloudfront"
  retention_in_days = var.waf_log_retention_days
}

resource "aws_wafv2_web_acl_logging_configuration" "application" {
  count                   = local.application_log
  resource_arn            = aws_wafv2_web_acl.application[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.application[0].arn]

  redacted_fields {
    single_header {
      name = "authorization"
    }
  }

  redacted_fields {
    single_header {
      name = "cookie"
    }
  }

  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }
    }
  }
}

resource "aws_wafv2_web_acl_logging_configuration" "cloudfront" {
  provider                = aws.us_east_1
  count                   = local.cloudfront_log
  resource_arn            = aws_wafv2_web_acl.cloudfront[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.cloudfront[0].arn]

  redacted_fields {
    single_header {
      name = "authorization"
    }
  }

  redacted_fields {
    single_header {
      name = "cookie"
    }
  }

  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }
    }
  }
}
