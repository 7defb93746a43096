# What an environment on AWS is made of. `project_name`, `region` and `environment` alone describe an empty one: each
# block is made only if its own variables ask for it.

# ---- whose it is, and where

variable "project_name" {
  description = "The project. Part of every name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,24}$", var.project_name))
    error_message = "project_name must be 1 to 25 of a-z, 0-9 and -, and not begin with -."
  }
}

variable "environment" {
  description = "The stage. `production` keeps what holds data: see `protect_data`."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "environment must be development, staging or production."
  }
}

variable "region" {
  description = "The region, for example eu-central-1."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, for example eu-central-1."
  }
}

variable "aws_account_id" {
  description = "The account. Credentials of any other are refused. Empty: whichever the credentials belong to."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([0-9]{12})?$", var.aws_account_id))
    error_message = "aws_account_id must be 12 digits."
  }
}

variable "protect_data" {
  description = "Databases leave a last snapshot, buckets and registries are destroyed only if empty, and secrets can be restored for a week. By default in production only."
  type        = bool
  default     = null
}

# ---- network

variable "provision_vpc" {
  description = "Make a network: private, public and database subnets in three zones."
  type        = bool
  default     = false
  nullable    = false
}

variable "vpc_cidr" {
  description = "The addresses of the network that is made, between /16 and /20."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && can(regex("/(1[6-9]|20)$", var.vpc_cidr))
    error_message = "vpc_cidr must be a block of IPv4 addresses between /16 and /20, for example 10.0.0.0/16."
  }
}

variable "vpc_single_nat_gateway" {
  description = "One NAT gateway for all zones: cheaper, and a single point of failure."
  type        = bool
  default     = true
  nullable    = false
}

variable "vpc_flow_logs_enabled" {
  description = "Record the connections in the network that is made, in CloudWatch."
  type        = bool
  default     = false
  nullable    = false
}

variable "vpc_id" {
  description = "An existing network to use where none is made."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(vpc-[0-9a-z]+)?$", var.vpc_id))
    error_message = "vpc_id must look like vpc-0123456789abcdef0."
  }
}

variable "vpc_private_subnet_ids" {
  description = "The private subnets of the existing network. Empty: found as existing_network.tf says."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "vpc_public_subnet_ids" {
  description = "The public subnets of the existing network. Empty: found as existing_network.tf says."
  type        = list(string)
  default     = []
  nullable    = false
}

# ---- cluster

variable "provision_eks" {
  description = "Make a Kubernetes cluster with one group of nodes."
  type        = bool
  default     = false
  nullable    = false
}

variable "eks_cluster_version" {
  description = "The minor version of Kubernetes, for example 1.32."
  type        = string
  default     = "1.32"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.eks_cluster_version))
    error_message = "eks_cluster_version must be a minor version, for example 1.32."
  }
}

variable "eks_instance_types" {
  description = "The machines of the nodes, all x86 or all Graviton."
  type        = list(string)
  default     = ["t3.large", "t3a.large", "m5.large"]
  nullable    = false

  validation {
    condition     = length(var.eks_instance_types) > 0
    error_message = "eks_instance_types must name one type of machine or more."
  }
}

variable "eks_ng_capacity_type" {
  description = "SPOT or ON_DEMAND machines. By default ON_DEMAND in production and SPOT elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.eks_ng_capacity_type == null ? true : contains(["SPOT", "ON_DEMAND"], var.eks_ng_capacity_type)
    error_message = "eks_ng_capacity_type must be SPOT or ON_DEMAND."
  }
}

variable "eks_ng_min_size" {
  description = "How many nodes there are at least."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.eks_ng_min_size >= 0
    error_message = "eks_ng_min_size must be 0 or more."
  }
}

variable "eks_ng_max_size" {
  description = "How many nodes there are at most."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.eks_ng_max_size >= 1
    error_message = "eks_ng_max_size must be 1 or more."
  }
}

variable "eks_ng_desired_size" {
  description = "How many nodes there are at first; later whatever scales them says."
  type        = number
  default     = 2
  nullable    = false
}

variable "eks_cluster_admins" {
  description = "Who may do everything in the cluster: names of IAM users, `role/NAME` for roles, or whole ARNs. Groups that begin with `system:` are left out, as EKS refuses them."
  type = list(object({
    username = string
    path     = optional(string)
    groups   = optional(list(string))
  }))
  default  = []
  nullable = false
}

variable "eks_endpoint_public_access" {
  description = "The API can be reached from outside of the network too, as by a runner that is not in it. Inside it always can."
  type        = bool
  default     = true
  nullable    = false
}

variable "eks_public_access_cidrs" {
  description = "From where the API can be reached from outside."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false
}

variable "eks_log_retention_days" {
  description = "How long the log of the cluster's API is kept."
  type        = number
  default     = 90
  nullable    = false
}

variable "eks_addon_versions" {
  description = "Versions of vpc-cni, kube-proxy, coredns or aws-ebs-csi-driver, by name. Of the others EKS picks the one that fits the cluster."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "enable_karpenter" {
  description = "Roles and a queue for Karpenter, which adds nodes as they are needed."
  type        = bool
  default     = false
  nullable    = false
}

variable "enable_cluster_autoscaler" {
  description = "A role for the cluster autoscaler, which sizes the group of nodes."
  type        = bool
  default     = false
  nullable    = false
}

variable "enable_fluentbit" {
  description = "A role for Fluent Bit, which sends the log of pods to CloudWatch."
  type        = bool
  default     = false
  nullable    = false
}

# ---- names, certificate, web ACLs

variable "dns_hosted_zone" {
  description = "The id of the Route 53 zone. Empty: found by `dns_main_domain` if a certificate is wanted."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(/hostedzone/)?[A-Z0-9]*$", var.dns_hosted_zone))
    error_message = "dns_hosted_zone must be the id of a zone, for example Z0123456789ABCDEFGHIJ."
  }
}

variable "dns_main_domain" {
  description = "The domain of the environment, for example shop.example.com."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+)?$", var.dns_main_domain))
    error_message = "dns_main_domain must be the name of a domain, for example shop.example.com."
  }
}

variable "acm_certificate_enable" {
  description = "A certificate for the domain and all names directly below it. Needs `dns_main_domain`."
  type        = bool
  default     = false
  nullable    = false
}

variable "application_waf_enabled" {
  description = "A web ACL for load balancers."
  type        = bool
  default     = false
  nullable    = false
}

variable "cloudfront_waf_enabled" {
  description = "A web ACL for CloudFront."
  type        = bool
  default     = false
  nullable    = false
}

variable "waf_rate_limit" {
  description = "How many requests one address may send in five minutes before it is blocked."
  type        = number
  default     = 2000
  nullable    = false

  validation {
    condition     = var.waf_rate_limit >= 10
    error_message = "waf_rate_limit must be 10 or more."
  }
}

variable "waf_webacl_cloudwatch_enabled" {
  description = "Count in CloudWatch what the web ACLs do."
  type        = bool
  default     = false
  nullable    = false
}

variable "waf_sampled_requests_enabled" {
  description = "Keep samples of the requests that the web ACLs saw."
  type        = bool
  default     = false
  nullable    = false
}

variable "waf_logging_enabled" {
  description = "Record in CloudWatch what the web ACLs blocked, without cookies and authorization."
  type        = bool
  default     = false
  nullable    = false
}

variable "waf_log_retention_days" {
  description = "How long that record is kept."
  type        = number
  default     = 90
  nullable    = false
}

# ---- databases

variable "create_rds" {
  description = "Make the database that `rds_config` describes, and `additional_databases`."
  type        = bool
  default     = false
  nullable    = false
}

variable "rds_config" {
  description = "The first database. Engines: aurora-postgresql, aurora-mysql, postgres, mysql."
  type = object({
    db_name        = optional(string, "main")
    engine         = optional(string, "aurora-postgresql")
    engine_version = optional(string)
    db_port        = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["aurora-postgresql", "aurora-mysql", "postgres", "postgresql", "mysql"], var.rds_config.engine)
    error_message = "rds_config.engine must be aurora-postgresql, aurora-mysql, postgres or mysql."
  }
}

variable "rds_scaling_config" {
  description = "The capacity of the first database, in Aurora's units."
  type = object({
    min_capacity = optional(number, 0.5)
    max_capacity = optional(number, 4)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.rds_scaling_config.min_capacity >= 0 && var.rds_scaling_config.max_capacity >= max(1, var.rds_scaling_config.min_capacity) && var.rds_scaling_config.max_capacity <= 256
    error_message = "rds_scaling_config must say 0 <= min_capacity <= max_capacity <= 256, and max_capacity at least 1."
  }
}

variable "rds_backup_retention_period" {
  description = "How many days backups of the first database are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.rds_backup_retention_period >= 1 && var.rds_backup_retention_period <= 35
    error_message = "rds_backup_retention_period must be 1 to 35 days."
  }
}

variable "rds_iam_auth_enabled" {
  description = "Sign in to the first database as an IAM role."
  type        = bool
  default     = false
  nullable    = false
}

variable "rds_instance_class" {
  description = "The machine of a database that is not Aurora; Aurora is serverless."
  type        = string
  default     = "db.t4g.medium"
  nullable    = false
}

variable "rds_allocated_storage" {
  description = "GiB of a database that is not Aurora. It grows by itself to five times of that."
  type        = number
  default     = 20
  nullable    = false
}

variable "rds_instance_count" {
  description = "How many machines a database has, each in another zone: above one, it survives the loss of one."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.rds_instance_count >= 1 && var.rds_instance_count <= 15
    error_message = "rds_instance_count must be 1 to 15."
  }
}

variable "rds_service_accounts" {
  description = "Which service accounts of the cluster, as `namespace:name`, may sign in to databases as an IAM role."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for account in var.rds_service_accounts : can(regex("^[a-z0-9-]+:[a-z0-9.-]+$", account))])
    error_message = "rds_service_accounts must be written as namespace:name."
  }
}

variable "additional_databases" {
  description = "The databases after the first. Each is known by its name: another one may come or go without touching it."
  type = list(object({
    name                  = string
    engine                = optional(string)
    engine_version        = optional(string)
    min_capacity          = optional(number)
    max_capacity          = optional(number)
    port                  = optional(number)
    backup_retention_days = optional(number)
    iam_auth              = optional(bool)
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for database in var.additional_databases : contains(["aurora-postgresql", "aurora-mysql", "postgres", "postgresql", "mysql"], coalesce(database.engine, "aurora-postgresql"))])
    error_message = "additional_databases[].engine must be aurora-postgresql, aurora-mysql, postgres or mysql."
  }

  validation {
    condition     = alltrue([for database in var.additional_databases : contains(range(1, 36), coalesce(database.backup_retention_days, 7))])
    error_message = "additional_databases[].backup_retention_days must be 1 to 35."
  }
}

# ---- caches

variable "create_elasticache_redis" {
  description = "Make the cache that the `redis_` variables describe, and `additional_caches`."
  type        = bool
  default     = false
  nullable    = false
}

variable "redis_name" {
  description = "The name of the first cache."
  type        = string
  default     = "main"
  nullable    = false
}

variable "redis_engine" {
  description = "The first cache is redis or valkey."
  type        = string
  default     = "redis"
  nullable    = false

  validation {
    condition     = contains(["redis", "valkey"], var.redis_engine)
    error_message = "redis_engine must be redis or valkey."
  }
}

variable "redis_instance_type" {
  description = "The machines of the first cache."
  type        = string
  default     = "cache.t3.micro"
  nullable    = false
}

variable "redis_cluster_size" {
  description = "How many machines the first cache has; in cluster mode, how many shards."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.redis_cluster_size >= 1 && var.redis_cluster_size <= 90
    error_message = "redis_cluster_size must be 1 to 90."
  }
}

variable "redis_cluster_mode_enabled" {
  description = "Split the data of the first cache over shards, each with one replica."
  type        = bool
  default     = false
  nullable    = false
}

variable "redis_multi_az_enabled" {
  description = "Spread the first cache over zones; it then has two machines at least."
  type        = bool
  default     = false
  nullable    = false
}

variable "redis_engine_version" {
  description = "The version of every cache that is Redis."
  type        = string
  default     = "7.1"
  nullable    = false
}

variable "redis_family" {
  description = "The family of parameters that belongs to `redis_engine_version`."
  type        = string
  default     = "redis7"
  nullable    = false
}

variable "valkey_engine_version" {
  description = "The version of every cache that is Valkey."
  type        = string
  default     = "8.0"
  nullable    = false
}

variable "valkey_family" {
  description = "The family of parameters that belongs to `valkey_engine_version`."
  type        = string
  default     = "valkey8"
  nullable    = false
}

variable "redis_allowed_cidr_blocks" {
  description = "Who may reach the first cache beside the cluster."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "redis_allowed_security_group_ids" {
  description = "Whose machines may reach every cache beside the cluster."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "redis_cloudwatch_logs_enabled" {
  description = "Record slow commands of every cache in CloudWatch."
  type        = bool
  default     = false
  nullable    = false
}

variable "additional_caches" {
  description = "The caches after the first. Each is known by its name: another one may come or go without touching it."
  type = list(object({
    name                = string
    engine              = optional(string)
    node_type           = optional(string)
    num_cache_nodes     = optional(number)
    multi_az            = optional(bool)
    allowed_cidr_blocks = optional(list(string))
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for cache in var.additional_caches : contains(["redis", "valkey"], coalesce(cache.engine, "redis"))])
    error_message = "additional_caches[].engine must be redis or valkey."
  }
}

# ---- queues and topics

variable "provision_sqs" {
  description = "Make `sqs_queues` and `sns_topics`."
  type        = bool
  default     = false
  nullable    = false
}

variable "sqs_queues" {
  description = "Queues by name. `dlq_enable` adds a queue for messages that were received `max_receive_count` times in vain."
  type = map(object({
    fifo_queue                 = optional(bool)
    dlq_enable                 = optional(bool)
    max_receive_count          = optional(number)
    visibility_timeout_seconds = optional(number)
    message_retention_seconds  = optional(number)
    delay_seconds              = optional(number)
  }))
  default  = {}
  nullable = false
}

variable "sns_topics" {
  description = "Topics by name, and who hears of a message. The endpoint of an sqs subscription may be the name of one of `sqs_queues`. A name that ends in .fifo makes an ordered topic."
  type = map(object({
    subscriptions = optional(list(object({
      protocol = string
      endpoint = string
    })))
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for topic in var.sns_topics : [for subscription in coalesce(topic.subscriptions, []) : contains(["sqs", "lambda", "https", "email", "email-json", "sms", "firehose", "application"], subscription.protocol)]]))
    error_message = "sns_topics[].subscriptions[].protocol must be sqs, lambda, https, email, email-json, sms, firehose or application; http is not encrypted."
  }
}

# ---- tables

variable "ddb_create" {
  description = "Make the tables of `ddb_table_configuration`."
  type        = bool
  default     = false
  nullable    = false
}

variable "ddb_global_create" {
  description = "Make the tables of `ddb_global_table_configuration`."
  type        = bool
  default     = false
  nullable    = false
}

variable "ddb_table_configuration" {
  description = "Tables in this region."
  type = list(object({
    table_name_suffix             = string
    hash_key                      = string
    hash_key_type                 = optional(string)
    range_key                     = optional(string)
    range_key_type                = optional(string)
    billing_mode                  = optional(string)
    enable_point_in_time_recovery = optional(bool)
  }))
  default  = []
  nullable = false
}

variable "ddb_global_table_configuration" {
  description = "Tables that also are in `ddb_global_replica_regions`."
  type = list(object({
    table_name_suffix             = string
    hash_key                      = string
    hash_key_type                 = optional(string)
    range_key                     = optional(string)
    range_key_type                = optional(string)
    billing_mode                  = optional(string)
    enable_point_in_time_recovery = optional(bool)
  }))
  default  = []
  nullable = false
}

variable "ddb_global_replica_regions" {
  description = "Where else global tables are. Replicas are paid on demand, so such tables are too."
  type        = list(string)
  default     = []
  nullable    = false
}

# ---- secrets

variable "custom_secrets" {
  description = "Secrets. `manual` ones are empty until somebody puts a value in; the others are made at random, once."
  type = list(object({
    secret_name = string
    length      = optional(number)
    special     = optional(bool)
    manual      = optional(bool)
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for secret in var.custom_secrets : can(regex("^[A-Za-z0-9/_+=.@-]{1,200}$", secret.secret_name))])
    error_message = "custom_secrets[].secret_name must be letters, digits and /_+=.@-."
  }

  validation {
    condition     = alltrue([for secret in var.custom_secrets : coalesce(secret.length, 32) >= 8 && coalesce(secret.length, 32) <= 4096])
    error_message = "custom_secrets[].length must be 8 to 4096."
  }
}

# ---- buckets

variable "s3_create" {
  description = "Make the buckets of `bucket_configuration`."
  type        = bool
  default     = false
  nullable    = false
}

variable "bucket_configuration" {
  description = "Buckets. They are always encrypted and answer over TLS only; everybody may read one if all four of its flags for public access are false."
  type = list(object({
    bucket_name_suffix      = string
    acl_type                = optional(string)
    create_s3_user          = optional(bool)
    store_access_key_in_ssm = optional(bool)
    versioning_enabled      = optional(bool)
    sse_algorithm           = optional(string)
    kms_key                 = optional(string)
    block_public_acls       = optional(bool)
    block_public_policy     = optional(bool)
    ignore_public_acls      = optional(bool)
    restrict_public_buckets = optional(bool)
    cors_configuration = optional(list(object({
      allowed_origins = list(string)
      allowed_methods = optional(list(string))
      allowed_headers = optional(list(string))
      expose_headers  = optional(list(string))
      max_age_seconds = optional(number)
    })))
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for bucket in var.bucket_configuration : contains(["AES256", "aws:kms", "aws:kms:dsse"], coalesce(bucket.sse_algorithm, "AES256"))])
    error_message = "bucket_configuration[].sse_algorithm must be AES256, aws:kms or aws:kms:dsse."
  }

  validation {
    condition     = alltrue([for bucket in var.bucket_configuration : coalesce(bucket.acl_type, "private") == "private"])
    error_message = "bucket_configuration[].acl_type must be private: who may read is said by the flags for public access."
  }

  validation {
    condition     = alltrue([for bucket in var.bucket_configuration : !coalesce(bucket.create_s3_user, false) && !coalesce(bucket.store_access_key_in_ssm, false)])
    error_message = "bucket_configuration[].create_s3_user and store_access_key_in_ssm must be false: give a role access instead of a user with a key."
  }
}

# ---- container images

variable "provision_ecr" {
  description = "Make the registries of `container_registries`."
  type        = bool
  default     = false
  nullable    = false
}

variable "container_registries" {
  description = "Registries of container images. By default images are scanned and tags never move."
  type = list(object({
    name                   = string
    vulnerability_scanning = optional(bool)
    immutable_tags         = optional(bool)
  }))
  default  = []
  nullable = false
}
