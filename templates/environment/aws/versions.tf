# What runs this, and who it is at AWS: credentials and endpoints come from the environment, never from here.

terraform {
  # Values that are only written.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88, < 6.0"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = local.allowed_account_ids

  default_tags {
    tags = local.tags
  }
}

# CloudFront takes its web ACLs from there and nowhere else.
provider "aws" {
  alias               = "us_east_1"
  region              = "us-east-1"
  allowed_account_ids = local.allowed_account_ids

  default_tags {
    tags = local.tags
  }
}
