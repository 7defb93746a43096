# Databases that are Aurora: serverless, between a least and a greatest capacity.

locals {
  aurora = { for name, database in local.databases : name => database if database.is_aurora }
  aurora_machines = merge([
    for name, database in local.aurora : { for index in range(var.rds_instance_count) : "${name}/${index}" => { cluster = name, index = index } }
  ]...)
}

resource "aws_rds_cluster_parameter_group" "this" {
  for_each    = local.aurora
  name        = "${each.value.id}-${replace(each.value.family, ".", "-")}"
  description = "Connections to ${each.key} are encrypted"
  family      = each.value.family

  parameter {
    name         = each.value.is_postgres ? "rds.force_ssl" : "require_secure_transport"
    value        = each.value.is_postgres ? "1" : "ON"
    apply_method = "immediate"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_rds_cluster" "this" {
  for_each                            = local.aurora
  cluster_identifier                  = each.value.id
  engine                              = each.value.engine
  engine_mode                         = "provisioned"
  engine_version                      = each.value.version
  database_name                       = each.value.schema
  port                                = each.value.port
  master_username                     = "root"
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = aws_kms_key.database[0].key_id
  iam_database_authentication_enabled = each.value.iam_auth
  storage_encrypted                   = true
  db_subnet_group_name                = aws_db_subnet_group.this[0].name
  db_cluster_parameter_group_name     = aws_rds_cluster_parameter_group.this[each.key].name
  vpc_security_group_ids              = [aws_security_group.database[each.key].id]
  backup_retention_period             = each.value.retention
  copy_tags_to_snapshot               = true
  skip_final_snapshot                 = !local.protect_data
  final_snapshot_identifier           = "${each.value.id}-${substr(terraform_data.database[each.key].id, 0, 8)}"
  allow_major_version_upgrade         = true
  apply_immediately                   = true

  serverlessv2_scaling_configuration {
    min_capacity = each.value.min_capacity
    max_capacity = each.value.max_capacity
  }
}

resource "aws_rds_cluster_instance" "this" {
  for_each             = local.aurora_machines
  identifier           = "${local.databases[each.value.cluster].id}-${each.value.index}"
  cluster_identifier   = aws_rds_cluster.this[each.value.cluster].id
  engine               = aws_rds_cluster.this[each.value.cluster].engine
  engine_version       = aws_rds_cluster.this[each.value.cluster].engine_version
  instance_class       = "db.serverless"
  db_subnet_group_name = aws_db_subnet_group.this[0].name
  publicly_accessible  = false
  apply_immediately    = true

  # A version changes when somebody says so, and not between a plan and its apply.
  auto_minor_version_upgrade = false
}
