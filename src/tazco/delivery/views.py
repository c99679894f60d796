"""An event that has not left yet, as operators see it."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from tazco.delivery.store import status_of
from tazco.kernel.clock import to_text
from tazco.platform.http.fields import OutTime
from tazco.platform.outbox import OutboxRow, envelope


class EventView(TypedDict):
    """The envelope as it will go over the bus, and how its delivery stands."""

    eventId: str
    eventType: str
    aggregateType: str
    aggregateId: str
    sequence: int
    schemaVersion: int
    ecosystemId: str
    occurredAt: OutTime
    requestId: str
    payload: dict[str, Any]
    status: Literal["pending", "dead_letter"]
    retryCount: int
    lastError: NotRequired[str]
    nextRetryAt: NotRequired[OutTime]


def event_view(row: OutboxRow) -> dict[str, Any]:
    """A row of the outbox that is not sent yet."""
    status = status_of(row)
    assert status is not None, "what is sent has no place in this view"
    view = {**envelope(row), "status": status.value, "retryCount": row.retry_count}
    if row.last_error is not None:
        view["lastError"] = row.last_error
    if row.next_retry_at is not None:
        view["nextRetryAt"] = to_text(row.next_retry_at)
    return view
