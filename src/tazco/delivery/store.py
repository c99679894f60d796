"""The questions asked of the outbox."""

from functools import partial

from tazco.delivery.model import EventStatus
from tazco.platform.merging import Merged
from tazco.platform.outbox import DEAD_LETTERS, OUTBOX, PENDING_EVENTS, PENDING_PREFIX, SHARDS, OutboxRow
from tazco.platform.tables import EntriesOf, Get, Range


def event(event_id: str) -> Get[OutboxRow]:
    """An event, sent or not; those that were sent are forgotten after a week."""
    return Get(OUTBOX, (event_id,))


def status_of(row: OutboxRow) -> EventStatus | None:
    """How an event stands; None once it is sent."""
    if not row.pending:
        return None
    return EventStatus.DEAD_LETTER if row.dead else EventStatus.PENDING


def in_status(status: EventStatus, from_instant: str | None = None) -> tuple[EntriesOf, ...]:
    """The events in a status, one question a shard, each in order of creation from an instant onwards."""
    waiting = tuple(f"{PENDING_PREFIX}#{shard}" for shard in range(SHARDS))
    shards = (DEAD_LETTERS,) if status is EventStatus.DEAD_LETTER else waiting
    return tuple(EntriesOf(OUTBOX, PENDING_EVENTS, shard, Range(at_least=from_instant)) for shard in shards)


def events_in(status: EventStatus) -> Merged[OutboxRow]:
    """All events in a status as one list, oldest first; those that left since the index was written drop out."""
    return Merged(table=OUTBOX, questions=partial(in_status, status), time="createdAt", keep=lambda row: status_of(row) is status)
