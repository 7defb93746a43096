# Databases that are not Aurora: each has a machine of its own, and with `rds_instance_count` above one a second that
# waits in another zone.

locals {
  instances = { for name, database in local.databases : name => database if !database.is_aurora }
}

resource "aws_db_parameter_group" "this" {
  for_each    = local.instances
  name        = "${each.value.id}-${replace(each.value.family, ".", "-")}"
  description = "Connections to ${each.key} are encrypted"
  family      = each.value.family

  parameter {
    name         = each.value.is_postgres ? "rds.force_ssl" : "require_secure_transport"
    value        = "1"
    apply_method = "immediate"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  for_each                            = local.instances
  identifier                          = each.value.id
  engine                              = each.value.engine
  engine_version                      = each.value.version
  instance_class                      = var.rds_instance_class
  storage_type                        = "gp3"
  allocated_storage                   = var.rds_allocated_storage
  max_allocated_storage               = var.rds_allocated_storage * 5
  multi_az                            = var.rds_instance_count > 1
  db_name                             = each.value.schema
  port                                = each.value.port
  username                            = "root"
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = aws_kms_key.database[0].key_id
  iam_database_authentication_enabled = each.value.iam_auth
  storage_encrypted                   = true
  publicly_accessible                 = false
  db_subnet_group_name                = aws_db_subnet_group.this[0].name
  parameter_group_name                = aws_db_parameter_group.this[each.key].name
  vpc_security_group_ids              = [aws_security_group.database[each.key].id]
  backup_retention_period             = each.value.retention
  copy_tags_to_snapshot               = true
  skip_final_snapshot                 = !local.protect_data
  final_snapshot_identifier           = "${each.value.id}-${substr(terraform_data.database[each.key].id, 0, 8)}"
  allow_major_version_upgrade         = true
  apply_immediately                   = true

  # A version changes when somebody says so, and not between a plan and its apply.
  auto_minor_version_upgrade = false
}
