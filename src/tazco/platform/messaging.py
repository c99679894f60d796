"""Queues as declarations: which events a queue receives, what its resources are called, and the numbers they run on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tazco.platform.settings import Names

VISIBILITY_SECONDS: Final = 60
RECEIVES_MAX: Final = 5
RETENTION_SECONDS: Final = 4 * 86_400
DEAD_LETTER_RETENTION_SECONDS: Final = 14 * 86_400
LONG_POLL_SECONDS: Final = 20
TARGET_RETRY_POLICY: Final[Mapping[str, int]] = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400}
DEAD_LETTER_SUFFIX: Final = "-dlq"
UNDELIVERED: Final = "undelivered"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One queue and the event types that the bus puts into it. The queue has a dead-letter queue; `queue` is its name below the prefix."""

    queue: str
    event_types: tuple[str, ...]


def queue_name(names: Names, subscription: Subscription) -> str:
    """`tazco-notifications`; the rule that fills the queue has the same name."""
    return names.table_prefix + subscription.queue


def dead_letter_name(names: Names, subscription: Subscription) -> str:
    """Where a message goes that could not be processed in `RECEIVES_MAX` attempts."""
    return queue_name(names, subscription) + DEAD_LETTER_SUFFIX


def undelivered_name(names: Names) -> str:
    """Where an event goes that the bus could not put into its queue; without it the bus drops it after a day."""
    return names.table_prefix + UNDELIVERED


def every_queue(names: Names, subscriptions: Sequence[Subscription]) -> tuple[tuple[str, bool], ...]:
    """The name of every queue, and whether it holds dead letters: each queue before its own, at last what the bus could not deliver."""
    own = [
        place
        for subscription in subscriptions
        for place in ((queue_name(names, subscription), False), (dead_letter_name(names, subscription), True))
    ]
    return (*own, (undelivered_name(names), True))


def event_pattern(names: Names, subscription: Subscription) -> dict[str, Any]:
    """What the rule matches."""
    return {"source": [names.event_source], "detail-type": sorted(subscription.event_types)}
