"""Where tallies and marks are, and the questions asked of them."""

from datetime import datetime
from itertools import chain
from typing import Final

from tazco.kernel.ids import EventId
from tazco.platform.database import Database
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.tables import Get, Range, RowsOf, Table, spread
from tazco.tally.model import HOUR, HOURS_MAX, Counts, Hour, Mark, Tally, hour_of

SHARDS: Final = 4
HOUR_PREFIX: Final = "hour#"
"""Behind every hash of an idempotency key: a bare `2026-…` would have hashes that begin with 2025 between two hours of New Year."""

TALLIES: Final = Table(
    name=STORED_ANSWERS.name,
    record=Tally,
    partition=STORED_ANSWERS.partition,
    sort=STORED_ANSWERS.sort,
    spelling={"shard": "ecosystemId", "hour": "keyHash"},
    ttl=STORED_ANSWERS.ttl,
    ledger=False,
)

MARKS: Final = Table(
    name=STORED_ANSWERS.name,
    record=Mark,
    partition=STORED_ANSWERS.partition,
    sort=STORED_ANSWERS.sort,
    spelling={"event_key": "ecosystemId", "kind": "keyHash"},
    ttl=STORED_ANSWERS.ttl,
    ledger=False,
)


def shard_of(event_id: EventId) -> str:
    """Where an event is counted: always the same place, so that no row of an hour takes them all."""
    return _shard(spread(event_id, SHARDS))


def hour_key(began_at: datetime) -> str:
    """`hour#2026-11-24T18`."""
    return f"{HOUR_PREFIX}{began_at:%Y-%m-%dT%H}"


def event_key(event_id: EventId) -> str:
    """Under which an event is marked: a partition of its own."""
    return f"event#{event_id}"


def tally(event_id: EventId, began_at: datetime) -> Get[Tally]:
    """What is counted so far where this event belongs."""
    return Get(TALLIES, (shard_of(event_id), hour_key(began_at)))


def mark(event_id: EventId) -> Get[Mark]:
    """Whether an event is counted."""
    return Get(MARKS, (event_key(event_id), "tally"))


def tallies_between(first: datetime, last: datetime) -> tuple[RowsOf[Tally], ...]:
    """What was counted from one hour to another, both included: one question a shard, at most a row an hour."""
    bounds = Range(at_least=hour_key(first), at_most=hour_key(last))
    return tuple(RowsOf(TALLIES, _shard(number), bounds) for number in range(SHARDS))


async def hours(database: Database, until: datetime, count: int) -> tuple[Hour, ...]:
    """The last `count` hours, 1 to 192, oldest first and each of them present; the last is the one of `until`, so far.

    One round trip that reads at most a row an hour and shard.
    """
    assert 1 <= count <= HOURS_MAX, f"{count} hours: 1 to {HOURS_MAX} are kept"
    last = hour_of(until)
    began = [last - HOUR * back for back in reversed(range(count))]
    sums: dict[str, Counts] = {}
    for part in chain.from_iterable(await database.read(*tallies_between(began[0], last))):
        sums[part.hour] = sums.get(part.hour, Counts()).plus(part)
    return tuple(Hour(began_at=at).plus(sums.get(hour_key(at), Counts())) for at in began)


def _shard(number: int) -> str:
    return f"tally#{number}"
