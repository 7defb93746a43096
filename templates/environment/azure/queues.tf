# Queues and topics: a namespace of Service Bus. Its clients are identities of the tenant; there are no keys.

locals {
  has_service_bus = var.create_service_bus && length(var.service_bus_queues) + length(var.service_bus_topics) > 0
  queues          = local.has_service_bus ? var.service_bus_queues : {}
  topics          = local.has_service_bus ? var.service_bus_topics : {}
  is_premium      = var.service_bus_sku == "Premium"

  # A time of so many seconds as Service Bus will say it again, since any other word for it would look like a change: P4D,
  # PT1H30M. It locks a message for five minutes at most.
  queue_seconds = { for name, queue in local.queues : name => {
    lock = min(try(tonumber(regex("^PT([0-9]+)S$", queue.lock_duration)[0]), 0), 300)
    ttl  = try(tonumber(regex("^PT([0-9]+)S$", queue.default_message_ttl)[0]), 0)
  } }
  queue_times = { for name, times in local.queue_seconds : name => { for what, seconds in times : what => join("", [
    "P",
    seconds >= 86400 ? "${floor(seconds / 86400)}D" : "",
    seconds % 86400 == 0 ? "" : "T",
    floor(seconds % 86400 / 3600) == 0 ? "" : "${floor(seconds % 86400 / 3600)}H",
    floor(seconds % 3600 / 60) == 0 ? "" : "${floor(seconds % 3600 / 60)}M",
    seconds % 60 == 0 ? "" : "${seconds % 60}S",
  ]) } }

  subscriptions = merge([
    for topic, settings in local.topics : { for subscription in settings.subscriptions : "${topic}/${subscription.name}" => merge(subscription, { topic = topic }) }
  ]...)
}

resource "azurerm_servicebus_namespace" "this" {
  count = local.has_service_bus ? 1 : 0

  name                          = "sb-${trim(substr(var.project_name, 0, 30), "-")}-${local.digest}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  sku                           = var.service_bus_sku
  capacity                      = local.is_premium ? 1 : 0
  premium_messaging_partitions  = local.is_premium ? 1 : 0
  local_auth_enabled            = false
  minimum_tls_version           = "1.2"
  public_network_access_enabled = !local.is_premium
  tags                          = local.tags
}

resource "azurerm_servicebus_queue" "this" {
  for_each = local.queues

  name                                 = each.key
  namespace_id                         = azurerm_servicebus_namespace.this[0].id
  max_delivery_count                   = each.value.max_delivery_count
  lock_duration                        = local.queue_seconds[each.key].lock > 0 ? local.queue_times[each.key].lock : each.value.lock_duration
  requires_session                     = each.value.requires_session
  default_message_ttl                  = local.queue_seconds[each.key].ttl > 0 ? local.queue_times[each.key].ttl : each.value.default_message_ttl
  forward_dead_lettered_messages_to    = each.value.forward_dead_lettered_messages_to
  dead_lettering_on_message_expiration = true
}

resource "azurerm_servicebus_topic" "this" {
  for_each = local.topics

  name         = each.key
  namespace_id = azurerm_servicebus_namespace.this[0].id
}

resource "azurerm_servicebus_subscription" "this" {
  for_each = local.subscriptions

  name               = each.value.name
  topic_id           = azurerm_servicebus_topic.this[each.value.topic].id
  max_delivery_count = each.value.max_delivery_count
}

check "queue_locks" {
  assert {
    condition     = alltrue([for queue in local.queues : try(tonumber(regex("^PT([0-9]+)S$", queue.lock_duration)[0]), 0) <= 300])
    error_message = "Service Bus locks a message for five minutes at most, however long is asked for: whoever receives it has to renew the lock."
  }
}

check "queue_delays" {
  assert {
    condition     = alltrue([for queue in local.queues : coalesce(queue.delay_seconds, 0) == 0])
    error_message = "Service Bus delays a message (ScheduledEnqueueTimeUtc), not a queue: whoever sends has to."
  }
}
