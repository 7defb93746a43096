# What an environment on Azure is made of. `project_name`, `subscription_id`, `location` and `environment` alone describe an
# empty resource group: each block is made only if its own variables ask for it.

# ---- whose it is, and where

variable "project_name" {
  description = "The project, as our users name it. Part of every name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,24}$", var.project_name))
    error_message = "project_name must be 1 to 25 of a-z, 0-9 and -, and not begin with -."
  }
}

variable "subscription_id" {
  description = "The subscription."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.subscription_id))
    error_message = "subscription_id must be a UUID."
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

variable "location" {
  description = "The region, for example westeurope."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "location must be the short name of a region of Azure, for example westeurope."
  }
}

variable "protect_data" {
  description = "A resource group with anything in it that we did not make is not destroyed, and deleted secrets can be restored for a week. By default in production only."
  type        = bool
  default     = null
}

# ---- network

variable "provision_vnet" {
  description = "Make a network: a subnet for the nodes, one for the private addresses of services, and a NAT gateway."
  type        = bool
  default     = false
  nullable    = false
}

variable "vnet_cidr" {
  description = "The addresses of the network that is made, between /12 and /20."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.vnet_cidr, 0)) && can(regex("/(1[2-9]|20)$", var.vnet_cidr))
    error_message = "vnet_cidr must be a block of IPv4 addresses between /12 and /20, for example 10.0.0.0/16."
  }
}

variable "single_nat_gateway" {
  description = "One address for all that goes out. Else two: twice the connections. Azure has one NAT gateway for a subnet, whatever its zones."
  type        = bool
  default     = true
  nullable    = false
}

variable "vnet_id" {
  description = "An existing network to use where none is made: its id."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("(?i)^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+)?$", var.vnet_id))
    error_message = "vnet_id must look like /subscriptions/.../resourceGroups/.../providers/Microsoft.Network/virtualNetworks/...."
  }
}

variable "vnet_subnet_name" {
  description = "The subnet of the existing network. Empty: the first by name that is not one of Azure's own (GatewaySubnet and the like)."
  type        = string
  default     = ""
  nullable    = false
}

# ---- cluster

variable "provision_aks" {
  description = "Make a Kubernetes cluster with private nodes."
  type        = bool
  default     = false
  nullable    = false
}

variable "aks_cluster_version" {
  description = "The minor version of Kubernetes, for example 1.32. Azure picks the patch and keeps it up to date."
  type        = string
  default     = "1.32"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]{2}(\\.[0-9a-z.-]+)?$", var.aks_cluster_version))
    error_message = "aks_cluster_version must be a version of Kubernetes, for example 1.32."
  }
}

variable "enable_cluster_autoscaler" {
  description = "Let the number of nodes follow the need, between aks_node_min_size and aks_node_max_size. Else it is aks_node_desired_size."
  type        = bool
  default     = false
  nullable    = false
}

variable "aks_instance_types" {
  description = "The machines of the nodes. A pool for the first; with enable_cluster_autoscaler one more, from nothing, for each other."
  type        = list(string)
  default     = ["Standard_D4s_v5"]
  nullable    = false

  validation {
    condition     = length(var.aks_instance_types) > 0
    error_message = "aks_instance_types must name at least one machine type, for example Standard_D4s_v5."
  }
}

variable "aks_node_min_size" {
  description = "How many nodes there are at least."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.aks_node_min_size >= 1
    error_message = "aks_node_min_size must be at least 1."
  }
}

variable "aks_node_max_size" {
  description = "How many nodes there are at most."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.aks_node_max_size >= 1
    error_message = "aks_node_max_size must be at least 1."
  }
}

variable "aks_node_desired_size" {
  description = "How many nodes there are where nothing changes their number."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.aks_node_desired_size >= 1
    error_message = "aks_node_desired_size must be at least 1."
  }
}

variable "aks_authorized_networks" {
  description = "Who may reach the cluster's API, as blocks of addresses. Empty: anybody with an identity of the tenant that a role lets in."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "aks_host_encryption_enabled" {
  description = "Encrypt the disks of the nodes on the host too. The subscription must have the feature EncryptionAtHost."
  type        = bool
  default     = false
  nullable    = false
}

variable "cluster_admins" {
  description = "Who may do everything in the cluster: `username` is the object id of a user, group or service principal of the tenant. `path` and `groups` mean nothing on Azure."
  type = list(object({
    username = string
    path     = optional(string)
    groups   = optional(list(string))
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for admin in var.cluster_admins : can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", admin.username))])
    error_message = "cluster_admins[].username must be an object id of the tenant (a UUID): names cannot be looked up here."
  }
}

# ---- names and certificates

variable "azure_dns_enabled" {
  description = "Use a zone of Azure DNS: azure_dns_zone_name, or a new one for azure_dns_domain."
  type        = bool
  default     = false
  nullable    = false
}

variable "azure_dns_domain" {
  description = "The domain, for example shop.example.com."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9-]{2,63}\\.?)?$", var.azure_dns_domain))
    error_message = "azure_dns_domain must be a domain, for example shop.example.com."
  }
}

variable "azure_dns_zone_name" {
  description = "An existing zone: its name or its id. Empty: a new zone for azure_dns_domain."
  type        = string
  default     = ""
  nullable    = false
}

variable "azure_managed_certificate" {
  description = "Make a Front Door with a certificate for azure_dns_domain that Azure renews."
  type        = bool
  default     = false
  nullable    = false
}

variable "azure_waf_enabled" {
  description = "Make a policy of Web Application Firewall that turns known attacks away."
  type        = bool
  default     = false
  nullable    = false
}

# ---- queues and topics

variable "create_service_bus" {
  description = "Make the queues of service_bus_queues and the topics of service_bus_topics."
  type        = bool
  default     = false
  nullable    = false
}

variable "service_bus_sku" {
  description = "Standard: reached over the internet, by identities of the tenant alone. Premium: from the network alone, at many times the price."
  type        = string
  default     = "Standard"
  nullable    = false

  validation {
    condition     = contains(["Standard", "Premium"], var.service_bus_sku)
    error_message = "service_bus_sku must be Standard or Premium."
  }
}

variable "service_bus_queues" {
  description = "Queues by name. Times as of ISO 8601, for example PT1M. `requires_session`: messages of one session stay in order. `delay_seconds` is up to who sends: Service Bus delays a message, not a queue."
  type = map(object({
    max_delivery_count                = optional(number, 10)
    lock_duration                     = optional(string, "PT1M")
    requires_session                  = optional(bool)
    default_message_ttl               = optional(string)
    delay_seconds                     = optional(number)
    forward_dead_lettered_messages_to = optional(string)
  }))
  default  = {}
  nullable = false
}

variable "service_bus_topics" {
  description = "Topics by name, each with its subscriptions."
  type = map(object({
    subscriptions = optional(list(object({
      name               = string
      max_delivery_count = optional(number, 10)
    })), [])
  }))
  default  = {}
  nullable = false
}

# ---- caches

variable "create_azure_cache" {
  description = "Make the cache azure_cache_name and those of additional_caches, of Azure Managed Redis."
  type        = bool
  default     = false
  nullable    = false
}

variable "azure_cache_name" {
  description = "The name of the first cache."
  type        = string
  default     = "main"
  nullable    = false
}

variable "azure_cache_engine" {
  description = "What the first cache is asked to be: redis or valkey. Azure has Redis, which speaks the same protocol, and a warning says so of valkey."
  type        = string
  default     = "redis"
  nullable    = false

  validation {
    condition     = contains(["redis", "valkey"], lower(var.azure_cache_engine))
    error_message = "azure_cache_engine must be redis or valkey."
  }
}

variable "azure_cache_sku" {
  description = "Basic: one node. Standard or Premium: a second one that takes over."
  type        = string
  default     = "Basic"
  nullable    = false

  validation {
    condition     = contains(["Basic", "Standard", "Premium"], var.azure_cache_sku)
    error_message = "azure_cache_sku must be Basic, Standard or Premium."
  }
}

variable "azure_cache_node_type" {
  description = "The size of the first cache, one of Azure Managed Redis, for example Balanced_B1. Missing: the smallest."
  type        = string
  default     = null
}

variable "azure_cache_multi_az" {
  description = "The first cache has nodes in several zones: a second one that takes over."
  type        = bool
  default     = null
}

variable "additional_caches" {
  description = "The other caches. `allowed_cidr_blocks` means nothing here: whoever is in the network and knows the key gets in, and nobody else."
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
    condition     = alltrue([for cache in var.additional_caches : contains(["redis", "valkey"], lower(coalesce(cache.engine, "redis")))])
    error_message = "additional_caches[].engine must be redis or valkey."
  }
}

# ---- tables

variable "create_cosmos_db" {
  description = "Make the collections of cosmos_db_collections."
  type        = bool
  default     = false
  nullable    = false
}

variable "cosmos_db_collections" {
  description = "Collections of Cosmos DB for NoSQL. `billing_mode` PROVISIONED: capacity is reserved; without one such collection the account is serverless."
  type = list(object({
    name                       = string
    partition_key              = optional(string)
    billing_mode               = optional(string)
    analytical_storage_enabled = optional(bool)
  }))
  default  = []
  nullable = false
}

# ---- images

variable "provision_acr" {
  description = "Make the registries of container_registries, or one called `main`."
  type        = bool
  default     = false
  nullable    = false
}

variable "acr_public_network_access_enabled" {
  description = "Let those who have an identity of the tenant push from outside the network. Else a registry is reached from the network alone."
  type        = bool
  default     = false
  nullable    = false
}

variable "container_registries" {
  description = "Registries of container images. Azure has `vulnerability_scanning` for a whole subscription (Defender for Containers) and `immutable_tags` for one image only, and a warning says so where they are asked for."
  type = list(object({
    name                   = string
    vulnerability_scanning = optional(bool)
    immutable_tags         = optional(bool)
  }))
  default  = []
  nullable = false
}

# ---- storage

variable "create_storage_account" {
  description = "Make the containers of storage_containers."
  type        = bool
  default     = false
  nullable    = false
}

variable "storage_containers" {
  description = "Containers of blobs. `container_access_type` blob: everybody may read what lies in it; such ones are in an account of their own. `versioning` and `cors_origins` hold for all of an account."
  type = list(object({
    name                  = string
    container_access_type = optional(string)
    versioning            = optional(bool)
    cors_origins          = optional(list(string))
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for container in var.storage_containers : contains(["private", "blob"], coalesce(container.container_access_type, "private"))])
    error_message = "storage_containers[].container_access_type must be private or blob."
  }
}

# ---- secrets

variable "key_vault_allowed_cidrs" {
  description = "Who may reach the vault besides the network, as blocks of addresses; the runner must be among them, since it puts the values in. Empty: anybody with an identity that an access policy lets in."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "custom_secrets" {
  description = "Secrets. `generate`: made at random; else somebody puts a value in by hand. `special_chars`: with others than letters and digits."
  type = list(object({
    name          = string
    generate      = optional(bool)
    length        = optional(number)
    special_chars = optional(bool)
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for secret in var.custom_secrets : coalesce(secret.length, 32) >= 8 && coalesce(secret.length, 32) <= 1024])
    error_message = "custom_secrets[].length must be between 8 and 1024."
  }
}

# ---- databases

variable "create_azure_db" {
  description = "Make the database azure_db_name and those of additional_databases, each on a flexible server of its own."
  type        = bool
  default     = false
  nullable    = false
}

variable "azure_db_name" {
  description = "The name of the first database."
  type        = string
  default     = "main"
  nullable    = false
}

variable "azure_db_engine" {
  description = "What the first database is: postgres or mysql."
  type        = string
  default     = "postgres"
  nullable    = false

  validation {
    condition     = contains(["postgres", "mysql"], var.azure_db_engine)
    error_message = "azure_db_engine must be postgres or mysql."
  }
}

variable "azure_db_engine_version" {
  description = "The version of it: 16 (postgres) where missing; of mysql there is 8.0.21 alone."
  type        = string
  default     = null
}

variable "azure_db_min_capacity" {
  description = "Units of Aurora (2 GiB each) at least. A flexible server has one size: see azure_db_max_capacity."
  type        = number
  default     = null
}

variable "azure_db_max_capacity" {
  description = "Units of Aurora (2 GiB each): the server is as large as that, and never smaller than azure_db_min_capacity. 4 where missing."
  type        = number
  default     = null
}

variable "azure_db_port" {
  description = "Where it listens. Flexible servers know only 5432 (postgres) and 3306 (mysql), and a warning says so of another."
  type        = number
  default     = null
}

variable "azure_db_backup_retention_days" {
  description = "For how many days there are backups. 7 where missing."
  type        = number
  default     = null

  validation {
    condition     = try(var.azure_db_backup_retention_days >= 1 && var.azure_db_backup_retention_days <= 35, var.azure_db_backup_retention_days == null)
    error_message = "azure_db_backup_retention_days must be between 1 and 35."
  }
}

variable "azure_db_iam_auth" {
  description = "Who has an identity of the tenant may sign in with it, if the server's administrator lets it (postgres)."
  type        = bool
  default     = null
}

variable "additional_databases" {
  description = "The other databases. `engine` is anything that says postgres or mysql; `min_capacity` and `max_capacity` as those of azure_db_max_capacity."
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
    condition     = alltrue([for database in var.additional_databases : can(regex("postgres|mysql", lower(coalesce(database.engine, "postgres"))))])
    error_message = "additional_databases[].engine must be of PostgreSQL or MySQL."
  }
}
