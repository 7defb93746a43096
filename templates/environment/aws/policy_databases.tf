# What a service account with a database's role may do: sign in, as any user whom the database lets in that way.

data "aws_iam_policy_document" "databases" {
  count = var.provision_eks && length(var.rds_service_accounts) > 0 && length(local.iam_databases) > 0 ? 1 : 0

  statement {
    actions = ["rds-db:connect"]
    resources = [
      for name in local.iam_databases :
      "arn:${local.partition}:rds-db:${var.region}:${local.account_id}:dbuser:${local.database_resource_ids[name]}/*"
    ]
  }
}
