# What moto 5.2 does not do, or not as AWS does it. The template itself knows nothing of moto.

# It has no name per bucket.
provider "aws" {
  s3_use_path_style = true
}

provider "aws" {
  alias             = "us_east_1"
  s3_use_path_style = true
}

# eks:CreateAddon and eks:CreateAccessEntry do not exist.
resource "aws_eks_addon" "network" {
  for_each = {}
}

resource "aws_eks_addon" "workload" {
  for_each = {}
}

resource "aws_eks_access_entry" "admin" {
  for_each = {}
}

resource "aws_eks_access_policy_association" "admin" {
  for_each = {}
}

# sqs:GetQueueAttributes does not know RedriveAllowPolicy.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letter" {
  for_each = {}
}

# eks:DescribeCluster names no security group, and forgets accessConfig.
locals {
  cluster_security_group = one(aws_default_security_group.this[*].id)
}

resource "aws_eks_cluster" "this" {
  lifecycle {
    ignore_changes = [access_config]
  }
}

# eks:DescribeNodegroup invents remoteAccess and forgets updateConfig.
resource "aws_eks_node_group" "this" {
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size, remote_access, labels, update_config]
  }
}

# ec2:DescribeLaunchTemplateVersions adds the tags of the template to those of the machines.
resource "aws_launch_template" "node" {
  lifecycle {
    ignore_changes = [tag_specifications]
  }
}

# rds:DescribeDBClusters answers with a scaling configuration of the first kind of serverless.
resource "aws_rds_cluster" "this" {
  lifecycle {
    ignore_changes = [scaling_configuration]
  }
}

# rds:DescribeDBParameters forgets how a parameter is applied.
resource "aws_db_parameter_group" "this" {
  lifecycle {
    ignore_changes = [parameter]
  }
}

# elasticache:DescribeCacheClusters does not know the members of a group: the test makes some that are like them only in
# name, and what the provider asks of a member is theirs.
resource "aws_elasticache_replication_group" "this" {
  lifecycle {
    ignore_changes = [at_rest_encryption_enabled, transit_encryption_enabled, security_group_ids, subnet_group_name]
  }
}

# sqs:GetQueueAttributes writes the policy with spaces.
resource "aws_sqs_queue" "this" {
  lifecycle {
    ignore_changes = [redrive_policy]
  }
}

# ec2:DescribeSecurityGroupRules forgets the description of a rule that names a group.
resource "aws_vpc_security_group_ingress_rule" "database" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  lifecycle {
    ignore_changes = [description]
  }
}
