"""Where notifications and inbound messages are."""

from typing import Final

from tazco.notifications.model import InboundMessage, Notification
from tazco.platform.tables import Index, Table, composite

PENDING_NOTIFICATIONS: Final = Index(name="PendingNotifications", partition="pendingShard", sort="nextAttemptAt")
BY_RELATED_ENTITY: Final = Index(name="ByRelatedEntity", partition="relatedKey", sort="createdAt")
BY_WPP_MESSAGE_ID: Final = Index(name="ByWppMessageId", partition="wppMessageId")
BY_SENDER_PHONE: Final = Index(name="BySenderPhone", partition="senderPhone", sort="receivedAt")

NOTIFICATIONS: Final = Table(
    name="whatsapp-notifications",
    record=Notification,
    partition="notificationId",
    indexes=(PENDING_NOTIFICATIONS, BY_RELATED_ENTITY),
    derived=lambda each: {"relatedKey": composite(each.related_entity_type, each.related_entity_id)},
    wiped_as="notifications",
)

INBOUND_MESSAGES: Final = Table(
    name="whatsapp-inbound",
    record=InboundMessage,
    partition="messageId",
    indexes=(BY_WPP_MESSAGE_ID, BY_SENDER_PHONE),
    wiped_as="inboundMessages",
)
