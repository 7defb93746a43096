# Queues and topics: topics of Pub/Sub with their subscriptions.

locals {
  topics = var.create_pubsub ? var.pubsub_topics : {}

  subscriptions = merge([
    for topic, settings in local.topics : { for subscription in settings.subscriptions : "${topic}/${subscription.name}" => merge(subscription, { topic = topic }) }
  ]...)
}

resource "google_pubsub_topic" "this" {
  for_each = local.topics

  name                       = "${local.prefix}-${each.key}"
  message_retention_duration = each.value.message_retention_duration

  # Messages stay where the environment is.
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_subscription" "this" {
  for_each = local.subscriptions

  name                       = "${local.prefix}-${each.value.name}"
  topic                      = google_pubsub_topic.this[each.value.topic].id
  ack_deadline_seconds       = min(max(each.value.ack_deadline_seconds, 10), 600)
  enable_message_ordering    = each.value.enable_message_ordering
  message_retention_duration = google_pubsub_topic.this[each.value.topic].message_retention_duration

  # Never, however long nobody listens.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
}
