"""A notification, and a message that came in."""

from dataclasses import dataclass
from datetime import datetime

from tazco.kernel.record import Record, Versioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Versioned):
    """One message to one recipient; the id follows from event and recipient, so that a redelivered event sends nothing twice."""

    notification_id: str
    notification_type: str
    related_entity_type: str
    related_entity_id: str
    ecosystem_id: str
    recipient_name: str
    recipient_phone: str | None = None
    recipient_user_id: str | None = None
    text: str
    delivery_status: str
    provider: str
    provider_message_id: str | None = None
    retry_count: int = 0
    last_error: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    pending_shard: str | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage(Record):
    """A message of an operator; the id follows from the provider's, so that it is inserted once."""

    message_id: str
    wpp_message_id: str
    sender_phone: str | None = None
    received_at: datetime
    outcome: str | None = None
