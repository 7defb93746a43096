# Every database, by its name: Aurora (serverless) in aurora.tf, a machine of its own in database_instances.tf. This file
# says what is wanted, and who may reach it. AWS makes the passwords, keeps them and changes them every week.

locals {
  wanted_databases = var.create_rds ? concat(
    [{
      name                  = var.rds_config.db_name
      engine                = var.rds_config.engine
      engine_version        = var.rds_config.engine_version
      min_capacity          = var.rds_scaling_config.min_capacity
      max_capacity          = var.rds_scaling_config.max_capacity
      port                  = var.rds_config.db_port
      backup_retention_days = var.rds_backup_retention_period
      iam_auth              = var.rds_iam_auth_enabled
    }],
    var.additional_databases,
  ) : []

  engine_versions = {
    aurora-postgresql = "16.6"
    aurora-mysql      = "8.0.mysql_aurora.3.08.0"
    postgres          = "16.6"
    mysql             = "8.0.40"
  }

  # What a form left out is filled in; what follows from the engine is worked out.
  engines = {
    for wanted in local.wanted_databases :
    wanted.name => replace(coalesce(wanted.engine, "aurora-postgresql"), "/^postgresql$/", "postgres")
  }
  versions = { for wanted in local.wanted_databases : wanted.name => coalesce(wanted.engine_version, local.engine_versions[local.engines[wanted.name]]) }
  database_ids = {
    for name, engine in local.engines : name => lower("rds-${local.prefix}-${name}")
  }
  clean_database_ids = { for name, id in local.database_ids : name => trim(substr(replace(id, "/[^a-z0-9]+/", "-"), 0, 60), "-") }

  databases = {
    for wanted in local.wanted_databases : wanted.name => {
      engine      = local.engines[wanted.name]
      is_aurora   = startswith(local.engines[wanted.name], "aurora-")
      is_postgres = strcontains(local.engines[wanted.name], "postgres")
      version     = local.versions[wanted.name]
      family = join("", [
        local.engines[wanted.name],
        strcontains(local.engines[wanted.name], "postgres") ? regex("^[0-9]+", local.versions[wanted.name]) : regex("^[0-9]+\\.[0-9]+", local.versions[wanted.name]),
      ])
      port         = coalesce(wanted.port, strcontains(local.engines[wanted.name], "postgres") ? 5432 : 3306)
      min_capacity = coalesce(wanted.min_capacity, 0.5)
      max_capacity = coalesce(wanted.max_capacity, 4)
      retention    = coalesce(wanted.backup_retention_days, 7)
      iam_auth     = coalesce(wanted.iam_auth, false)
      # The name inside of the server allows less than the one outside, and the other way round.
      schema = substr(replace(wanted.name, "/[^A-Za-z0-9_]/", "_"), 0, 60)
      id = (local.clean_database_ids[wanted.name] == local.database_ids[wanted.name]
        ? local.database_ids[wanted.name]
      : "${trim(substr(local.clean_database_ids[wanted.name], 0, 51), "-")}-${substr(sha256("${local.prefix}/${wanted.name}"), 0, 8)}")
    }
  }

  iam_databases = [for name, database in local.databases : name if database.iam_auth]

  database_resource_ids = merge(
    { for name, cluster in aws_rds_cluster.this : name => cluster.cluster_resource_id },
    { for name, instance in aws_db_instance.this : name => instance.resource_id },
  )

  database_outputs = merge(
    { for name, cluster in aws_rds_cluster.this : name => {
      endpoint   = cluster.endpoint
      port       = cluster.port
      secret_arn = cluster.master_user_secret[0].secret_arn
    } },
    { for name, instance in aws_db_instance.this : name => {
      endpoint   = instance.address
      port       = instance.port
      secret_arn = instance.master_user_secret[0].secret_arn
    } },
  )
}

# The key of the passwords. The data has AWS's own: a last snapshot has to outlive the environment, and so its key.
resource "aws_kms_key" "database" {
  count                   = var.create_rds ? 1 : 0
  description             = "Passwords of the databases of ${local.prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = local.protect_data ? 30 : 7
}

resource "aws_kms_alias" "database" {
  count         = var.create_rds ? 1 : 0
  name          = "alias/rds-${local.prefix}"
  target_key_id = aws_kms_key.database[0].key_id
}

resource "aws_db_subnet_group" "this" {
  count       = var.create_rds ? 1 : 0
  name        = "rds-${local.prefix}"
  description = "Where the databases of ${local.prefix} stand"
  subnet_ids  = local.network.database

  lifecycle {
    precondition {
      condition     = local.network_fits
      error_message = local.network_fault
    }
  }
}

resource "aws_security_group" "database" {
  for_each    = local.databases
  name        = each.value.id
  description = "Who may reach the database ${each.key}"
  vpc_id      = local.network.id
  tags        = { Name = each.value.id }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each                     = local.databases
  security_group_id            = aws_security_group.database[each.key].id
  description                  = var.provision_eks ? "The cluster" : "The network, as there is no cluster"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = local.cluster_security_group
  cidr_ipv4                    = var.provision_eks ? null : local.network.cidr
}

# Makes the name of a last snapshot one that no earlier database of the same name has left behind.
resource "terraform_data" "database" {
  for_each = local.databases
}
