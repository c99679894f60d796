"""Reactions and timers as declarations: what a slice does when something has happened, and what it looks after from time to time."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from tazco.kernel.ids import CorrelationId, EcosystemId, EventId
from tazco.kernel.money import Money, from_decimal
from tazco.platform.messaging import Subscription
from tazco.platform.services import Services

R = TypeVar("R")


class IncompleteEvent(Exception):
    """An event lacks what a reaction needs. Its sender is at fault, and trying again does not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event as it came over the bus; the numbers in `payload` are integers and decimals, money in whole units.

    `queued_at` is when the queue got it, `receives` how often the queue has handed it out, this time included.
    """

    event_id: EventId
    event_type: str
    aggregate_type: str
    aggregate_id: str
    sequence: int
    ecosystem_id: EcosystemId
    occurred_at: datetime
    correlation_id: CorrelationId
    payload: Mapping[str, Any]
    queued_at: datetime | None = None
    receives: int = 1


def needed(event: Envelope, key: str, read: Callable[[Any], R]) -> R:
    """What `read` makes of a field of the payload; raise `IncompleteEvent` where it is missing or not what it should be."""
    try:
        return read(event.payload[key])
    except (KeyError, TypeError, ValueError) as error:
        problem = "is missing" if isinstance(error, KeyError) else str(error)
        raise IncompleteEvent(f"{event.event_type} {event.event_id}: {key} {problem}. Mend its sender") from error


def as_text(value: Any) -> str:
    """A text that says something; raise `TypeError` for anything else."""
    if not isinstance(value, str) or not value:
        raise TypeError("is no text")
    return value


def as_whole(value: Any) -> int:
    """A whole number; raise `TypeError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("is no whole number")
    return value


def as_amount(value: Any) -> Money:
    """Whole units → minor units; raise `TypeError` for no number, `ValueError` for one that is no amount of money."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError("is no number")
    return from_decimal(value)


React = Callable[[Services, Envelope], Awaitable[None]]
"""May be called again with the same event, also at the same time in another process; what it does must happen once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactions:
    """What one queue is for: the events that the bus puts into it, and what is done with each."""

    queue: str
    react: Mapping[str, React]

    @property
    def subscription(self) -> Subscription:
        """The queue as provisioning sees it."""
        return Subscription(self.queue, tuple(self.react))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """Something that every worker does `every` so often; idempotent, because several do it at once. Tells how much it found to do."""

    name: str
    every: timedelta
    run: Callable[[Services], Awaitable[int]]
