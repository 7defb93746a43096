# Every database, each on a server of Cloud SQL of its own, by name: removing one does not move another. Without
# `cloud_sql_authorized_networks` they have no public address. The password lies in Secret Manager.

locals {
  first_database = {
    name                  = var.cloud_sql_name
    engine                = var.cloud_sql_engine
    engine_version        = var.cloud_sql_engine_version
    min_capacity          = var.cloud_sql_min_capacity
    max_capacity          = var.cloud_sql_max_capacity
    port                  = var.cloud_sql_port
    backup_retention_days = var.cloud_sql_backup_retention_days
    iam_auth              = var.cloud_sql_iam_auth
  }

  wanted_databases = [for database in concat([local.first_database], var.additional_databases) : database if var.create_cloud_sql]

  databases = {
    for database in local.wanted_databases : database.name => {
      is_mysql  = strcontains(lower(coalesce(database.engine, "postgres")), "mysql")
      version   = database.engine_version
      units     = max(coalesce(database.min_capacity, 0.5), coalesce(database.max_capacity, 4))
      port      = database.port
      retention = coalesce(database.backup_retention_days, 7)
      iam_auth  = coalesce(database.iam_auth, false)
    }
  }

  # A unit of Aurora is 2 GiB; Cloud SQL has between 3.75 and 6.5 GiB for a core, and one core or an even number of them.
  database_cores = { for name, database in local.databases : name => database.units <= 2 ? 1 : 2 * ceil(database.units / 6) }

  database_servers = {
    for name, database in local.databases : name => {
      # POSTGRES_16 of "16" and "16.6"; MYSQL_8_0 of "8.0", "8.0.35" and "8.0.mysql_aurora.3.08".
      version = database.is_mysql ? "MYSQL_${replace(try(regex("^[0-9]+\\.[0-9]+", database.version), "8.0"), ".", "_")}" : "POSTGRES_${try(regex("^[0-9]+", database.version), "16")}"
      tier    = "db-custom-${local.database_cores[name]}-${max(ceil(database.units * 2048 / 256) * 256, local.database_cores[name] * 3840)}"
      port    = database.is_mysql ? 3306 : 5432
      flag    = database.is_mysql ? "cloudsql_iam_authentication" : "cloudsql.iam_authentication"
      # What both engines take as the name of a database.
      database = replace(lower(name), "/[^a-z0-9]+/", "_")
    }
  }
}

# The name of a server that went is not free again for a week.
resource "random_id" "database" {
  for_each = local.databases

  byte_length = 3
}

resource "google_sql_database_instance" "this" {
  for_each = local.databases

  name                = "${local.prefix}-${trim(substr(replace(lower(each.key), "/[^a-z0-9]+/", "-"), 0, 30), "-")}-${random_id.database[each.key].hex}"
  region              = var.region
  database_version    = local.database_servers[each.key].version
  deletion_protection = false

  settings {
    edition                     = "ENTERPRISE"
    tier                        = local.database_servers[each.key].tier
    availability_type           = local.protect_data ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_autoresize             = true
    deletion_protection_enabled = false
    retain_backups_on_delete    = local.protect_data
    user_labels                 = local.labels

    ip_configuration {
      ipv4_enabled                                  = length(var.cloud_sql_authorized_networks) > 0
      private_network                               = local.network_path
      enable_private_path_for_google_cloud_services = true
      ssl_mode                                      = "ENCRYPTED_ONLY"

      dynamic "authorized_networks" {
        for_each = var.cloud_sql_authorized_networks

        content {
          value = authorized_networks.value
        }
      }
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "02:00"
      point_in_time_recovery_enabled = each.value.is_mysql ? null : true
      binary_log_enabled             = each.value.is_mysql ? true : null
      transaction_log_retention_days = min(each.value.retention, 7)

      backup_retention_settings {
        retained_backups = each.value.retention
        retention_unit   = "COUNT"
      }
    }

    dynamic "database_flags" {
      for_each = each.value.iam_auth ? [local.database_servers[each.key].flag] : []

      content {
        name  = database_flags.value
        value = "on"
      }
    }

    maintenance_window {
      day  = 7
      hour = 3
    }
  }

  lifecycle {
    # It grows by itself.
    ignore_changes = [settings[0].disk_size]

    precondition {
      condition     = local.has_network
      error_message = "a database needs a network: set provision_network or network_id."
    }
  }

  depends_on = [google_service_networking_connection.this]
}

resource "google_sql_database" "this" {
  for_each = local.databases

  name     = local.database_servers[each.key].database
  instance = google_sql_database_instance.this[each.key].name
  # Whoever owns tables in it would hold it back; it goes with its server.
  deletion_policy = "ABANDON"
}

resource "random_password" "database" {
  for_each = local.databases

  length  = 32
  special = false
}

resource "google_sql_user" "this" {
  for_each = local.databases

  name            = "app"
  instance        = google_sql_database_instance.this[each.key].name
  password        = random_password.database[each.key].result
  deletion_policy = "ABANDON"
}

resource "google_secret_manager_secret" "database" {
  for_each = local.databases

  secret_id = "${local.prefix}-database-${replace(each.key, "/[^A-Za-z0-9_-]/", "-")}"

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "database" {
  for_each = local.databases

  secret      = google_secret_manager_secret.database[each.key].id
  secret_data = random_password.database[each.key].result
}

check "database_names" {
  assert {
    condition     = length(local.databases) == length(local.wanted_databases)
    error_message = "two databases have the same name: only one of them is made."
  }
}

check "database_ports" {
  assert {
    condition     = alltrue([for name, database in local.databases : coalesce(database.port, local.database_servers[name].port) == local.database_servers[name].port])
    error_message = "Cloud SQL listens on 5432 (PostgreSQL) and 3306 (MySQL), whatever port is asked for."
  }
}
