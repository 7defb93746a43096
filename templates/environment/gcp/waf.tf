# A policy of Cloud Armor: known attacks are turned away, all else comes through. A backend in the cluster names it.

locals {
  # Google's own rules, at the level with few false alarms.
  armor_rules = ["sqli-v33-stable", "xss-v33-stable", "lfi-v33-stable", "rfi-v33-stable", "rce-v33-stable", "scannerdetection-v33-stable", "protocolattack-v33-stable", "sessionfixation-v33-stable"]
}

resource "google_compute_security_policy" "this" {
  count = var.cloud_armor_enabled ? 1 : 0

  name        = "armor-${local.prefix}"
  description = "What comes to ${var.project_name}, ${var.environment}"

  dynamic "rule" {
    for_each = { for index, name in local.armor_rules : name => 1000 + 10 * index }

    content {
      action      = "deny(403)"
      priority    = rule.value
      description = rule.key

      match {
        expr {
          expression = "evaluatePreconfiguredWaf('${rule.key}', {'sensitivity': 1})"
        }
      }
    }
  }

  rule {
    action      = "allow"
    priority    = 2147483647
    description = "all else"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable = true
    }
  }
}
