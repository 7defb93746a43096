# A policy of Web Application Firewall: known attacks are turned away, all else comes through. An application gateway in
# front of the cluster names it.

resource "azurerm_web_application_firewall_policy" "this" {
  count = var.azure_waf_enabled ? 1 : 0

  name                = "waf-${local.prefix}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags

  policy_settings {
    enabled                     = true
    mode                        = "Prevention"
    request_body_check          = true
    max_request_body_size_in_kb = 128
    file_upload_limit_in_mb     = 100
  }

  managed_rules {
    managed_rule_set {
      type    = "Microsoft_DefaultRuleSet"
      version = "2.1"
    }

    managed_rule_set {
      type    = "Microsoft_BotManagerRuleSet"
      version = "1.0"
    }
  }
}
