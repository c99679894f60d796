"""A notification as operators see it: who, about what, how far; neither its text nor the whole number."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from tazco.kernel.clock import to_text
from tazco.notifications.model import Notification
from tazco.notifications.rules import HIDDEN, LAST_FOUR
from tazco.platform.http.fields import OutTime
from tazco.platform.phones import without_phones


class NotificationView(TypedDict):
    """One message to one approver."""

    notificationId: str
    notificationType: Literal["card_request_approval", "payment_notification", "approval_reply"]
    relatedEntityType: str
    relatedEntityId: str
    ecosystemId: str
    recipientPhone: str
    recipientName: str
    deliveryStatus: Literal["pending", "sent", "delivered", "read", "failed", "dead_letter"]
    provider: str
    providerMessageId: NotRequired[str]
    retryCount: int
    createdAt: OutTime
    sentAt: NotRequired[OutTime]


def notification_view(row: Notification) -> NotificationView:
    """A notification with its recipient masked; what has not happened yet is left out."""
    view: NotificationView = {
        "notificationId": row.notification_id,
        "notificationType": row.notification_type.value,
        "relatedEntityType": row.related_entity_type,
        "relatedEntityId": row.related_entity_id,
        "ecosystemId": row.ecosystem_id,
        "recipientPhone": masked(row.recipient_phone or row.recipient_user_id or ""),
        "recipientName": row.recipient_name,
        "deliveryStatus": row.delivery_status.value,
        "provider": row.provider,
        "retryCount": row.retry_count,
        "createdAt": to_text(row.created_at),
    }
    if row.provider_message_id is not None:
        view["providerMessageId"] = without_phones(row.provider_message_id)
    if row.sent_at is not None:
        view["sentAt"] = to_text(row.sent_at)
    return view


def masked(identity: str) -> str:
    """`****-0000`: the last four characters of a phone or user id."""
    return f"{HIDDEN}-{identity[-LAST_FOUR:]}"
