"""The bus, its rules, the queues that they fill, and who may put something into them."""

from typing import Final

from tazco.deployment.template import Declarations, Json, att, logical, ref, sub, waived
from tazco.platform import messaging
from tazco.platform.messaging import DEAD_LETTER_SUFFIX, UNDELIVERED, Subscription
from tazco.platform.provision_messaging import TARGET_ID, may_send

BUS: Final = "Bus"
SSE_SQS: Final = "Encrypted by SQS itself: a key of ours would need a way in for EventBridge, and a message stays for days at most."


def queue_id(name: str) -> str:
    """The resource that is a queue."""
    return logical(name, "queue")


def dead_letter_queue_names(declarations: Declarations) -> tuple[str, ...]:
    """Below the prefix: one for each subscription, and what the bus could not deliver."""
    return (*(each.queue + DEAD_LETTER_SUFFIX for each in declarations.subscriptions), UNDELIVERED)


def messages(declarations: Declarations) -> Json:
    """Everything between the relay and the worker."""
    bus = {
        BUS: {
            "Type": "AWS::Events::EventBus",
            "Properties": {"Name": ref("EventBus"), "Description": "Events of the card programme"},
        }
    }
    dead = {queue_id(name): _queue(name, messaging.DEAD_LETTER_RETENTION_SECONDS) for name in dead_letter_queue_names(declarations)}
    live = {queue_id(each.queue): _live_queue(each) for each in declarations.subscriptions}
    rules = {rule_id(each): _rule(each) for each in declarations.subscriptions}
    filled = [(each.queue, [att(rule_id(each), "Arn")]) for each in declarations.subscriptions]
    filled.append((UNDELIVERED, [att(rule_id(each), "Arn") for each in declarations.subscriptions]))
    policies = {logical(name, "queue", "policy"): _policy(name, rules_of_it) for name, rules_of_it in filled}
    return {**bus, **dead, **live, **rules, **policies}


def rule_id(subscription: Subscription) -> str:
    """The resource that is the rule of a subscription."""
    return logical(subscription.queue, "rule")


def _queue(name: str, retention_seconds: int) -> Json:
    return {
        "Type": "AWS::SQS::Queue",
        "Metadata": waived(CKV_AWS_27=SSE_SQS),
        "Properties": {
            "QueueName": sub("${TablePrefix}" + name),
            "VisibilityTimeout": messaging.VISIBILITY_SECONDS,
            "MessageRetentionPeriod": retention_seconds,
            "ReceiveMessageWaitTimeSeconds": messaging.LONG_POLL_SECONDS,
            "SqsManagedSseEnabled": True,
        },
    }


def _live_queue(subscription: Subscription) -> Json:
    queue = _queue(subscription.queue, messaging.RETENTION_SECONDS)
    target = att(queue_id(subscription.queue + DEAD_LETTER_SUFFIX), "Arn")
    queue["Properties"]["RedrivePolicy"] = {"deadLetterTargetArn": target, "maxReceiveCount": messaging.RECEIVES_MAX}
    return queue


def _rule(subscription: Subscription) -> Json:
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": sub("${TablePrefix}" + subscription.queue),
            "EventBusName": ref(BUS),
            "State": "ENABLED",
            "EventPattern": {"source": [ref("EventSource")], "detail-type": sorted(subscription.event_types)},
            "Targets": [
                {
                    "Id": TARGET_ID,
                    "Arn": att(queue_id(subscription.queue), "Arn"),
                    "DeadLetterConfig": {"Arn": att(queue_id(UNDELIVERED), "Arn")},
                    "RetryPolicy": dict(messaging.TARGET_RETRY_POLICY),
                }
            ],
        },
    }


def _policy(name: str, rules: list[Json]) -> Json:
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {"Queues": [ref(queue_id(name))], "PolicyDocument": may_send(att(queue_id(name), "Arn"), rules)},
    }
