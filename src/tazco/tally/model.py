"""What is counted, in which hour, and for how long it is kept."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from tazco.kernel.money import ZERO, Money
from tazco.kernel.record import Record, Versioned

HOUR: Final = timedelta(hours=1)
KEPT_FOR: Final = timedelta(days=8)
"""From the beginning of the hour on: a day longer than the outbox keeps what it has sent, so that a replay finds the marks."""

HOURS_MAX: Final = KEPT_FOR // HOUR
CLOCKS_DIFFER_MAX: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How often each thing happened, and how much it came to. Without slots, so that a row that has a version can be one too."""

    requested: int = 0
    approved_auto: int = 0
    approved_admin: int = 0
    rejected: int = 0
    expired: int = 0
    purchases: int = 0
    purchased: Money = ZERO
    payments: int = 0
    paid: Money = ZERO
    late_payments: int = 0
    declines: int = 0
    points_up: int = 0
    points_down: int = 0

    def plus(self, more: "Counts") -> Self:
        """The same with more counted."""
        return replace(self, **{name: getattr(self, name) + getattr(more, name) for name in COUNTED})


COUNTED: Final = tuple(field.name for field in fields(Counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour(Counts):
    """All that happened in the hour that began then."""

    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Versioned, Counts):
    """A part of what happened in an hour: a busy hour is counted in several rows. `expires_at` is for TTL, in epoch seconds."""

    shard: str
    hour: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(Record):
    """That an event is counted; kept as long as its hour, so that it cannot be counted again while it counts at all."""

    event_key: str
    kind: str = "tally"
    expires_at: int


def hour_of(instant: datetime) -> datetime:
    """When the hour of an instant began, in UTC."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def kept_until(began_at: datetime) -> int:
    """When an hour is forgotten, in epoch seconds."""
    return int((began_at + KEPT_FOR).timestamp())


def within_reach(began_at: datetime, now: datetime) -> bool:
    """The hour is not forgotten yet, and no further ahead than clocks differ: what would be kept for years is a wrong clock."""
    return -CLOCKS_DIFFER_MAX <= now - began_at < KEPT_FOR
