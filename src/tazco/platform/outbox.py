"""The outbox: events written in the commit that makes them true, numbered without gaps, waiting for the relay."""

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tazco.kernel.events import Event
from tazco.kernel.record import Record, Versioned
from tazco.platform.jsontext import encode, payload
from tazco.platform.tables import Index, Table, composite

SHARDS: Final = 16
PENDING_PREFIX: Final = "pending"
SCHEMA_VERSION: Final = 1

PENDING_EVENTS: Final = Index(name="PendingEvents", partition="pendingShard", sort="createdAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow(Record):
    """One event on its way out. `payload` is JSON as the wire will show it; `pending_shard` and `created_at` vanish once it is sent."""

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


OUTBOX: Final = Table(
    name="outbox",
    record=OutboxRow,
    partition="eventId",
    indexes=(PENDING_EVENTS,),
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
    return f"{PENDING_PREFIX}#{zlib.crc32(composite(aggregate_type, aggregate_id).encode()) % SHARDS}"


def outbox_row(
    event: Event, *, event_id: str, aggregate_id: str, ecosystem_id: str, sequence: int, correlation_id: str, now: datetime
) -> OutboxRow:
    """The row of an event that is about to be committed; `now` is the instant at which it happened."""
    return OutboxRow(
        event_id=event_id,
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
    )
