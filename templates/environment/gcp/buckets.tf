# Buckets. Their names are the whole world's, hence the digest. Google encrypts all that lies in them.

locals {
  buckets = {
    for bucket in(var.create_cloud_storage ? var.cloud_storage_buckets : []) : bucket.name_suffix => {
      versioning = coalesce(bucket.versioning, false)
      private    = coalesce(bucket.uniform_access, true)
      origins    = coalesce(bucket.cors_origins, [])
      methods    = coalesce(bucket.cors_methods, ["GET", "HEAD"])
    }
  }
  public_buckets = { for name, bucket in local.buckets : name => bucket if !bucket.private }
}

resource "google_storage_bucket" "this" {
  for_each = local.buckets

  name                        = "${trim(substr("${var.project_name}-${local.stage}-${replace(lower(each.key), "/[^a-z0-9]+/", "-")}", 0, 54), "-")}-${local.digest}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = each.value.private ? "enforced" : "inherited"
  force_destroy               = !local.protect_data

  versioning {
    enabled = each.value.versioning
  }

  dynamic "cors" {
    for_each = length(each.value.origins) > 0 ? [each.value] : []

    content {
      origin          = cors.value.origins
      method          = cors.value.methods
      response_header = ["*"]
      max_age_seconds = 3600
    }
  }
}

# Only where somebody asked for it in so many words.
resource "google_storage_bucket_iam_member" "everybody" {
  for_each = local.public_buckets

  bucket = google_storage_bucket.this[each.key].name
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}
