# Queues, each with a second one for messages that nobody could digest, where that is wanted.

locals {
  # Without the ending that AWS wants, whether or not it was given; with `-dlq` and it, at most 80 letters.
  full_queue_names = { for name, queue in var.sqs_queues : name => "${local.prefix}-${trimsuffix(name, ".fifo")}" }
  queue_names      = { for name, full in local.full_queue_names : name => length(full) <= 70 ? full : "${substr(full, 0, 61)}-${substr(sha256(full), 0, 8)}" }

  queues = {
    for name, queue in var.provision_sqs ? var.sqs_queues : {} : name => {
      fifo    = coalesce(queue.fifo_queue, false)
      dlq     = coalesce(queue.dlq_enable, false)
      after   = coalesce(queue.max_receive_count, 5)
      visible = coalesce(queue.visibility_timeout_seconds, 30)
      kept    = coalesce(queue.message_retention_seconds, 345600)
      delay   = coalesce(queue.delay_seconds, 0)
      name    = local.queue_names[name]
    }
  }
  dead_letters = { for name, queue in local.queues : name => queue if queue.dlq }

  # Which topics write into which queue.
  queue_topics = {
    for name, queue in local.queues : name => [
      for subscription in local.subscriptions : aws_sns_topic.this[subscription.topic].arn if subscription.queue == name
    ]
  }
}

resource "aws_sqs_queue" "this" {
  for_each                    = local.queues
  name                        = each.value.fifo ? "${each.value.name}.fifo" : each.value.name
  fifo_queue                  = each.value.fifo
  content_based_deduplication = each.value.fifo
  visibility_timeout_seconds  = each.value.visible
  message_retention_seconds   = each.value.kept
  delay_seconds               = each.value.delay
  sqs_managed_sse_enabled     = true
}

resource "aws_sqs_queue" "dead_letter" {
  for_each                  = local.dead_letters
  name                      = each.value.fifo ? "${each.value.name}-dlq.fifo" : "${each.value.name}-dlq"
  fifo_queue                = each.value.fifo
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_policy" "this" {
  for_each  = local.dead_letters
  queue_url = aws_sqs_queue.this[each.key].url
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter[each.key].arn
    maxReceiveCount     = each.value.after
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letter" {
  for_each  = local.dead_letters
  queue_url = aws_sqs_queue.dead_letter[each.key].url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this[each.key].arn]
  })
}

data "aws_iam_policy_document" "queue" {
  for_each = merge(
    { for name, queue in aws_sqs_queue.this : name => { arn = queue.arn, topics = local.queue_topics[name] } },
    { for name, queue in aws_sqs_queue.dead_letter : "${name} dlq" => { arn = queue.arn, topics = [] } },
  )

  statement {
    sid       = "EncryptedOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value.arn]

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
    for_each = length(each.value.topics) > 0 ? [each.value.topics] : []

    content {
      sid       = "Topics"
      actions   = ["sqs:SendMessage"]
      resources = [each.value.arn]

      principals {
        type        = "Service"
        identifiers = ["sns.amazonaws.com"]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = statement.value
      }
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each  = aws_sqs_queue.this
  queue_url = each.value.url
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

resource "aws_sqs_queue_policy" "dead_letter" {
  for_each  = aws_sqs_queue.dead_letter
  queue_url = each.value.url
  policy    = data.aws_iam_policy_document.queue["${each.key} dlq"].json
}
