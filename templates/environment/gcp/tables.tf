# Tables: databases of Firestore.

locals {
  firestore = var.create_firestore ? { for database in var.firestore_databases : database.name => database } : {}
  # It must not look like a UUID, which a name of ours never does.
  firestore_names = { for name, database in local.firestore : name => trim(substr("${local.prefix}-${replace(lower(name), "/[^a-z0-9]+/", "-")}", 0, 63), "-") }
}

resource "google_firestore_database" "this" {
  for_each = local.firestore

  name                              = local.firestore_names[each.key]
  location_id                       = var.region
  type                              = "FIRESTORE_NATIVE"
  point_in_time_recovery_enablement = coalesce(each.value.point_in_time_recovery, false) ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = "DELETE"
}
