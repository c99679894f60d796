"""GET /v1/admin/notifications."""

from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.kernel.errors import Code, Invalid
from tazco.notifications.model import DeliveryStatus
from tazco.notifications.store import listed
from tazco.notifications.views import NotificationView, notification_view
from tazco.platform.http.call import Call
from tazco.platform.http.routing import Choice, Doc, Routes
from tazco.platform.http.schema import PaginationView

ID_BYTES_MAX = 600

routes = Routes()


class NotificationList(TypedDict):
    """Notifications, newest first."""

    notifications: list[NotificationView]
    pagination: PaginationView


DOC = Doc(
    summary="Who was told what, and how far it got",
    tag="Operators: notifications",
    replies={200: NotificationList},
    refusals=(Code.VALIDATION_ERROR,),
    query={
        "status": Choice("any unless given", list(DeliveryStatus)),
        "relatedEntityType": "cardRequest, transaction or inboundMessage; with relatedEntityId",
        "relatedEntityId": "id of what the message is about",
        "cursor": "where to go on",
        "limit": "1 to 100, default 20",
    },
    operator=True,
)


@routes.get("/v1/admin/notifications", DOC)
async def list_notifications(call: Call) -> Response:
    """Messages to approvers in a status, about something, or all; newest first. The indexes behind it may lag by moments."""
    caller = await call.operator()
    status, entity = call.choice("status", DeliveryStatus), _entity(call)
    binding = ("notifications", caller.actor_id, status, entity)
    after = call.cursor(binding)
    statuses = frozenset(DeliveryStatus) if status is None else frozenset((status,))
    page, position = await listed(statuses, entity).page(call.services.database, after, call.page_size)
    return call.reply(
        {"notifications": [notification_view(each) for each in page], "pagination": call.pagination(binding, position)}
    )


def _entity(call: Call) -> tuple[str, str] | None:
    """What the notifications have to be about; refuse half of it."""
    given = {name: call.query(name) for name in ("relatedEntityType", "relatedEntityId")}
    absent = next((name for name, value in given.items() if value is None), None)
    kind, entity_id = given.values()
    if kind is None and entity_id is None:
        return None
    if kind is None or entity_id is None:
        raise Invalid(f"{absent} is missing: give relatedEntityType and relatedEntityId, or neither.", field=absent)
    if any(len(value.encode()) > ID_BYTES_MAX for value in (kind, entity_id)):
        raise Invalid(f"An id has at most {ID_BYTES_MAX} bytes.", field="relatedEntityId")
    return kind, entity_id
