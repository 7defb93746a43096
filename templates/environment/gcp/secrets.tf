# Secrets. One that is not generated has no version until somebody puts one in.

locals {
  secrets   = { for secret in var.custom_secrets : secret.name => secret }
  generated = { for name, secret in local.secrets : name => secret if coalesce(secret.generate, false) }

  # All that the applications may read: those that were asked for, and the passwords of databases and caches.
  all_secret_ids = merge(
    { for name in keys(local.secrets) : "secret/${name}" => google_secret_manager_secret.this[name].id },
    { for name in keys(local.databases) : "database/${name}" => google_secret_manager_secret.database[name].id },
    { for name in keys(local.redis_caches) : "cache/${name}" => google_secret_manager_secret.cache[name].id },
  )
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  secret_id = "${local.prefix}-${replace(each.key, "/[^A-Za-z0-9_-]/", "-")}"

  replication {
    auto {}
  }
}

resource "random_password" "secret" {
  for_each = local.generated

  length  = coalesce(each.value.length, 32)
  special = coalesce(each.value.special_chars, false)
}

resource "google_secret_manager_secret_version" "this" {
  for_each = local.generated

  secret      = google_secret_manager_secret.this[each.key].id
  secret_data = random_password.secret[each.key].result
}
