# What runs this. Credentials come from the environment, never from here.

terraform {
  required_version = ">= 1.7"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.53, < 5.0"
    }
    random = {
      source  = "hashicorp/random"
      version = ">= 3.6, < 4.0"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id
  # By identity, never by the account's key.
  storage_use_azuread = true

  features {
    key_vault {
      purge_soft_delete_on_destroy    = !local.protect_data
      recover_soft_deleted_key_vaults = true
    }

    resource_group {
      prevent_deletion_if_contains_resources = local.protect_data
    }

    # Whoever runs this is outside the network, and the data of an account is inside.
    storage {
      data_plane_available = false
    }
  }
}
