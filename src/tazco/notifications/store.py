"""Where notifications and inbound messages are, and the questions asked of them."""

import zlib
from typing import Final

from tazco.notifications.model import DeliveryStatus, InboundMessage, Notification
from tazco.platform.tables import EntriesOf, Get, Index, Range, Table, composite

SHARDS: Final = 4

PENDING_NOTIFICATIONS: Final = Index(name="PendingNotifications", partition="pendingShard", sort="nextAttemptAt")
BY_RELATED_ENTITY: Final = Index(name="ByRelatedEntity", partition="relatedKey", sort="createdAt")
BY_STATUS: Final = Index(name="ByStatus", partition="statusShard", sort="createdAt")
BY_PROVIDER_MESSAGE: Final = Index(name="ByProviderMessage", partition="providerMessageId")
BY_WPP_MESSAGE_ID: Final = Index(name="ByWppMessageId", partition="wppMessageId")
BY_SENDER_PHONE: Final = Index(name="BySenderPhone", partition="senderPhone", sort="receivedAt")


def _shard(notification_id: str) -> int:
    return zlib.crc32(notification_id.encode()) % SHARDS


NOTIFICATIONS: Final = Table(
    name="whatsapp-notifications",
    record=Notification,
    partition="notificationId",
    indexes=(PENDING_NOTIFICATIONS, BY_RELATED_ENTITY, BY_STATUS, BY_PROVIDER_MESSAGE),
    derived=lambda each: {
        "relatedKey": composite(each.related_entity_type, each.related_entity_id),
        "pendingShard": f"pending#{_shard(each.notification_id)}" if each.next_attempt_at else None,
        "statusShard": f"{each.delivery_status.value}#{_shard(each.notification_id)}",
    },
    wiped_as="notifications",
)

INBOUND_MESSAGES: Final = Table(
    name="whatsapp-inbound",
    record=InboundMessage,
    partition="messageId",
    indexes=(BY_WPP_MESSAGE_ID, BY_SENDER_PHONE),
    wiped_as="inboundMessages",
)


def notification(notification_id: str) -> Get[Notification]:
    """The notification with this id."""
    return Get(NOTIFICATIONS, (notification_id,))


def due_at(instant: str) -> tuple[EntriesOf, ...]:
    """Notifications whose next attempt was due at an instant, one question a shard, the longest waiting first."""
    return tuple(
        EntriesOf(NOTIFICATIONS, PENDING_NOTIFICATIONS, f"pending#{shard}", Range(at_most=instant)) for shard in range(SHARDS)
    )


def in_status(status: DeliveryStatus, *, before: str | None) -> tuple[EntriesOf, ...]:
    """Notifications in a status, one question a shard, the newest first, from an instant backwards."""
    bounds = Range(at_most=before, newest_first=True)
    return tuple(EntriesOf(NOTIFICATIONS, BY_STATUS, f"{status.value}#{shard}", bounds) for shard in range(SHARDS))


def about(entity_type: str, entity_id: str, *, before: str | None) -> EntriesOf:
    """Notifications about something, the newest first, from an instant backwards."""
    bounds = Range(at_most=before, newest_first=True)
    return EntriesOf(NOTIFICATIONS, BY_RELATED_ENTITY, composite(entity_type, entity_id), bounds)


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
