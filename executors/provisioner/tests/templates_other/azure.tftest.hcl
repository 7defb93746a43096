# The template for Azure, planned and applied by terraform itself against mocks: nothing of Azure answers. What Azure would
# compute is made up, here where its form matters.

mock_provider "random" {}

mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = { tenant_id = "6a3c8c1e-0000-4000-8000-00000000000a", object_id = "6a3c8c1e-0000-4000-8000-00000000000b" }
  }

  mock_data "azurerm_virtual_network" {
    defaults = { id = "/there", subnets = ["GatewaySubnet", "b", "a"] }
  }
}

variables {
  project_name    = "shop"
  subscription_id = "6a3c8c1e-0000-4000-8000-000000000001"
  location        = "westeurope"
  environment     = "production"
}

run "nothing" {
  assert {
    condition = alltrue([
      length(azurerm_virtual_network.this) == 0, length(azurerm_kubernetes_cluster.this) == 0, length(azurerm_postgresql_flexible_server.this) == 0,
      length(azurerm_managed_redis.this) == 0, length(azurerm_servicebus_namespace.this) == 0, length(azurerm_storage_account.this) == 0,
      length(azurerm_key_vault.this) == 0, length(azurerm_dns_zone.this) == 0, length(azurerm_private_endpoint.this) == 0,
    ])
    error_message = "who asks for nothing gets an empty resource group"
  }

  assert {
    condition     = output.aks_cluster_name == null && output.databases == {} && output.azure_db_fqdn == null && output.location_short == "we" && output.resource_group_name == "rg-shop-production"
    error_message = "outputs of what is not made are null or empty"
  }
}

run "everything" {
  variables {
    provision_vnet            = true
    single_nat_gateway        = false
    provision_aks             = true
    enable_cluster_autoscaler = true
    aks_instance_types        = ["Standard_D4s_v5", "Standard_D8s_v5"]
    aks_authorized_networks   = ["203.0.113.0/24"]
    cluster_admins            = [{ username = "6A3c8c1e-0000-4000-8000-000000000002", path = null, groups = null }]
    azure_dns_enabled         = true
    azure_dns_domain          = "shop.example.com"
    azure_managed_certificate = true
    azure_waf_enabled         = true
    create_service_bus        = true
    service_bus_sku           = "Premium"
    service_bus_queues = {
      orders = { max_delivery_count = 10, lock_duration = "PT30S", requires_session = true, default_message_ttl = "PT345600S", delay_seconds = null }
      mails  = { lock_duration = "PT1M", default_message_ttl = "PT93784S" }
    }
    service_bus_topics     = { news = { subscriptions = [{ name = "mail", max_delivery_count = 10 }] } }
    create_azure_cache     = true
    azure_cache_name       = "sessions"
    azure_cache_sku        = "Standard"
    azure_cache_multi_az   = true
    additional_caches      = [{ name = "Second one", engine = "redis", node_type = "Balanced_B1", num_cache_nodes = 1, multi_az = null, allowed_cidr_blocks = [] }]
    create_cosmos_db       = true
    cosmos_db_collections  = [{ name = "carts", partition_key = "/customer", billing_mode = "PROVISIONED", analytical_storage_enabled = null }, { name = "plain" }]
    provision_acr          = true
    container_registries   = [{ name = "web", vulnerability_scanning = false, immutable_tags = null }]
    create_storage_account = true
    storage_containers     = [{ name = "assets", container_access_type = "private", versioning = true, cors_origins = [] }, { name = "open", container_access_type = "blob", cors_origins = ["https://shop.example.com"] }]
    custom_secrets         = [{ name = "api_key", generate = true, length = 40, special_chars = true }, { name = "by-hand", generate = false }]
    create_azure_db        = true
    azure_db_name          = "orders"
    azure_db_port          = 5432
    azure_db_iam_auth      = true
    additional_databases   = [{ name = "Legacy_DB", engine = "aurora-mysql", engine_version = "8.0.mysql_aurora.3.08", min_capacity = 0.5, max_capacity = 16, port = 3306, backup_retention_days = 14, iam_auth = null }]
  }

  assert {
    condition     = sort(keys(output.databases)) == tolist(["Legacy_DB", "orders"]) && length(output.caches) == 2 && output.azure_db_fqdn != null && output.azure_cache_hostname != null
    error_message = "every database and every cache is there"
  }

  assert {
    condition = alltrue(concat(
      [for server in azurerm_postgresql_flexible_server.this : !server.public_network_access_enabled],
      [for server in azurerm_mysql_flexible_server.this : server.public_network_access == "Disabled"],
      [for cache in azurerm_managed_redis.this : cache.public_network_access == "Disabled"],
      [for account in azurerm_cosmosdb_account.this : !account.public_network_access_enabled && account.local_authentication_disabled],
      [for registry in azurerm_container_registry.this : !registry.public_network_access_enabled && !registry.admin_enabled],
      [for namespace in azurerm_servicebus_namespace.this : !namespace.public_network_access_enabled && !namespace.local_auth_enabled],
      [!azurerm_storage_account.this["private"].public_network_access_enabled, !azurerm_storage_account.this["private"].shared_access_key_enabled],
    ))
    error_message = "nothing is reached from the internet, and nobody has a key to what can do without"
  }

  assert {
    condition     = keys(azurerm_private_endpoint.this) == ["cache/Second one", "cache/sessions", "cosmos/this", "mysql/Legacy_DB", "postgres/orders", "registry/web", "service_bus/this", "storage/private", "storage/public", "vault/this"]
    error_message = "each is reached from the network"
  }

  assert {
    condition     = azurerm_mysql_flexible_server.this["Legacy_DB"].sku_name == "GP_Standard_D8ds_v4" && azurerm_postgresql_flexible_server.this["orders"].sku_name == "GP_Standard_D2ds_v4" && azurerm_mysql_flexible_server.this["Legacy_DB"].backup_retention_days == 14
    error_message = "size and backups are those that were asked for"
  }

  assert {
    condition     = azurerm_kubernetes_cluster.this[0].local_account_disabled && azurerm_kubernetes_cluster.this[0].workload_identity_enabled && azurerm_kubernetes_cluster.this[0].azure_active_directory_role_based_access_control[0].azure_rbac_enabled && azurerm_kubernetes_cluster.this[0].network_profile[0].outbound_type == "userAssignedNATGateway"
    error_message = "the tenant says who gets into the cluster, and pods have identities"
  }

  assert {
    condition     = length(azurerm_kubernetes_cluster_node_pool.this) == 1 && keys(azurerm_role_assignment.cluster_admins) == ["6a3c8c1e-0000-4000-8000-000000000002"]
    error_message = "a pool for each further machine, and the admins"
  }

  assert {
    condition     = azurerm_servicebus_queue.this["orders"].default_message_ttl == "P4D" && azurerm_servicebus_queue.this["orders"].lock_duration == "PT30S" && azurerm_servicebus_queue.this["mails"].default_message_ttl == "P1DT2H3M4S" && azurerm_servicebus_queue.this["mails"].lock_duration == "PT1M"
    error_message = "times are said as Service Bus says them"
  }

  assert {
    condition     = length(azurerm_cosmosdb_account.this[0].capabilities) == 0 && azurerm_cosmosdb_sql_container.this["carts"].throughput == 400 && azurerm_cosmosdb_sql_container.this["plain"].autoscale_settings[0].max_throughput == 1000
    error_message = "one collection that reserves capacity makes the account one that is not serverless"
  }

  assert {
    condition     = azurerm_storage_container.this["open"].container_access_type == "blob" && azurerm_storage_account.this["public"].allow_nested_items_to_be_public && !azurerm_storage_account.this["private"].allow_nested_items_to_be_public
    error_message = "only the container that was asked to be is public"
  }

  assert {
    condition     = output.custom_secret_names == { "api_key" = "api-key", "by-hand" = "by-hand" } && length(azurerm_key_vault_secret.this) == 1 && azurerm_dns_txt_record.certificate[0].name == "_dnsauth"
    error_message = "secrets have names that the vault takes"
  }
}

# The first database goes: the other stays where it is.
run "first_database_removed" {
  variables {
    provision_vnet  = true
    create_azure_db = true
    azure_db_name   = "Legacy_DB"
    azure_db_engine = "mysql"
    azure_db_port   = 3306
  }

  assert {
    condition     = keys(output.databases) == ["Legacy_DB"] && output.databases["Legacy_DB"].host == run.everything.databases["Legacy_DB"].host
    error_message = "a database does not move because another one goes"
  }
}

run "serverless_in_an_existing_network" {
  variables {
    vnet_id               = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/there"
    provision_aks         = true
    create_cosmos_db      = true
    cosmos_db_collections = [{ name = "carts", billing_mode = "PAY_PER_REQUEST" }]
  }

  assert {
    condition     = output.nodes_subnet_id == "/there/subnets/a" && length(azurerm_virtual_network.this) == 0 && azurerm_kubernetes_cluster.this[0].network_profile[0].outbound_type == "loadBalancer"
    error_message = "the first subnet that is not Azure's own"
  }

  assert {
    condition     = one(azurerm_cosmosdb_account.this[0].capabilities).name == "EnableServerless" && azurerm_cosmosdb_sql_container.this["carts"].partition_key_paths == tolist(["/id"])
    error_message = "without reserved capacity it is serverless"
  }
}

run "long_names" {
  variables {
    project_name           = "abcdefghijklmnopqrstuvwxy"
    location               = "germanywestcentral"
    provision_vnet         = true
    provision_aks          = true
    create_azure_db        = true
    azure_db_name          = "A very long name of a database, which nobody would ever take for one"
    create_storage_account = true
    storage_containers     = [{ name = "assets" }]
    provision_acr          = true
  }

  assert {
    condition     = length(azurerm_kubernetes_cluster.this[0].name) <= 63 && length(azurerm_key_vault.this[0].name) <= 24 && length(azurerm_storage_account.this["private"].name) <= 24 && length(values(azurerm_postgresql_flexible_server.this)[0].name) <= 63 && length(azurerm_container_registry.this["main"].name) <= 50
    error_message = "the longest project has names that Azure takes"
  }
}

run "what_azure_has_no_counterpart_of_is_said" {
  command = plan

  variables {
    provision_vnet          = true
    create_azure_cache      = true
    azure_cache_engine      = "valkey"
    azure_cache_node_type   = "cache.t3.medium"
    create_azure_db         = true
    azure_db_engine         = "mysql"
    azure_db_engine_version = "5.7"
    azure_db_port           = 3307
    azure_db_iam_auth       = true
    provision_acr           = true
    container_registries    = [{ name = "web", immutable_tags = true }]
    create_service_bus      = true
    service_bus_queues      = { slow = { delay_seconds = 10, lock_duration = "PT600S" } }
  }

  expect_failures = [check.cache_engines, check.cache_sizes, check.database_versions, check.database_ports, check.database_sign_in, check.registry_wishes, check.queue_delays, check.queue_locks]
}

run "a_cluster_without_a_network_is_refused" {
  command = plan

  variables {
    provision_aks = true
  }

  expect_failures = [azurerm_kubernetes_cluster.this]
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    project_name     = "Shop"
    environment      = "test"
    vnet_cidr        = "10.0.0.0/28"
    vnet_id          = "there"
    cluster_admins   = [{ username = "ada" }]
    azure_dns_domain = "shop.example.com; rm -rf /"
  }

  expect_failures = [var.project_name, var.environment, var.vnet_cidr, var.vnet_id, var.cluster_admins, var.azure_dns_domain]
}
