"""Rows as the rules of a timeline take them: what the outbox, the webhooks and the approvers' phones wrote, without phone numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from tazco.approvals.commands import origin_of
from tazco.approvals.model import instruction_kept
from tazco.notifications.model import InboundMessage, Notification
from tazco.notifications.store import notification_id
from tazco.platform.jsontext import Malformed, parse_object
from tazco.platform.logs import scrubbed
from tazco.platform.outbox import OutboxRow
from tazco.platform.phones import without_phones
from tazco.platform.policy import Approver
from tazco.timeline.model import Aggregate, Happened, Heard, Told, Value
from tazco.timeline.rules.drafts import REQUESTED
from tazco.trackers.model import Tracker

REACTED_AFTER_MAX: Final = timedelta(minutes=30)
"""After that a queue has either had its reaction or made a dead letter."""

PAYMENT: Final = "transaction.payment"
FACTS: Final = (
    "amount", "merchant", "newBalance", "newAvailableCredit", "paymentStatus", "daysOverdue", "scoreImpact", "previousScore",
    "newScore", "delta", "newTier", "initialScore", "tier", "productId", "approvedLimit", "requestId", "transactionId",
    "scoreAtRequest", "tierAtRequest", "failureReason", "balance", "previousStatus", "finalBalance", "reason", "source",
)  # fmt: skip
"""What is told of a payload."""


def happened(row: OutboxRow, trackers: Mapping[str, Tracker], now: datetime, *, reacting: bool) -> Happened:
    """An event; `reacting` says that approvers are told of things at all."""
    return Happened(
        event_id=row.event_id,
        type=row.event_type,
        aggregate=Aggregate(type=row.aggregate_type, id=row.aggregate_id, ecosystem_id=row.ecosystem_id),
        sequence=row.sequence,
        at=row.occurred_at,
        correlation_id=row.request_id,
        facts=facts_of(row),
        left_at=None if row.pending else row.published_at,
        retries=row.retry_count,
        last_error=row.last_error,
        next_retry_at=row.next_retry_at,
        dead=row.dead,
        awaited=reacting and _awaited(row, trackers.get(row.aggregate_id), now),
    )


def _awaited(row: OutboxRow, asked: Tracker | None, now: datetime) -> bool:
    """Whether approvers should be told of it and it may still be on its way to them."""
    if row.published_at is None or now - row.published_at > REACTED_AFTER_MAX:
        return False
    if row.event_type == REQUESTED:
        return asked is not None and asked.open and not asked.overdue(now)
    return row.event_type == PAYMENT


def facts_of(row: OutboxRow) -> dict[str, Value]:
    """The short facts of a payload, as the wire spells them."""
    payload = payload_of(row)
    return {name: _fact(payload[name]) for name in FACTS if isinstance(payload.get(name), str | int | Decimal)}


def payload_of(row: OutboxRow) -> Mapping[str, Any]:
    """The payload; nothing where another program has written what is no JSON object."""
    try:
        return parse_object(row.payload.encode())
    except Malformed:
        return {}


def _fact(value: str | Decimal) -> Value:
    return scrubbed(value) if isinstance(value, str) else value


def heard(row: InboundMessage) -> Heard:
    """An inbound message under the correlation id of what it did; a command that names no code may be anything."""
    command = row.command and (row.command if instruction_kept(row.command).code else scrubbed(row.command))
    return Heard(correlation_id=origin_of(row).correlation_id, row=replace(row, command=command))


def told(row: Notification, causes: Iterable[str]) -> Told:
    """A notification and which of these events or messages caused it: its id follows from cause and recipient."""
    approver = Approver(name=row.recipient_name, phone=row.recipient_phone, user_id=row.recipient_user_id)
    return Told(cause=next((each for each in causes if notification_id(each, approver) == row.notification_id), None), row=row)


def tracked(row: Tracker) -> Tracker:
    """A tracker as anybody may see it."""
    return replace(row, responded_by=row.responded_by and without_phones(row.responded_by))
