# One runner on ECS Fargate: a cluster, a service of at most one task, what the task may do and what it must know.

terraform {
  # Write-only arguments and ephemeral variables: no secret is in the state or in a plan.
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88, < 7.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { "alethia:runner" = var.runner_id }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  # The whole id: two runners never share a name. What is not of the plane's form is hashed, because names of IAM are
  # short and do not tell A from a.
  is_plain = can(regex("^[0-9a-f-]{36}$", var.runner_id))
  name     = "alethia-runner-${local.is_plain ? var.runner_id : substr(sha256(var.runner_id), 0, 40)}"

  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
}
