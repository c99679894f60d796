"""Redriving: an event that is stuck goes to the relay once more."""

from dataclasses import dataclass, replace
from typing import Any

from tazco.audit.commands import record_deed
from tazco.audit.model import Action, Target
from tazco.delivery.model import EventNotFound
from tazco.delivery.store import event, status_of
from tazco.kernel.ids import EventId
from tazco.platform.outbox import OUTBOX, OutboxRow, shard_of
from tazco.platform.work import Work

AS_READ = ("pendingShard", "retryCount", "nextRetryAt")
"""What a relay moves whenever it fails, gives up or succeeds; it conditions its own marks on them as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveEvent:
    """Which one."""

    event_id: EventId


async def redrive_event(command: RedriveEvent, work: Work) -> OutboxRow:
    """A dead letter waits again with all its retries before it, one that awaits a retry is due now; refuse one that is sent."""
    (row,) = await work.read(event(command.event_id))
    if row is None or not row.pending:
        raise EventNotFound
    redriven = replace(row, pending_shard=shard_of(row.aggregate_type, row.aggregate_id), retry_count=0, next_retry_at=None)
    work.amend(OUTBOX, row, redriven, as_read=AS_READ)
    record_deed(
        work,
        Action.EVENT_REDRIVEN,
        Target(type="event", id=row.event_id, ecosystem_id=row.ecosystem_id),
        previous=_values(row),
        new=_values(redriven),
        reason="Redriven",
    )
    return redriven


def _values(row: OutboxRow) -> dict[str, Any]:
    status = status_of(row)
    assert status is not None, "what is sent is not redriven"
    return {"status": status.value, "retryCount": row.retry_count}
