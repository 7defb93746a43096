# What external-secrets may do: read the secrets of this environment, by their names, and those of its databases.

data "aws_iam_policy_document" "external_secrets" {
  count = local.cluster

  statement {
    actions = [
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetResourcePolicy",
      "secretsmanager:GetSecretValue",
      "secretsmanager:ListSecretVersionIds",
    ]
    resources = concat(
      ["arn:${local.partition}:secretsmanager:${var.region}:${local.account_id}:secret:${local.secret_prefix}/*"],
      [for database in local.database_outputs : database.secret_arn],
    )
  }

  dynamic "statement" {
    for_each = aws_kms_key.database

    content {
      actions   = ["kms:Decrypt"]
      resources = [statement.value.arn]
    }
  }
}
