# Names and tags, the resource group, and who runs this. Names that are the whole world's have a digest, so that two
# environments never want the same.

data "azurerm_client_config" "current" {}

locals {
  # westeurope is we, germanywestcentral is gwc, eastus2 is eus2: as far as the words are known; else as it is.
  location_words = ["north", "south", "east", "west", "central", "europe", "us", "uk", "germany", "france", "sweden", "norway", "switzerland", "poland", "italy", "spain", "asia", "australia", "japan", "korea", "india", "canada", "brazil", "uae", "qatar", "israel", "mexico", "africa", "newzealand", "indonesia", "malaysia"]
  location_parts = regexall("${join("|", local.location_words)}|[0-9]+", var.location)
  location_known = join("", local.location_parts) == var.location
  location_short = local.location_known ? join("", [for part in local.location_parts : contains(["us", "uk", "uae"], part) ? part : substr(part, 0, 1)]) : var.location

  prefix = "${local.location_short}-${var.environment}-${var.project_name}"

  # Two environments never share it.
  digest = substr(sha256("${lower(var.subscription_id)}/${var.location}/${var.environment}/${var.project_name}"), 0, 8)
  # For names without -: what is left of the project's in 10 letters.
  compact = substr(replace(var.project_name, "-", ""), 0, 10)

  tags = {
    project     = var.project_name
    environment = var.environment
    managed-by  = "terraform"
  }

  protect_data = coalesce(var.protect_data, var.environment == "production")
  tenant_id    = data.azurerm_client_config.current.tenant_id
  runs_this    = data.azurerm_client_config.current.object_id
}

resource "azurerm_resource_group" "this" {
  name     = "rg-${var.project_name}-${var.environment}"
  location = var.location
  tags     = local.tags
}
