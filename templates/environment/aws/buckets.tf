# Buckets: encrypted, over TLS only, closed to the public unless all four flags say otherwise.

locals {
  buckets = {
    for bucket in var.s3_create ? var.bucket_configuration : [] : bucket.bucket_name_suffix => {
      versioning              = coalesce(bucket.versioning_enabled, false)
      algorithm               = coalesce(bucket.kms_key, "-") == "-" ? coalesce(bucket.sse_algorithm, "AES256") : (coalesce(bucket.sse_algorithm, "AES256") == "AES256" ? "aws:kms" : bucket.sse_algorithm)
      key                     = coalesce(bucket.kms_key, "-") == "-" ? null : bucket.kms_key
      block_public_acls       = coalesce(bucket.block_public_acls, true)
      block_public_policy     = coalesce(bucket.block_public_policy, true)
      ignore_public_acls      = coalesce(bucket.ignore_public_acls, true)
      restrict_public_buckets = coalesce(bucket.restrict_public_buckets, true)
      is_public = !anytrue([
        coalesce(bucket.block_public_acls, true),
        coalesce(bucket.block_public_policy, true),
        coalesce(bucket.ignore_public_acls, true),
        coalesce(bucket.restrict_public_buckets, true),
      ])
      cors = coalesce(bucket.cors_configuration, [])
      # Names are shared with all accounts of the world, so each has a digest of the account's.
      name = join("-", [
        trim(substr(replace(lower("${local.prefix}-${bucket.bucket_name_suffix}"), "/[^a-z0-9]+/", "-"), 0, 54), "-"),
        substr(sha256("${local.account_id}/${local.prefix}/${bucket.bucket_name_suffix}"), 0, 8),
      ])
    }
  }
}

resource "aws_s3_bucket" "this" {
  for_each      = local.buckets
  bucket        = each.value.name
  force_destroy = !local.protect_data
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = each.value.block_public_acls
  block_public_policy     = each.value.block_public_policy
  ignore_public_acls      = each.value.ignore_public_acls
  restrict_public_buckets = each.value.restrict_public_buckets
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = each.value.algorithm == "aws:kms"

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.value.algorithm
      kms_master_key_id = each.value.key
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = { for name, bucket in local.buckets : name => bucket if bucket.versioning }
  bucket   = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_cors_configuration" "this" {
  for_each = { for name, bucket in local.buckets : name => bucket if length(bucket.cors) > 0 }
  bucket   = aws_s3_bucket.this[each.key].id

  dynamic "cors_rule" {
    for_each = each.value.cors

    content {
      allowed_origins = cors_rule.value.allowed_origins
      allowed_methods = coalesce(cors_rule.value.allowed_methods, ["GET", "HEAD"])
      allowed_headers = coalesce(cors_rule.value.allowed_headers, ["*"])
      expose_headers  = coalesce(cors_rule.value.expose_headers, ["ETag"])
      max_age_seconds = coalesce(cors_rule.value.max_age_seconds, 3000)
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.buckets

  statement {
    sid       = "EncryptedOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  dynamic "statement" {
    for_each = each.value.is_public ? ["Everybody"] : []

    content {
      sid       = statement.value
      actions   = ["s3:GetObject"]
      resources = ["${aws_s3_bucket.this[each.key].arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each   = local.buckets
  bucket     = aws_s3_bucket.this[each.key].id
  policy     = data.aws_iam_policy_document.bucket[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.this]
}
