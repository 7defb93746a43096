# What the rest of the product, and whoever asks, is told. Of a block that is off: nothing (null), or an empty map.

output "region_short" {
  description = "The region, as it stands in names."
  value       = local.region_short
}

# ---- network

output "vpc_id" {
  description = "The network, made or existing."
  value       = local.has_network ? local.network.id : null
}

output "az1" {
  description = "Zone 1 of the network."
  value       = try(local.network.zones[0], null)
}

output "az2" {
  description = "Zone 2 of the network."
  value       = try(local.network.zones[1], null)
}

output "az3" {
  description = "Zone 3 of the network."
  value       = try(local.network.zones[2], null)
}

output "subnet1" {
  description = "Private subnet 1 of the network."
  value       = try(local.network.private[0], null)
}

output "subnet2" {
  description = "Private subnet 2 of the network."
  value       = try(local.network.private[1], null)
}

output "subnet3" {
  description = "Private subnet 3 of the network."
  value       = try(local.network.private[2], null)
}

# ---- cluster

output "eks_cluster_name" {
  description = "The cluster."
  value       = one(aws_eks_cluster.this[*].name)
}

output "eks_cluster_arn" {
  description = "The ARN of the cluster."
  value       = one(aws_eks_cluster.this[*].arn)
}

output "eks_cluster_endpoint" {
  description = "The URL of the cluster's API."
  value       = one(aws_eks_cluster.this[*].endpoint)
}

output "eks_cluster_certificate_authority" {
  description = "The authority of the API, as base64 of PEM."
  value       = one(aws_eks_cluster.this[*].certificate_authority[0].data)
}

output "eks_oidc_provider_arn" {
  description = "Who vouches for service accounts of the cluster."
  value       = one(aws_iam_openid_connect_provider.cluster[*].arn)
}

output "eks_irsa_alb_controller_arn" {
  description = "The role of the AWS Load Balancer Controller."
  value       = try(aws_iam_role.service_account["alb-controller"].arn, null)
}

output "eks_irsa_external_dns_arn" {
  description = "The role of external-dns, if there is a zone."
  value       = try(aws_iam_role.service_account["external-dns"].arn, null)
}

output "eks_irsa_external_secrets_arn" {
  description = "The role of external-secrets."
  value       = try(aws_iam_role.service_account["secrets"].arn, null)
}

output "eks_irsa_cluster_autoscaler_arn" {
  description = "The role of the cluster autoscaler."
  value       = try(aws_iam_role.service_account["autoscaler"].arn, null)
}

output "fluentbit_sa_role_arn" {
  description = "The role of Fluent Bit."
  value       = try(aws_iam_role.service_account["fluentbit"].arn, null)
}

output "karpenter_sa_role" {
  description = "The role of Karpenter."
  value       = try(aws_iam_role.service_account["karpenter"].arn, null)
}

output "karpenter_queue_name" {
  description = "Where Karpenter hears that machines go away."
  value       = one(aws_sqs_queue.karpenter[*].name)
}

output "node_iam_role_name" {
  description = "The role of the nodes."
  value       = one(aws_iam_role.node[*].name)
}

output "node_architecture" {
  description = "What machines the nodes are, as Kubernetes calls it."
  value       = var.provision_eks ? (local.is_graviton ? "arm64" : "amd64") : null
}

output "node_security_group" {
  description = "The security group of cluster and nodes."
  value       = local.cluster_security_group
}

# ---- databases. The ones without a name in their name are of the first database.

output "databases" {
  description = "Where each database is, and the secret with its user and password."
  value       = local.database_outputs
}

output "rds_cluster_endpoint" {
  description = "The host of the first database."
  value       = try(aws_rds_cluster.this[var.rds_config.db_name].endpoint, aws_db_instance.this[var.rds_config.db_name].address, null)
}

output "rds_cluster_reader_endpoint" {
  description = "The host for reading, if it is Aurora."
  value       = try(aws_rds_cluster.this[var.rds_config.db_name].reader_endpoint, null)
}

output "rds_cluster_identifier" {
  description = "The first database."
  value       = try(aws_rds_cluster.this[var.rds_config.db_name].cluster_identifier, aws_db_instance.this[var.rds_config.db_name].identifier, null)
}

output "rds_cluster_arn" {
  description = "The ARN of the first database."
  value       = try(aws_rds_cluster.this[var.rds_config.db_name].arn, aws_db_instance.this[var.rds_config.db_name].arn, null)
}

output "rds_master_credentials_secret_arn" {
  description = "The secret with user and password of the first database."
  value       = try(local.database_outputs[var.rds_config.db_name].secret_arn, null)
}

output "rds_master_credentials_secret_name" {
  description = "The name of that secret."
  value       = try(regex("secret:(.+)-[A-Za-z0-9]{6}$", local.database_outputs[var.rds_config.db_name].secret_arn)[0], null)
}

output "rds_extra_credentials_secret_arn" {
  description = "A second user of the database. Nobody makes one: users inside of a database are not for whoever makes the server."
  value       = null
}

output "rds_extra_credentials_secret_name" {
  description = "The name of that secret: none."
  value       = null
}

output "rds_credentials_kms_key_arn" {
  description = "The key of the passwords."
  value       = one(aws_kms_key.database[*].arn)
}

output "irsa_rds_role_arn" {
  description = "The role of `rds_service_accounts`."
  value       = try(aws_iam_role.service_account["databases"].arn, null)
}

# ---- caches

output "caches" {
  description = "Where each cache is. In cluster mode, both are the configuration endpoint."
  value = {
    for name, cache in aws_elasticache_replication_group.this : name => {
      primary_endpoint = local.caches[name].is_split ? cache.configuration_endpoint_address : cache.primary_endpoint_address
      reader_endpoint  = local.caches[name].is_split ? cache.configuration_endpoint_address : cache.reader_endpoint_address
      port             = cache.port
    }
  }
}

output "redis_primary_endpoint_address" {
  description = "The host of the first cache."
  value       = try(aws_elasticache_replication_group.this[var.redis_name].primary_endpoint_address, null)
}

output "redis_reader_endpoint_address" {
  description = "The host for reading of the first cache."
  value       = try(aws_elasticache_replication_group.this[var.redis_name].reader_endpoint_address, null)
}

# ---- queues, topics, tables, buckets, registries

output "sqs_queue_urls" {
  description = "Queues by name."
  value       = { for name, queue in aws_sqs_queue.this : name => queue.url }
}

output "sqs_dead_letter_queue_urls" {
  description = "Queues for what nobody could digest, by the name of the queue."
  value       = { for name, queue in aws_sqs_queue.dead_letter : name => queue.url }
}

output "sns_topic_arns" {
  description = "Topics by name."
  value       = { for name, topic in aws_sns_topic.this : name => topic.arn }
}

output "dynamodb_table_names" {
  description = "Tables by the ending of their names."
  value       = { for name, table in aws_dynamodb_table.this : name => table.name }
}

output "s3_buckets" {
  description = "Buckets by the ending of their names."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.bucket }
}

output "ecr_repository_urls" {
  description = "Registries by name."
  value       = { for name, registry in aws_ecr_repository.this : name => registry.repository_url }
}

output "ecr_repository_arns" {
  description = "ARNs of the registries by name."
  value       = { for name, registry in aws_ecr_repository.this : name => registry.arn }
}

# ---- names, certificate, web ACLs

output "dns_zone_id" {
  description = "The zone."
  value       = one(data.aws_route53_zone.this[*].zone_id)
}

output "acm_certificate_arn" {
  description = "The certificate, once it is valid."
  value       = one(aws_acm_certificate_validation.this[*].certificate_arn)
}

output "waf_webacl_arn" {
  description = "The web ACL for load balancers."
  value       = one(aws_wafv2_web_acl.application[*].arn)
}

output "cloudfront_waf_webacl_arn" {
  description = "The web ACL for CloudFront."
  value       = one(aws_wafv2_web_acl.cloudfront[*].arn)
}

# ---- secrets

output "custom_secret_arns" {
  description = "ARNs of the secrets by name."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "custom_secret_names" {
  description = "Their names at Secrets Manager."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.name }
}

output "custom_secret_versions" {
  description = "The version of each value that was made."
  value       = { for name, version in aws_secretsmanager_secret_version.this : name => version.version_id }
}
