"""Provisioning of the bus, its rules, and the queues that they fill."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tazco.platform import messaging
from tazco.platform.messaging import Subscription
from tazco.platform.resources import Difference, error_code
from tazco.platform.settings import Names

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

TARGET_ID: Final = "queue"
POLICY: Final = "Policy"
REDRIVE: Final = "RedrivePolicy"
ARN_PARTS: Final = 6


class ProvisioningFailed(Exception):
    """A service refused a part of what was asked; the message says which."""


@dataclass(frozen=True, slots=True)
class BusResource:
    """The event bus."""

    client: "EventBridgeClient"
    name: str
    kind: str = "event bus"

    def look(self) -> Sequence[Difference] | None:
        """It is there or not."""
        try:
            self.client.describe_event_bus(Name=self.name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return ()

    def create(self) -> None:
        """Create the bus."""
        self.client.create_event_bus(Name=self.name)


def queue_arn(client: "SQSClient", name: str) -> str | None:
    """The ARN of a queue, None if there is none of that name."""
    found = _attributes(client, name, "QueueArn")
    return found["QueueArn"] if found else None


def _attributes(client: "SQSClient", name: str, attribute: Any) -> Mapping[str, str] | None:
    try:
        url = client.get_queue_url(QueueName=name)["QueueUrl"]
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute]).get("Attributes", {})
        return {str(name): value for name, value in found.items()}
    except ClientError as error:
        if error_code(error) in ("QueueDoesNotExist", "NonExistentQueue"):
            return None
        raise


def rule_arn(arn_of_queue: str, bus: str, rule: str) -> str:
    """The ARN of a rule in the account and region of a queue."""
    _, partition, _, region, account, _ = arn_of_queue.split(":", ARN_PARTS - 1)
    return f"arn:{partition}:events:{region}:{account}:rule/{bus}/{rule}"


@dataclass(frozen=True, slots=True)
class QueueResource:
    """A queue. `filled_by` are the rules that may send to it, `dead_letters` is the queue for what cannot be processed."""

    client: "SQSClient"
    name: str
    bus: str
    filled_by: tuple[str, ...]
    dead_letters: str | None
    retention_seconds: int
    kind: str = "queue"

    def look(self) -> Sequence[Difference] | None:
        """Numbers are the operator's once the queue exists; where letters go and who may send is ours."""
        found = _attributes(self.client, self.name, "All")
        return None if found is None else list(self._compare(found))

    def _compare(self, found: Mapping[str, str]) -> Iterator[Difference]:
        for name, value in self._numbers().items():
            if found.get(name) != value:
                yield Difference(f"{name} is {found.get(name)}, not {value}", by_choice=True)
        for name, wanted in self._rights(found["QueueArn"]).items():
            if json.loads(found.get(name) or "{}") != wanted:
                told = (
                    "it lets others send, or not the rules"
                    if name == POLICY
                    else f"its dead letters do not go to {self.dead_letters}"
                )
                yield Difference(told, lambda name=name, wanted=wanted: self._set(name, wanted))  # type: ignore[misc]  # mypy does not infer a lambda's defaults

    def create(self) -> None:
        """Create the queue; its rights follow, because they name it."""
        self.client.create_queue(QueueName=self.name, Attributes=dict(self._numbers()))

    def _numbers(self) -> dict[Any, str]:
        return {
            "VisibilityTimeout": str(messaging.VISIBILITY_SECONDS),
            "MessageRetentionPeriod": str(self.retention_seconds),
            "ReceiveMessageWaitTimeSeconds": str(messaging.LONG_POLL_SECONDS),
        }

    def _rights(self, arn: str) -> dict[str, Any]:
        rights: dict[str, Any] = {}
        if self.filled_by:
            rules = [rule_arn(arn, self.bus, rule) for rule in self.filled_by]
            rights[POLICY] = may_send(arn, rules)
        if self.dead_letters:
            target = queue_arn(self.client, self.dead_letters)
            rights[REDRIVE] = {"deadLetterTargetArn": target, "maxReceiveCount": messaging.RECEIVES_MAX}
        return rights

    def _set(self, name: Any, value: Any) -> None:
        url = self.client.get_queue_url(QueueName=self.name)["QueueUrl"]
        self.client.set_queue_attributes(QueueUrl=url, Attributes={name: json.dumps(value)})


def may_send(queue: Any, rules: list[Any]) -> dict[str, Any]:
    """The policy that lets these rules, and nobody else, put messages into a queue; ARNs, or what a template has in their place."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "RulesOfTheBus",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {"ArnEquals": {"aws:SourceArn": rules[0] if len(rules) == 1 else rules}},
            }
        ],
    }


@dataclass(frozen=True, slots=True)
class RuleResource:
    """The rule that fills the queue of a subscription, and its target."""

    events: "EventBridgeClient"
    sqs: "SQSClient"
    names: Names
    subscription: Subscription
    kind: str = "rule"

    @property
    def name(self) -> str:
        """The rule has the name of its queue."""
        return messaging.queue_name(self.names, self.subscription)

    def look(self) -> Sequence[Difference] | None:
        """Pattern, state and target."""
        try:
            found = self.events.describe_rule(Name=self.name, EventBusName=self.names.event_bus)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return list(self._compare(json.loads(found.get("EventPattern") or "{}"), found.get("State")))

    def _compare(self, pattern: Any, state: str | None) -> Iterator[Difference]:
        if pattern != messaging.event_pattern(self.names, self.subscription):
            yield Difference("it matches other events", self.create)
        if state != "ENABLED":
            yield Difference("it is disabled", by_choice=True)
        targets = self.events.list_targets_by_rule(Rule=self.name, EventBusName=self.names.event_bus)["Targets"]
        current = next((target for target in targets if target["Id"] == TARGET_ID), None)
        if current != self._target():
            yield Difference("its target is not the queue, or events that cannot be delivered are lost", self._aim)

    def create(self) -> None:
        """Put the rule; this leaves its targets alone."""
        self.events.put_rule(
            Name=self.name,
            EventBusName=self.names.event_bus,
            EventPattern=json.dumps(messaging.event_pattern(self.names, self.subscription)),
            State="ENABLED",
        )

    def _target(self) -> Any:
        return {
            "Id": TARGET_ID,
            "Arn": queue_arn(self.sqs, self.name),
            "DeadLetterConfig": {"Arn": queue_arn(self.sqs, messaging.undelivered_name(self.names))},
            "RetryPolicy": dict(messaging.TARGET_RETRY_POLICY),
        }

    def _aim(self) -> None:
        reply = self.events.put_targets(Rule=self.name, EventBusName=self.names.event_bus, Targets=[self._target()])
        if reply["FailedEntryCount"]:
            raise ProvisioningFailed(f"rule {self.name} refuses its target: {reply['FailedEntries']}")


def dead_letter_queues(client: "SQSClient", names: Names, subscriptions: Sequence[Subscription]) -> list[QueueResource]:
    """The queue for undelivered events, and one per subscription for messages that could not be processed."""
    rules = tuple(messaging.queue_name(names, subscription) for subscription in subscriptions)
    queues = [(messaging.undelivered_name(names), rules)]
    queues += [(messaging.dead_letter_name(names, subscription), ()) for subscription in subscriptions]
    return [
        QueueResource(client, name, names.event_bus, filled_by, None, messaging.DEAD_LETTER_RETENTION_SECONDS)
        for name, filled_by in queues
    ]


def queues(client: "SQSClient", names: Names, subscriptions: Sequence[Subscription]) -> list[QueueResource]:
    """The queue of each subscription."""
    return [
        QueueResource(
            client,
            messaging.queue_name(names, subscription),
            names.event_bus,
            (messaging.queue_name(names, subscription),),
            messaging.dead_letter_name(names, subscription),
            messaging.RETENTION_SECONDS,
        )
        for subscription in subscriptions
    ]
