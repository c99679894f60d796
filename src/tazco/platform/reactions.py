"""Reactions and timers as declarations: what a slice does when something has happened, and what it looks after from time to time."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tazco.kernel.ids import CorrelationId, EcosystemId, EventId
from tazco.platform.messaging import Subscription
from tazco.platform.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event as it came over the bus; the numbers in `payload` are integers and decimals, money in whole units."""

    event_id: EventId
    event_type: str
    aggregate_type: str
    aggregate_id: str
    sequence: int
    ecosystem_id: EcosystemId
    occurred_at: datetime
    correlation_id: CorrelationId
    payload: Mapping[str, Any]


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
