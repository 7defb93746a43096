# Topics, and who hears of a message.

locals {
  topics = var.provision_sqs ? var.sns_topics : {}

  # Known by where they lead, so that one may go without moving the next.
  subscriptions = merge([
    for topic, config in local.topics : {
      for subscription in coalesce(config.subscriptions, []) :
      "${topic} ${subscription.protocol} ${subscription.endpoint}" => {
        topic    = topic
        protocol = subscription.protocol
        endpoint = subscription.endpoint
        queue    = subscription.protocol == "sqs" && contains(keys(local.queues), subscription.endpoint) ? subscription.endpoint : ""
      }
    }
  ]...)
}

resource "aws_sns_topic" "this" {
  for_each                    = local.topics
  name                        = "${local.prefix}-${each.key}"
  fifo_topic                  = endswith(each.key, ".fifo")
  content_based_deduplication = endswith(each.key, ".fifo")
  kms_master_key_id           = "alias/aws/sns"
}

data "aws_iam_policy_document" "topic" {
  for_each = aws_sns_topic.this

  statement {
    sid       = "Account"
    actions   = ["sns:Publish", "sns:Subscribe", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"]
    resources = [each.value.arn]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid       = "EncryptedOnly"
    effect    = "Deny"
    actions   = ["sns:Publish"]
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
}

resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this
  arn      = each.value.arn
  policy   = data.aws_iam_policy_document.topic[each.key].json
}

resource "aws_sns_topic_subscription" "this" {
  for_each  = local.subscriptions
  topic_arn = aws_sns_topic.this[each.value.topic].arn
  protocol  = each.value.protocol
  endpoint  = each.value.queue == "" ? each.value.endpoint : aws_sqs_queue.this[each.value.queue].arn

  depends_on = [aws_sqs_queue_policy.this]
}
