"""The outbox: events written in the commit that makes them true, numbered without gaps, waiting for the relay.

Each row names its predecessor in the stream. An event may leave only after its predecessor has left: the index that finds what
is pending lags for each row on its own, so that it can show the second event of a card before the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from tazco.kernel.clock import to_text
from tazco.kernel.events import Event
from tazco.kernel.ids import NewId
from tazco.kernel.record import Record, Versioned
from tazco.platform.jsontext import encode, payload
from tazco.platform.tables import Index, Table, composite, spread

SHARDS: Final = 16
PENDING_PREFIX: Final = "pending"
DEAD_LETTERS: Final = "dead_letter"
SCHEMA_VERSION: Final = 1

PENDING_EVENTS: Final = Index(name="PendingEvents", partition="pendingShard", sort="createdAt")
EVENTS_BY_CORRELATION: Final = Index(name="EventsByCorrelation", partition="correlationKey", sort="publishedAt")
"""Those that have left, by what they followed from; a relay gives a row its place here only where the settings ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow(Record):
    """One event on its way out. `payload` is JSON as the wire will show it; `pending_shard` and `created_at` vanish once it is sent.

    `pending_shard` is `DEAD_LETTERS` once the retries are used up. `previous_event_id` is the one before it in its stream. `fence`
    is that of the lease under which a failure was last written down; `expires_at` is in epoch seconds.
    """

    event_id: str
    event_type: str
    aggregate_type: str
    aggregate_id: str
    sequence: int
    schema_version: int
    ecosystem_id: str
    occurred_at: datetime
    request_id: str
    payload: str
    pending_shard: str | None = None
    created_at: datetime | None = None
    previous_event_id: str | None = None
    retry_count: int = 0
    next_retry_at: datetime | None = None
    last_error: str | None = None
    fence: int = 0
    published_at: datetime | None = None
    expires_at: int | None = None

    @property
    def pending(self) -> bool:
        """Not sent yet, a dead letter included."""
        return self.pending_shard is not None

    @property
    def dead(self) -> bool:
        """Not sent, and not tried any more until somebody redrives it."""
        return self.pending_shard == DEAD_LETTERS


OUTBOX: Final = Table(
    name="outbox",
    record=OutboxRow,
    partition="eventId",
    indexes=(PENDING_EVENTS, EVENTS_BY_CORRELATION),
    ttl="expiresAt",
    ledger=False,
    wiped_as="events",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Versioned):
    """The counter of a stream whose aggregate has no row of its own."""

    entity_key: str


STREAMS: Final = Table(name="outbox-sequences", record=Stream, partition="entityKey", aggregate="system", wiped_as="sequences")


def shard_of(aggregate_type: str, aggregate_id: str) -> str:
    """The shard in which all events of an aggregate wait, so that one relay sees them in order."""
    return f"{PENDING_PREFIX}#{spread(composite(aggregate_type, aggregate_id), SHARDS)}"


def outbox_rows(
    events: Iterable[Event],
    before: Versioned,
    *,
    aggregate_id: str,
    ecosystem_id: str,
    correlation_id: str,
    now: datetime,
    new_id: NewId,
) -> tuple[OutboxRow, ...]:
    """The rows of events that are about to be committed; `before` is the aggregate's row as it was, `now` the instant at which they happened."""
    rows: list[OutboxRow] = []
    previous = before.last_event_id
    for sequence, event in enumerate(events, before.sequence + 1):
        row = OutboxRow(
            event_id=new_id(),
            event_type=event.type,
            aggregate_type=event.aggregate_type,
            aggregate_id=aggregate_id,
            sequence=sequence,
            schema_version=SCHEMA_VERSION,
            ecosystem_id=ecosystem_id,
            occurred_at=now,
            request_id=correlation_id,
            payload=encode(payload(event)).decode(),
            pending_shard=shard_of(event.aggregate_type, aggregate_id),
            created_at=now,
            previous_event_id=previous,
        )
        rows.append(row)
        previous = row.event_id
    return tuple(rows)


def envelope(row: OutboxRow) -> dict[str, Any]:
    """An event as everybody outside sees it, ready for `jsontext.encode`; the payload goes out as it was written down."""
    return {
        "eventId": row.event_id,
        "eventType": row.event_type,
        "aggregateType": row.aggregate_type,
        "aggregateId": row.aggregate_id,
        "sequence": row.sequence,
        "schemaVersion": row.schema_version,
        "ecosystemId": row.ecosystem_id,
        "occurredAt": to_text(row.occurred_at),
        "requestId": row.request_id,
        "payload": orjson.Fragment(row.payload),
    }
