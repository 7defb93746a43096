# The template for Google Cloud, planned and applied by terraform itself against mocks: nothing of Google answers. What
# Google would compute is made up, here where its form matters.

mock_provider "random" {}

mock_provider "google" {
  mock_resource "google_certificate_manager_dns_authorization" {
    defaults = {
      dns_resource_record = [{ name = "_acme-challenge.shop.example.com.", type = "CNAME", data = "here.authorize.certificatemanager.goog." }]
    }
  }

  mock_data "google_compute_zones" {
    defaults = { names = ["europe-west1-b", "europe-west1-c", "europe-west1-d"] }
  }

  mock_data "google_compute_network" {
    defaults = {
      id        = "projects/shop-prod-1234/global/networks/there"
      self_link = "https://compute/projects/shop-prod-1234/global/networks/there"
      subnetworks_self_links = [
        "https://compute/projects/shop-prod-1234/regions/us-east1/subnetworks/a",
        "https://compute/projects/shop-prod-1234/regions/europe-west1/subnetworks/c",
        "https://compute/projects/shop-prod-1234/regions/europe-west1/subnetworks/b",
      ]
    }
  }
}

variables {
  project_name = "shop"
  project_id   = "shop-prod-1234"
  region       = "europe-west1"
  environment  = "production"
}

run "nothing" {
  assert {
    condition = alltrue([
      length(google_compute_network.this) == 0, length(google_container_cluster.this) == 0, length(google_sql_database_instance.this) == 0,
      length(google_redis_instance.this) == 0, length(google_pubsub_topic.this) == 0, length(google_storage_bucket.this) == 0,
      length(google_secret_manager_secret.this) == 0, length(google_dns_managed_zone.this) == 0, length(google_service_account.nodes) == 0,
    ])
    error_message = "who asks for nothing gets nothing"
  }

  assert {
    condition     = output.gke_cluster_name == null && output.databases == {} && output.cloud_sql_ip == null && output.region_short == "euw1"
    error_message = "outputs of what is not made are null or empty"
  }
}

run "everything" {
  variables {
    provision_network             = true
    single_cloud_nat              = false
    provision_gke                 = true
    enable_cluster_autoscaler     = true
    gke_instance_types            = ["e2-standard-4", "n2-standard-8"]
    gke_authorized_networks       = ["203.0.113.0/24"]
    cluster_admins                = [{ username = "ada@example.com", path = null, groups = null }, { username = "group:platform@example.com" }, { username = "ci@shop.iam.gserviceaccount.com" }]
    cloud_dns_enabled             = true
    cloud_dns_domain              = "shop.example.com"
    cloud_dns_managed_certificate = true
    cloud_armor_enabled           = true
    create_pubsub                 = true
    pubsub_topics                 = { orders = { message_retention_duration = "345600s", subscriptions = [{ name = "orders-sub", ack_deadline_seconds = 45, enable_message_ordering = true }] }, news = { subscriptions = [] } }
    create_memorystore            = true
    memorystore_name              = "sessions"
    memorystore_tier              = "STANDARD_HA"
    memorystore_instance_type     = "5GB"
    additional_caches             = [{ name = "A very long name of a cache, which nobody would take", engine = "valkey", node_type = null, num_cache_nodes = 2, multi_az = null, allowed_cidr_blocks = [] }, { name = "small", engine = "valkey", node_type = "STANDARD_SMALL" }]
    create_firestore              = true
    firestore_databases           = [{ name = "carts", point_in_time_recovery = true }]
    provision_artifact_registry   = true
    container_registries          = [{ name = "web", vulnerability_scanning = false, immutable_tags = true }]
    create_cloud_storage          = true
    cloud_storage_buckets         = [{ name_suffix = "assets", versioning = true, uniform_access = true, cors_origins = ["https://shop.example.com"], cors_methods = ["GET"] }, { name_suffix = "open", uniform_access = false, cors_origins = [], cors_methods = [] }]
    custom_secrets                = [{ name = "api-key", generate = true, length = 40, special_chars = true }, { name = "by-hand", generate = false }]
    create_cloud_sql              = true
    cloud_sql_name                = "orders"
    cloud_sql_engine_version      = "16.6"
    cloud_sql_port                = 5432
    cloud_sql_iam_auth            = true
    additional_databases          = [{ name = "Legacy_DB", engine = "aurora-mysql", engine_version = "8.0.mysql_aurora.3.08", min_capacity = 0.5, max_capacity = 16, port = 3306, backup_retention_days = 14, iam_auth = null }]
  }

  assert {
    condition     = sort(keys(output.databases)) == tolist(["Legacy_DB", "orders"]) && length(output.caches) == 3 && output.cloud_sql_database == "orders"
    error_message = "every database and every cache is there"
  }

  assert {
    condition     = alltrue([for server in google_sql_database_instance.this : !server.settings[0].ip_configuration[0].ipv4_enabled && server.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY" && server.settings[0].backup_configuration[0].enabled])
    error_message = "a database has no public address, is encrypted on the way, and has backups"
  }

  assert {
    condition     = google_sql_database_instance.this["Legacy_DB"].database_version == "MYSQL_8_0" && google_sql_database_instance.this["Legacy_DB"].settings[0].tier == "db-custom-6-32768" && google_sql_database_instance.this["orders"].database_version == "POSTGRES_16" && google_sql_database_instance.this["orders"].settings[0].tier == "db-custom-2-8192"
    error_message = "engine, version and size are those that were asked for"
  }

  assert {
    condition     = google_container_cluster.this[0].private_cluster_config[0].enable_private_nodes && google_container_cluster.this[0].workload_identity_config[0].workload_pool == "shop-prod-1234.svc.id.goog" && length(google_container_cluster.this[0].name) <= 40
    error_message = "nodes are private and pods have identities"
  }

  assert {
    condition     = google_container_node_pool.this["e2-standard-4"].autoscaling[0].total_min_node_count == 2 && google_container_node_pool.this["n2-standard-8"].autoscaling[0].total_min_node_count == 0 && length(google_container_node_pool.this["e2-standard-4"].node_locations) == 2
    error_message = "the first pool has the wanted nodes, the other begins with none"
  }

  assert {
    condition     = google_storage_bucket.this["assets"].public_access_prevention == "enforced" && keys(google_storage_bucket_iam_member.everybody) == ["open"] && !google_storage_bucket.this["assets"].force_destroy
    error_message = "only the bucket that was asked to be is public"
  }

  assert {
    condition     = keys(google_project_iam_member.cluster_admins) == ["group:platform@example.com", "serviceAccount:ci@shop.iam.gserviceaccount.com", "user:ada@example.com"]
    error_message = "admins are members of IAM"
  }

  assert {
    condition     = length(google_secret_manager_secret_iam_member.external_secrets) == 5 && length(google_secret_manager_secret_version.this) == 1
    error_message = "external-secrets reads the two secrets, the two databases' and the one cache's, and nothing else"
  }

  assert {
    condition     = alltrue([for name in concat(values(google_redis_instance.this)[*].name, values(google_memorystore_instance.this)[*].instance_id) : can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", name))]) && google_memorystore_instance.this["small"].node_type == "STANDARD_SMALL"
    error_message = "names of caches are such as Google takes"
  }
}

# The first database goes: the other stays where it is.
run "first_database_removed" {
  variables {
    provision_network = true
    create_cloud_sql  = true
    cloud_sql_name    = "Legacy_DB"
    cloud_sql_engine  = "MYSQL"
    cloud_sql_port    = 3306
  }

  assert {
    condition     = keys(output.databases) == ["Legacy_DB"] && output.databases["Legacy_DB"].connection_name == run.everything.databases["Legacy_DB"].connection_name
    error_message = "a database does not move because another one goes"
  }
}

run "autopilot_in_an_existing_network" {
  variables {
    network_id           = "projects/shop-prod-1234/global/networks/there"
    provision_gke        = true
    gke_enable_autopilot = true
  }

  assert {
    condition     = endswith(output.private_subnet_self_link, "/regions/europe-west1/subnetworks/b") && length(google_compute_network.this) == 0 && length(google_container_node_pool.this) == 0
    error_message = "the first subnet in the region, and no pools of our own"
  }
}

run "long_names" {
  variables {
    project_name      = "abcdefghijklmnopqrstuvwxy"
    region            = "northamerica-northeast1"
    provision_network = true
    provision_gke     = true
    create_cloud_sql  = true
    create_pubsub     = true
  }

  assert {
    condition     = length(google_container_cluster.this[0].name) <= 40 && length(google_compute_subnetwork.private[0].name) <= 63 && length(google_service_account.external_secrets[0].account_id) <= 30
    error_message = "the longest project has names that Google takes"
  }
}

run "a_size_of_another_cloud_is_said" {
  command = plan

  variables {
    provision_network         = true
    create_memorystore        = true
    memorystore_instance_type = "cache.t3.medium"
  }

  expect_failures = [check.cache_sizes]
}

run "a_cluster_without_a_network_is_refused" {
  command = plan

  variables {
    provision_gke = true
  }

  expect_failures = [google_container_cluster.this]
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    project_name                  = "Shop"
    environment                   = "test"
    network_cidr                  = "10.0.0.0/28"
    cluster_admins                = [{ username = "ada" }]
    cloud_dns_domain              = "shop.example.com; rm -rf /"
    cloud_sql_authorized_networks = ["0.0.0.0/0"]
  }

  expect_failures = [var.project_name, var.environment, var.network_cidr, var.cluster_admins, var.cloud_dns_domain, var.cloud_sql_authorized_networks]
}
