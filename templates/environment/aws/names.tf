# Names and tags, and what the account is. `clean` in other files: names that a service would refuse, or that are too
# long, are cut and get a digest, so that two different ones never meet.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  # eu-central-1 is euc1, ap-southeast-2 is apse2.
  region_words = {
    north = "n", south = "s", east = "e", west = "w", central = "c", northeast = "ne", northwest = "nw", southeast = "se", southwest = "sw"
  }
  region_short = join("", [for word in split("-", var.region) : lookup(local.region_words, word, word)])

  prefix       = "${local.region_short}-${var.environment}-${var.project_name}"
  cluster_name = "eks-${local.prefix}"
  vpc_name     = "vpc-${local.prefix}-common"

  tags = {
    project     = var.project_name
    environment = var.environment
    managed-by  = "terraform"
  }

  allowed_account_ids = var.aws_account_id == "" ? null : [var.aws_account_id]
  account_id          = data.aws_caller_identity.this.account_id
  partition           = data.aws_partition.this.partition

  is_production = var.environment == "production"
  protect_data  = coalesce(var.protect_data, local.is_production)
}
