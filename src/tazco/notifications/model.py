"""A message to an approver and how it got there; a message from one and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tazco.kernel.ids import EcosystemId
from tazco.kernel.record import Versioned


class Kind(StrEnum):
    """Why a message is sent."""

    APPROVAL = "card_request_approval"
    PAYMENT = "payment_notification"
    REPLY = "approval_reply"


class DeliveryStatus(StrEnum):
    """How far a message got. What the provider tells only moves forward."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Versioned):
    """One message to one recipient; the id follows from its cause and the recipient, so that a redelivered event sends nothing twice.

    `content` is the JSON of what the text will say; the text itself is made when it is sent. `next_attempt_at` is there while it
    still has to be sent: when that is due, and while somebody is sending it, when somebody else may take it over.
    """

    notification_id: str
    notification_type: Kind
    related_entity_type: str
    related_entity_id: str
    ecosystem_id: EcosystemId
    recipient_name: str
    recipient_phone: str | None = None
    recipient_user_id: str | None = None
    content: str
    delivery_status: DeliveryStatus = DeliveryStatus.PENDING
    provider: str
    provider_message_id: str | None = None
    as_template: bool = False
    retry_count: int = 0
    last_error: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage(Versioned):
    """A message that somebody sent us. The id follows from provider and the provider's id, so that it is inserted once.

    `sender_phone` is the phone, or the user id where no phone is known. `command` is what an enrolled approver asked for, in our own
    words; `outcome` the JSON of what became of it, absent while that is unfinished.
    """

    message_id: str
    provider: str
    wpp_message_id: str
    sender_phone: str
    sender_user_id: str | None = None
    received_at: datetime
    command: str | None = None
    outcome: str | None = None
