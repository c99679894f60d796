"""The operators' view of events that have not left yet: GET /v1/admin/events and POST /v1/admin/events/{eventId}/redrive."""

from functools import partial

from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.delivery.commands import RedriveEvent, redrive_event
from tazco.delivery.model import EventStatus
from tazco.delivery.store import events_in
from tazco.delivery.views import EventView, event_view
from tazco.kernel.errors import Code
from tazco.kernel.ids import EventId
from tazco.platform.http.call import Call, success
from tazco.platform.http.fields import Body
from tazco.platform.http.routing import ADMIN_KEY_CHARACTERS_MAX, Choice, Doc, Routes
from tazco.platform.http.schema import PaginationView

routes = Routes()


class RedriveBody(Body):
    """Nothing; it may be missing."""


class EventList(TypedDict):
    """Events in one status, oldest first."""

    events: list[EventView]
    pagination: PaginationView


class EventReply(TypedDict):
    """One event."""

    event: EventView


LIST = Doc(
    summary="Events that have not left yet",
    tag="Operators: events",
    replies={200: EventList},
    refusals=(Code.VALIDATION_ERROR,),
    query={
        "status": Choice("pending unless given; that includes those awaiting a retry", list(EventStatus)),
        "cursor": "where to go on",
        "limit": "1 to 100, default 20",
    },
    operator=True,
)


@routes.get("/v1/admin/events", LIST)
async def list_events(call: Call) -> Response:
    """Events that wait for the bus, or dead letters, oldest first; the index behind it may lag by moments."""
    caller = await call.operator()
    status = call.choice("status", EventStatus) or EventStatus.PENDING
    binding = ("events", caller.actor_id, status.value)
    after = call.cursor(binding)
    page, position = await events_in(status).page(call.services.database, after, call.page_size)
    return call.reply({"events": [event_view(row) for row in page], "pagination": call.pagination(binding, position)})


REDRIVE = Doc(
    summary="Send an event again that is stuck",
    tag="Operators: events",
    replies={200: EventReply},
    refusals=(Code.NOT_FOUND,),
    body=RedriveBody,
    body_required=False,
    example={},
    key_characters_max=ADMIN_KEY_CHARACTERS_MAX,
    operator=True,
)


@routes.post("/v1/admin/events/{eventId}/redrive", REDRIVE)
async def redrive(call: Call) -> Response:
    """A dead letter becomes pending with its retries before it; an event that awaits a retry is due now."""
    caller = await call.operator()
    key = call.key()
    body = await call.body(RedriveBody, optional=True)
    command = RedriveEvent(event_id=EventId(call.path_id("eventId")))
    return await call.once(
        caller,
        key,
        operation=f"redrive-event/{command.event_id}",
        asked=body.model_dump(),
        lane=f"event#{command.event_id}",
        use_case=partial(redrive_event, command),
        render=lambda row: success({"event": event_view(row)}),
    )
