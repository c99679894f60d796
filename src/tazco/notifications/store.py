"""Where notifications and inbound messages are, and the questions asked of them."""

import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tazco.notifications.model import DeliveryStatus, InboundMessage, Message, Notification
from tazco.platform.merging import Merged
from tazco.platform.policy import Approver
from tazco.platform.tables import EntriesOf, Get, Index, Range, Table, composite, spread

SHARDS: Final = 4
CAUSES: Final = uuid.UUID("5f3f2f5c-7f0b-4c58-9d0a-1d2c6f0f8e11")
"""The namespace of ids that follow from a cause and a recipient."""

PENDING_NOTIFICATIONS: Final = Index(name="PendingNotifications", partition="pendingShard", sort="nextAttemptAt")
BY_RELATED_ENTITY: Final = Index(name="ByRelatedEntity", partition="relatedKey", sort="createdAt")
BY_STATUS: Final = Index(name="ByStatus", partition="statusShard", sort="createdAt")
BY_PROVIDER_MESSAGE: Final = Index(name="ByProviderMessage", partition="providerMessageId")
BY_WPP_MESSAGE_ID: Final = Index(name="ByWppMessageId", partition="wppMessageId")
BY_SENDER_PHONE: Final = Index(name="BySenderPhone", partition="senderPhone", sort="receivedAt")
UNFINISHED_MESSAGES: Final = Index(name="UnfinishedMessages", partition="unfinishedShard", sort="receivedAt")


NOTIFICATIONS: Final = Table(
    name="whatsapp-notifications",
    record=Notification,
    partition="notificationId",
    indexes=(PENDING_NOTIFICATIONS, BY_RELATED_ENTITY, BY_STATUS, BY_PROVIDER_MESSAGE),
    derived=lambda each: {
        "relatedKey": composite(each.related_entity_type, each.related_entity_id),
        "pendingShard": f"pending#{spread(each.notification_id, SHARDS)}" if each.next_attempt_at else None,
        "statusShard": f"{each.delivery_status.value}#{spread(each.notification_id, SHARDS)}",
    },
    wiped_as="notifications",
)

INBOUND_KEPT: Final = timedelta(days=30)
"""Providers repeat a message for a week at most; what came of one stands in the audit."""

INBOUND_MESSAGES: Final = Table(
    name="whatsapp-inbound",
    record=InboundMessage,
    partition="messageId",
    ttl="expiresAt",
    indexes=(BY_WPP_MESSAGE_ID, BY_SENDER_PHONE, UNFINISHED_MESSAGES),
    derived=lambda each: {
        "unfinishedShard": None if each.outcome else f"unfinished#{spread(each.message_id, SHARDS)}",
        "expiresAt": int((each.received_at + INBOUND_KEPT).timestamp()),
    },
    wiped_as="inboundMessages",
)


def notification(notification_id: str) -> Get[Notification]:
    """The notification with this id."""
    return Get(NOTIFICATIONS, (notification_id,))


def notification_id(cause: str, approver: Approver) -> str:
    """The id of what an approver is told because of something: the same for every redelivery of the cause."""
    recipient = approver.phone or approver.user_id
    assert recipient, "an approver has a phone or a user id"
    return str(uuid.uuid5(CAUSES, composite(cause, recipient)))


def addressed(message: Message, approver: Approver, now: datetime) -> Notification:
    """A message to one approver, due at once."""
    return Notification(
        notification_id=notification_id(message.cause, approver),
        notification_type=message.kind,
        related_entity_type=message.entity_type,
        related_entity_id=message.entity_id,
        ecosystem_id=message.ecosystem_id,
        recipient_name=approver.name,
        recipient_phone=approver.phone,
        recipient_user_id=approver.user_id,
        content=message.content,
        provider=message.provider,
        created_at=now,
        next_attempt_at=now,
        queued_at=message.queued_at,
        receives=message.receives,
    )


def due_at(instant: str, *, rows_max: int) -> tuple[EntriesOf, ...]:
    """Notifications whose next attempt was due at an instant, one question a shard, the longest waiting first."""
    bounds = Range(at_most=instant, rows_max=rows_max)
    return tuple(EntriesOf(NOTIFICATIONS, PENDING_NOTIFICATIONS, f"pending#{shard}", bounds) for shard in range(SHARDS))


def in_status(statuses: frozenset[DeliveryStatus], before: str | None) -> tuple[EntriesOf, ...]:
    """Notifications in some statuses, one question a status and shard, the newest first, from an instant backwards."""
    bounds = Range(at_most=before, newest_first=True)
    shards = [f"{status.value}#{shard}" for status in sorted(statuses) for shard in range(SHARDS)]
    return tuple(EntriesOf(NOTIFICATIONS, BY_STATUS, shard, bounds) for shard in shards)


def about(entity_type: str, entity_id: str, before: str | None) -> tuple[EntriesOf, ...]:
    """Notifications about something, the newest first, from an instant backwards."""
    bounds = Range(at_most=before, newest_first=True)
    return (EntriesOf(NOTIFICATIONS, BY_RELATED_ENTITY, composite(entity_type, entity_id), bounds),)


def listed(statuses: frozenset[DeliveryStatus], entity: tuple[str, str] | None) -> Merged[Notification]:
    """Notifications in some statuses, about something or about anything, as one list, the newest first."""
    return Merged(
        table=NOTIFICATIONS,
        questions=partial(about, *entity) if entity else partial(in_status, statuses),
        time="createdAt",
        keep=lambda each: each.delivery_status in statuses,
        newest_first=True,
    )


def sent_as(provider_message_id: str) -> EntriesOf:
    """The notification that the provider knows under an id; one sent this instant may not be there yet."""
    return EntriesOf(NOTIFICATIONS, BY_PROVIDER_MESSAGE, provider_message_id)


def inbound(message_id: str) -> Get[InboundMessage]:
    """The inbound message with this id."""
    return Get(INBOUND_MESSAGES, (message_id,))


def inbound_id(provider: str, provider_message_id: str) -> str:
    """Our id for a provider's message: the same for every redelivery."""
    return composite(provider, provider_message_id)


def messages_from(sender: str, *, since: str | None = None, rows_max: int | None = None) -> EntriesOf:
    """Messages from a phone or user id, the newest first."""
    bounds = Range(at_least=since, newest_first=True, rows_max=rows_max)
    return EntriesOf(INBOUND_MESSAGES, BY_SENDER_PHONE, sender, bounds)


def unfinished(*, until: str) -> tuple[EntriesOf, ...]:
    """Messages received before an instant of which nothing has come yet, one question a shard, the longest waiting first."""
    bounds = Range(at_most=until)
    return tuple(EntriesOf(INBOUND_MESSAGES, UNFINISHED_MESSAGES, f"unfinished#{shard}", bounds) for shard in range(SHARDS))
