# What others may know of the environment. What is not made is null, or empty.

output "project_id" {
  description = "The project of Google Cloud."
  value       = var.project_id
}

output "region_short" {
  description = "The region as it stands in names."
  value       = local.region_short
}

output "network_self_link" {
  description = "The network."
  value       = local.network
}

output "private_subnet_self_link" {
  description = "The subnet of the nodes."
  value       = local.subnetwork
}

output "gke_cluster_name" {
  description = "The cluster."
  value       = one(google_container_cluster.this[*].name)
}

output "gke_cluster_endpoint" {
  description = "Where the cluster's API is."
  value       = one([for cluster in google_container_cluster.this : "https://${cluster.endpoint}"])
}

output "gke_cluster_ca_certificate" {
  description = "Who signs for the cluster's API, PEM in base64."
  value       = one(google_container_cluster.this[*].master_auth[0].cluster_ca_certificate)
}

output "external_dns_service_account" {
  description = "The e-mail address of the account that external-dns/external-dns in the cluster may act as."
  value       = one(google_service_account.external_dns[*].email)
}

output "external_secrets_service_account" {
  description = "The e-mail address of the account that external-secrets/external-secrets in the cluster may act as."
  value       = one(google_service_account.external_secrets[*].email)
}

output "cloud_sql_connection_name" {
  description = "The first database's server, as the proxy of Cloud SQL calls it."
  value       = try(google_sql_database_instance.this[var.cloud_sql_name].connection_name, null)
}

output "cloud_sql_ip" {
  description = "The private address of the first database's server."
  value       = try(google_sql_database_instance.this[var.cloud_sql_name].private_ip_address, null)
}

output "cloud_sql_database" {
  description = "The first database, as its server calls it."
  value       = try(google_sql_database.this[var.cloud_sql_name].name, null)
}

output "databases" {
  description = "Every database by name: where it is, and the secret that has its password."
  value = {
    for name, server in google_sql_database_instance.this : name => {
      engine          = local.databases[name].is_mysql ? "mysql" : "postgres"
      host            = server.private_ip_address
      port            = local.database_servers[name].port
      database        = google_sql_database.this[name].name
      username        = google_sql_user.this[name].name
      connection_name = server.connection_name
      secret_id       = google_secret_manager_secret.database[name].id
    }
  }
}

output "memorystore_host" {
  description = "Where the first cache is."
  value       = try(local.cache_endpoints[var.memorystore_name].host, null)
}

output "memorystore_port" {
  description = "The port of the first cache."
  value       = try(local.cache_endpoints[var.memorystore_name].port, null)
}

output "caches" {
  description = "Every cache by name: where it is, and the secret that has its password. A cache of Valkey has none: its clients sign in by IAM."
  value       = local.cache_endpoints
}

locals {
  cache_endpoints = merge(
    {
      for name, cache in google_redis_instance.this : name => {
        engine = "redis", host = cache.host, port = cache.port, secret_id = google_secret_manager_secret.cache[name].id
      }
    },
    {
      for name, cache in google_memorystore_instance.this : name => {
        engine    = "valkey"
        host      = try(cache.endpoints[0].connections[0].psc_auto_connection[0].ip_address, null)
        port      = try(cache.endpoints[0].connections[0].psc_auto_connection[0].port, 6379)
        secret_id = null
      }
    },
  )
}

output "pubsub_topics" {
  description = "The topics by name."
  value       = { for name, topic in google_pubsub_topic.this : name => topic.id }
}

output "pubsub_subscriptions" {
  description = "The subscriptions, by topic/subscription."
  value       = { for name, subscription in google_pubsub_subscription.this : name => subscription.id }
}

output "firestore_databases" {
  description = "The databases of Firestore by name."
  value       = { for name, database in google_firestore_database.this : name => database.name }
}

output "artifact_registry_urls" {
  description = "Where images are pushed to, by the registry's name."
  value       = { for name, registry in google_artifact_registry_repository.this : name => "${var.region}-docker.pkg.dev/${var.project_id}/${registry.repository_id}" }
}

output "cloud_storage_bucket_names" {
  description = "The buckets by name."
  value       = { for name, bucket in google_storage_bucket.this : name => bucket.name }
}

output "custom_secret_ids" {
  description = "The secrets by name, as Secret Manager calls them."
  value       = { for name, secret in google_secret_manager_secret.this : name => secret.id }
}

output "custom_secret_names" {
  description = "The secrets by name, as external-secrets wants to hear them."
  value       = { for name, secret in google_secret_manager_secret.this : name => secret.secret_id }
}

output "custom_secret_values" {
  description = "What was generated, by the secret's name."
  value       = { for name, password in random_password.secret : name => password.result }
  sensitive   = true
}

output "cloud_dns_zone_name" {
  description = "The zone."
  value       = local.dns_zone_name
}

output "cloud_dns_name_servers" {
  description = "Who answers for the zone: the domain's registrar must know them."
  value       = local.dns_name_servers
}

output "managed_certificate_map" {
  description = "The certificate's map, for the annotation networking.gke.io/certmap of a gateway."
  value       = one(google_certificate_manager_certificate_map.this[*].name)
}

output "cloud_armor_policy" {
  description = "The policy of Cloud Armor, for a backend in the cluster."
  value       = one(google_compute_security_policy.this[*].name)
}
