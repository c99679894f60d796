"""A message to an approver and how it got there; a message from one and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.kernel.money import Money
from tazco.kernel.record import Versioned


class Kind(StrEnum):
    """Why a message is sent."""

    APPROVAL = "card_request_approval"
    PAYMENT = "payment_notification"
    REPLY = "approval_reply"


class Said(StrEnum):
    """What an approver is told about an answer of theirs."""

    APPROVED = "approved"
    REJECTED = "rejected"
    ALREADY_DECIDED = "already_decided"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"
    OWNER_GONE = "owner_gone"
    OWNER_DISABLED = "owner_disabled"
    HAS_CARD = "has_card"


class DeliveryStatus(StrEnum):
    """How far a message got. What the provider tells only moves forward."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    DEAD_LETTER = "dead_letter"


UNSENT: Final = frozenset((DeliveryStatus.PENDING, DeliveryStatus.FAILED))
"""Still to be sent, for the first time or again."""

FOLLOWS: Final[Mapping[DeliveryStatus, frozenset[DeliveryStatus]]] = MappingProxyType(
    {
        DeliveryStatus.SENT: frozenset((DeliveryStatus.PENDING,)),
        DeliveryStatus.DELIVERED: UNSENT | {DeliveryStatus.SENT, DeliveryStatus.DEAD_LETTER},
        DeliveryStatus.READ: UNSENT | {DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD_LETTER},
        DeliveryStatus.FAILED: frozenset((DeliveryStatus.PENDING, DeliveryStatus.SENT)),
    }
)
"""After which status the provider's word on the next one counts. What was delivered is delivered, whatever we thought of it: a
send whose answer got lost looks failed to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyContent:
    """What an approver is told about an answer of theirs. `code` is how they know the request: its code, or what they typed.

    `limit` goes with `Said.APPROVED`; `request_id` and `owner` are absent where there is no request.
    """

    said: Said
    code: str
    limit: Money | None = None
    request_id: CardRequestId | None = None
    owner: EcosystemId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be said, because of what and about what; `content` is JSON. To whom comes when it is addressed.

    `queued_at` and `receives` tell how the event came that caused it; nothing came where a webhook did.
    """

    kind: Kind
    cause: str
    entity_type: str
    entity_id: str
    ecosystem_id: EcosystemId
    provider: str
    content: str
    queued_at: datetime | None = None
    receives: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Versioned):
    """One message to one recipient; the id follows from its cause and the recipient, so that a redelivered event sends nothing twice.

    `content` is the JSON of what the text will say; the text itself is made when it is sent. `next_attempt_at` is there while it
    still has to be sent: when that is due, and while somebody is sending it, when somebody else may take it over. `as_template` says
    how the newest attempt goes out; `retry_count` how often it was put off after a failure. `queued_at` is when the queue got the
    event that caused it, `receives` how often it had handed it out by then.
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
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    queued_at: datetime | None = None
    receives: int | None = None

    def due(self, now: datetime) -> bool:
        """It has to be sent, and nobody is at it."""
        return self.delivery_status in UNSENT and self.next_attempt_at is not None and self.next_attempt_at <= now

    def claimed(self, until: datetime) -> "Notification":
        """The notification while somebody sends it; from `until` on somebody else may."""
        return replace(self, next_attempt_at=until)

    def accepted(self, provider: str, provider_message_id: str, *, as_template: bool, now: datetime) -> "Notification":
        """The provider has taken the message. A status of it that came in before this was written down stands."""
        sent_at = min(filter(None, (now, self.delivered_at, self.read_at)))
        known = replace(self, provider=provider, provider_message_id=provider_message_id, as_template=as_template, sent_at=sent_at)
        if self.delivery_status not in UNSENT or self.provider_message_id == provider_message_id:
            return known
        return replace(known, delivery_status=DeliveryStatus.SENT, next_attempt_at=None)

    def put_off(self, error: str, until: datetime) -> "Notification":
        """An attempt failed; the next one is due later."""
        return replace(
            self,
            delivery_status=DeliveryStatus.FAILED,
            retry_count=self.retry_count + 1,
            last_error=error,
            next_attempt_at=until,
        )

    def given_up(self, error: str) -> "Notification":
        """No further attempt."""
        return replace(self, delivery_status=DeliveryStatus.DEAD_LETTER, last_error=error, next_attempt_at=None)

    def due_as_template(self, error: str, now: datetime) -> "Notification":
        """Only a template arrives any more: the next attempt is due at once, and goes out as one."""
        failed = DeliveryStatus.FAILED
        return replace(self, delivery_status=failed, as_template=True, last_error=error, next_attempt_at=now)

    def heeds(self, status: DeliveryStatus, provider_message_id: str) -> bool:
        """Whether the provider's word changes anything: it comes in any order and repeatedly, and only moves forward.

        A failure counts only of the newest message: one that was sent again does not fail twice.
        """
        stale = self.provider_message_id not in (None, provider_message_id)
        if status is DeliveryStatus.FAILED and stale:
            return False
        return self.delivery_status in FOLLOWS.get(status, frozenset())

    def told(self, status: DeliveryStatus, provider_message_id: str, at: datetime) -> "Notification":
        """The notification after word of the provider that the message got further at that instant; there is nothing left to send."""
        assert status is not DeliveryStatus.FAILED, "a failure is judged: put off, given up, or due as a template"
        further = replace(self, delivery_status=status, provider_message_id=provider_message_id, next_attempt_at=None)
        at = max(at, self.sent_at or self.created_at)  # providers count whole seconds: nothing is read before it is sent
        match status:
            case DeliveryStatus.DELIVERED:
                return replace(further, delivered_at=at)
            case DeliveryStatus.READ:
                return replace(further, read_at=at)
            case _:
                return further


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
