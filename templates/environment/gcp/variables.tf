# What an environment on Google Cloud is made of. `project_name`, `project_id`, `region` and `environment` alone describe
# an empty one: each block is made only if its own variables ask for it.

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

variable "project_id" {
  description = "The project of Google Cloud, for example shop-prod-1234. The services that it takes must be switched on in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be the id of a project of Google Cloud: 6 to 30 of a-z, 0-9 and -, beginning with a letter."
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
  description = "The region, for example europe-west1."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be the name of a region of Google Cloud, for example europe-west1."
  }
}

variable "protect_data" {
  description = "Databases span two zones and leave a last backup, and buckets are destroyed only if empty. By default in production only."
  type        = bool
  default     = null
}

# ---- network

variable "provision_network" {
  description = "Make a network: a private subnet with ranges for pods and services, and a NAT."
  type        = bool
  default     = false
  nullable    = false
}

variable "network_cidr" {
  description = "The addresses of the network that is made, between /12 and /18."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.network_cidr, 0)) && can(regex("/1[2-8]$", var.network_cidr))
    error_message = "network_cidr must be a block of IPv4 addresses between /12 and /18, for example 10.0.0.0/16."
  }
}

variable "single_cloud_nat" {
  description = "One address for all that goes out, given by Google. Else three reserved ones: more connections, and others can let them in by address."
  type        = bool
  default     = true
  nullable    = false
}

variable "network_id" {
  description = "An existing network to use where none is made: its name, id or self link. Nodes get out of it only through a NAT that it has."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9:/._-]*/)?([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$", var.network_id))
    error_message = "network_id must be the name, the id or the self link of a network."
  }
}

variable "network_subnetwork" {
  description = "The subnet of the existing network. Empty: the first in the region, by name."
  type        = string
  default     = ""
  nullable    = false
}

variable "network_private_services" {
  description = "Make the connection of the network to Google's services that databases and caches are reached through. By default for a network that is made; an existing one has it."
  type        = bool
  default     = null
}

# ---- cluster

variable "provision_gke" {
  description = "Make a Kubernetes cluster with private nodes."
  type        = bool
  default     = false
  nullable    = false
}

variable "gke_cluster_version" {
  description = "The minor version of Kubernetes, for example 1.32. Google picks the patch and keeps it up to date."
  type        = string
  default     = "1.32"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]{2}(\\.[0-9a-z.-]+)?$", var.gke_cluster_version))
    error_message = "gke_cluster_version must be a version of Kubernetes, for example 1.32."
  }
}

variable "gke_enable_autopilot" {
  description = "Nodes by Google (Autopilot): there are no pools of our own then."
  type        = bool
  default     = false
  nullable    = false
}

variable "enable_cluster_autoscaler" {
  description = "Let the number of nodes follow the need, between gke_node_min_size and gke_node_max_size. Else it is gke_node_desired_size."
  type        = bool
  default     = false
  nullable    = false
}

variable "gke_instance_types" {
  description = "The machines of the nodes. A pool for the first; with enable_cluster_autoscaler one more, from nothing, for each other."
  type        = list(string)
  default     = ["e2-standard-4"]
  nullable    = false

  validation {
    condition     = length(var.gke_instance_types) > 0
    error_message = "gke_instance_types must name at least one machine type, for example e2-standard-4."
  }
}

variable "gke_node_min_size" {
  description = "How many nodes there are at least, in all zones together."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.gke_node_min_size >= 0
    error_message = "gke_node_min_size must not be negative."
  }
}

variable "gke_node_max_size" {
  description = "How many nodes there are at most, in all zones together."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.gke_node_max_size >= 1
    error_message = "gke_node_max_size must be at least 1."
  }
}

variable "gke_node_desired_size" {
  description = "How many nodes there are where nothing changes their number, in all zones together."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.gke_node_desired_size >= 1
    error_message = "gke_node_desired_size must be at least 1."
  }
}

variable "gke_authorized_networks" {
  description = "Who may reach the cluster's API, as blocks of addresses. Empty: anybody with an identity that IAM lets in."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "gke_kms_key" {
  description = "A key of Cloud KMS that the cluster's secrets are encrypted with besides, as projects/.../cryptoKeys/.... Empty: Google's own keys alone."
  type        = string
  default     = ""
  nullable    = false
}

variable "cluster_admins" {
  description = "Who may do everything in the cluster: `username` is an e-mail address, or a member of IAM such as group:platform@example.com. `path` and `groups` mean nothing on Google Cloud."
  type = list(object({
    username = string
    path     = optional(string)
    groups   = optional(list(string))
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for admin in var.cluster_admins : can(regex("^((user|group|serviceAccount|principal|principalSet):.+|[^@:\\s]+@[^@:\\s]+)$", admin.username))])
    error_message = "cluster_admins[].username must be an e-mail address or a member of IAM, for example group:platform@example.com."
  }
}

# ---- names and certificates

variable "cloud_dns_enabled" {
  description = "Use a zone of Cloud DNS: cloud_dns_zone_name, or a new one for cloud_dns_domain."
  type        = bool
  default     = false
  nullable    = false
}

variable "cloud_dns_domain" {
  description = "The domain, for example shop.example.com."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9-]{2,63}\\.?)?$", var.cloud_dns_domain))
    error_message = "cloud_dns_domain must be a domain, for example shop.example.com."
  }
}

variable "cloud_dns_zone_name" {
  description = "An existing zone: its name or its id. Empty: a new zone for cloud_dns_domain."
  type        = string
  default     = ""
  nullable    = false
}

variable "cloud_dns_managed_certificate" {
  description = "Make a certificate of Certificate Manager for cloud_dns_domain and all names right under it."
  type        = bool
  default     = false
  nullable    = false
}

variable "cloud_armor_enabled" {
  description = "Make a policy of Cloud Armor that turns known attacks away."
  type        = bool
  default     = false
  nullable    = false
}

# ---- queues and topics

variable "create_pubsub" {
  description = "Make the topics of pubsub_topics."
  type        = bool
  default     = false
  nullable    = false
}

variable "pubsub_topics" {
  description = "Topics by name. A queue is a topic with one subscription. `enable_message_ordering`: messages of one key stay in order."
  type = map(object({
    message_retention_duration = optional(string, "86400s")
    subscriptions = optional(list(object({
      name                    = string
      ack_deadline_seconds    = optional(number, 30)
      enable_message_ordering = optional(bool, false)
    })), [])
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.pubsub_topics) : can(regex("^[A-Za-z][A-Za-z0-9._-]{2,200}$", name))])
    error_message = "pubsub_topics: a name begins with a letter and has 3 to 200 letters, digits, '.', '_' and '-'."
  }
}

# ---- caches

variable "create_memorystore" {
  description = "Make the cache memorystore_name and those of additional_caches."
  type        = bool
  default     = false
  nullable    = false
}

variable "memorystore_name" {
  description = "The name of the first cache."
  type        = string
  default     = "main"
  nullable    = false
}

variable "memorystore_engine" {
  description = "What the first cache is: redis (Memorystore for Redis) or valkey (Memorystore for Valkey)."
  type        = string
  default     = "redis"
  nullable    = false

  validation {
    condition     = contains(["redis", "valkey"], lower(var.memorystore_engine))
    error_message = "memorystore_engine must be redis or valkey."
  }
}

variable "memorystore_tier" {
  description = "BASIC: one node. STANDARD_HA: a second one that takes over."
  type        = string
  default     = "BASIC"
  nullable    = false

  validation {
    condition     = contains(["BASIC", "STANDARD_HA"], var.memorystore_tier)
    error_message = "memorystore_tier must be BASIC or STANDARD_HA."
  }
}

variable "memorystore_instance_type" {
  description = "The size of the first cache: a node type of Memorystore for Valkey (for example STANDARD_SMALL), or GiB (for example 5GB). Missing: the smallest."
  type        = string
  default     = null
}

variable "memorystore_multi_az" {
  description = "The first cache has nodes in several zones."
  type        = bool
  default     = false
  nullable    = false
}

variable "additional_caches" {
  description = "The other caches. `allowed_cidr_blocks` means nothing here: whoever is in the network and knows the password gets in, and nobody else."
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

variable "create_firestore" {
  description = "Make the databases of firestore_databases."
  type        = bool
  default     = false
  nullable    = false
}

variable "firestore_databases" {
  description = "Databases of Firestore. `point_in_time_recovery`: what was there in any minute of the last seven days can be read."
  type = list(object({
    name                   = string
    point_in_time_recovery = optional(bool)
  }))
  default  = []
  nullable = false
}

# ---- images

variable "provision_artifact_registry" {
  description = "Make the registries of container_registries, or one called `main`."
  type        = bool
  default     = false
  nullable    = false
}

variable "container_registries" {
  description = "Registries of container images. `vulnerability_scanning`: images are looked through for known weaknesses. `immutable_tags`: a tag never moves."
  type = list(object({
    name                   = string
    vulnerability_scanning = optional(bool)
    immutable_tags         = optional(bool)
  }))
  default  = []
  nullable = false
}

# ---- buckets

variable "create_cloud_storage" {
  description = "Make the buckets of cloud_storage_buckets."
  type        = bool
  default     = false
  nullable    = false
}

variable "cloud_storage_buckets" {
  description = "Buckets. `uniform_access` false: everybody may read what lies in it. Always encrypted."
  type = list(object({
    name_suffix    = string
    versioning     = optional(bool)
    uniform_access = optional(bool)
    cors_origins   = optional(list(string))
    cors_methods   = optional(list(string))
  }))
  default  = []
  nullable = false
}

# ---- secrets

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

variable "create_cloud_sql" {
  description = "Make the database cloud_sql_name and those of additional_databases, each on a server of its own."
  type        = bool
  default     = false
  nullable    = false
}

variable "cloud_sql_name" {
  description = "The name of the first database."
  type        = string
  default     = "main"
  nullable    = false
}

variable "cloud_sql_engine" {
  description = "What the first database is: POSTGRES or MYSQL."
  type        = string
  default     = "POSTGRES"
  nullable    = false

  validation {
    condition     = contains(["POSTGRES", "MYSQL"], var.cloud_sql_engine)
    error_message = "cloud_sql_engine must be POSTGRES or MYSQL."
  }
}

variable "cloud_sql_engine_version" {
  description = "The version of it: for example 16 (POSTGRES), 8.0 (MYSQL). Missing: those."
  type        = string
  default     = null
}

variable "cloud_sql_min_capacity" {
  description = "Units of Aurora (2 GiB each) at least. A server of Cloud SQL has one size: see cloud_sql_max_capacity."
  type        = number
  default     = null
}

variable "cloud_sql_max_capacity" {
  description = "Units of Aurora (2 GiB each): the server is as large as that, and never smaller than cloud_sql_min_capacity. 4 where missing."
  type        = number
  default     = null
}

variable "cloud_sql_port" {
  description = "Where it listens. Cloud SQL knows only 5432 (POSTGRES) and 3306 (MYSQL), and a warning says so of another."
  type        = number
  default     = null
}

variable "cloud_sql_backup_retention_days" {
  description = "For how many days there are backups. 7 where missing."
  type        = number
  default     = null

  validation {
    condition     = try(var.cloud_sql_backup_retention_days >= 1 && var.cloud_sql_backup_retention_days <= 365, var.cloud_sql_backup_retention_days == null)
    error_message = "cloud_sql_backup_retention_days must be between 1 and 365."
  }
}

variable "cloud_sql_iam_auth" {
  description = "Who has an identity of IAM may sign in with it."
  type        = bool
  default     = null
}

variable "cloud_sql_authorized_networks" {
  description = "Blocks of addresses that may reach the databases from outside, encrypted. Empty: the databases have no public address."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.cloud_sql_authorized_networks : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "cloud_sql_authorized_networks must be blocks of addresses, and never the whole internet."
  }
}

variable "additional_databases" {
  description = "The other databases. `engine` is anything that says postgres or mysql; `min_capacity` and `max_capacity` as those of cloud_sql_max_capacity."
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
