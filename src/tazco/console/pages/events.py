"""Events on their way out: what waits to leave, what is not tried any more, and the queues behind the bus."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from tazco.console.frame.api_calls import path_of
from tazco.console.frame.places import place_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.visit import PAGE_ROWS, Visit
from tazco.delivery.model import EventStatus
from tazco.delivery.store import events_in
from tazco.kernel.errors import Refused
from tazco.platform.jsontext import Malformed, on_lines, parse_object
from tazco.platform.outbox import OutboxRow
from tazco.platform.outbox_watch import OutboxWatch, Waiting
from tazco.platform.queue_watch import QueueWatch, Seen

MINUTE: Final = timedelta(minutes=1)

pages = Pages()


def _status(visit: Visit) -> EventStatus:
    """By the address, or by the form that was sent from the list."""
    sent_from = visit.fields.get("status", "")
    chosen = EventStatus(sent_from) if sent_from in set(EventStatus) else visit.call.choice("status", EventStatus)
    return chosen or EventStatus.PENDING


def _binding(visit: Visit) -> tuple[str, EventStatus]:
    return "events", _status(visit)


async def _listed(visit: Visit) -> tuple[list[OutboxRow], tuple[str, ...] | None]:
    return await events_in(_status(visit)).page(visit.database, visit.position(_binding(visit)), PAGE_ROWS)


async def _outbox(visit: Visit) -> Waiting:
    return await OutboxWatch(visit.database, visit.services.clock, visit.services.metrics).look()


async def _queues(visit: Visit) -> tuple[Seen, ...]:
    watch: QueueWatch = visit.call.request.app.state.queue_watch
    return await watch.look(visit.services.aws, visit.services.settings)


async def _state(visit: Visit) -> Any:
    (rows, _), outbox, queues = await asyncio.gather(_listed(visit), _outbox(visit), _queues(visit))
    shown = [(row.event_id, row.pending_shard, row.retry_count, row.next_retry_at) for row in rows]
    return shown, outbox.dead_letters, outbox.age // MINUTE, queues


@pages.get("/events", watch=_state)
async def show_events(visit: Visit) -> Response:
    """Events in one status, oldest first, and how far behind everything is."""
    return await _page(visit)


async def _page(visit: Visit, *, http_status: int = 200, refusal: Refused | None = None) -> Response:
    (rows, position), outbox, queues = await asyncio.gather(_listed(visit), _outbox(visit), _queues(visit))
    status = _status(visit)
    return visit.page(
        "events.html",
        http_status=http_status,
        refusal=refusal,
        rows=rows,
        payload=payload_told,
        about=_about,
        status=status,
        statuses=list(EventStatus),
        outbox=outbox,
        queues=queues,
        undone=sum(each.depth.waiting for each in queues if each.dead and each.depth),
        silent=sum(each.depth is None for each in queues),
        following=visit.pages_after(_binding(visit), position, status=status),
    )


def payload_told(row: OutboxRow) -> str:
    """The payload on lines of its own; as it is where another program has written what is no JSON object."""
    try:
        return on_lines(parse_object(row.payload.encode()))
    except Malformed:
        return row.payload


def _about(row: OutboxRow) -> str | None:
    """The page of what an event happened to."""
    return place_of(row.aggregate_type, row.aggregate_id, row.ecosystem_id)


@pages.post("/events/{eventId}/redrive")
async def redrive(visit: Visit) -> Response:
    """Send it to the relay once more."""
    reply = await visit.api("POST", path_of("v1", "admin", "events", visit.call.path_id("eventId"), "redrive"))
    if reply.refused:
        return await _page(visit, http_status=reply.status, refusal=reply.refusal)
    return visit.to("/console/events", status=_status(visit), said="redriven")
