"""Notifications: who was told what over WhatsApp, and how far it got."""

from typing import Any, Final

from starlette.responses import Response

from tazco.console.frame.api_calls import path_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.visit import PAGE_ROWS, Visit
from tazco.kernel.errors import Invalid
from tazco.notifications.commands import NOBODY
from tazco.notifications.model import DeliveryStatus, Notification
from tazco.notifications.store import listed
from tazco.notifications.views import masked

ENTITY_TYPES: Final = ("cardRequest", "transaction", "inboundMessage")
ID_BYTES_MAX: Final = 600

pages = Pages()


def _entity(visit: Visit) -> tuple[str, str] | None:
    """What the messages have to be about; without an id about anything."""
    entity_id = visit.given("id")
    if len(entity_id.encode()) > ID_BYTES_MAX:
        raise Invalid(f"An id has at most {ID_BYTES_MAX} bytes.", field="id")
    return (visit.given("type") or ENTITY_TYPES[0], entity_id) if entity_id else None


def _filters(visit: Visit) -> tuple[DeliveryStatus | None, tuple[str, str] | None]:
    return visit.call.choice("status", DeliveryStatus), _entity(visit)


async def _listed(visit: Visit) -> tuple[list[Notification], tuple[str, ...] | None]:
    status, entity = _filters(visit)
    statuses = frozenset(DeliveryStatus) if status is None else frozenset((status,))
    return await listed(statuses, entity).page(visit.database, visit.position(("notifications", status, entity)), PAGE_ROWS)


async def _state(visit: Visit) -> Any:
    rows, _ = await _listed(visit)
    return [(row.notification_id, row.version) for row in rows]


@pages.get("/notifications", watch=_state)
async def show_notifications(visit: Visit) -> Response:
    """Messages in a status, about something, or all; the newest first."""
    status, entity = _filters(visit)
    rows, position = await _listed(visit)
    kind, entity_id = entity or ("", "")
    binding = ("notifications", status, entity)
    return visit.page(
        "notifications.html",
        rows=rows,
        status=status,
        statuses=list(DeliveryStatus),
        types=ENTITY_TYPES,
        kind=kind,
        entity_id=entity_id,
        recipient=lambda row: masked(row.recipient_phone or row.recipient_user_id or ""),
        about=_about,
        person=_person,
        following=visit.pages_after(binding, position, status=status or "", type=kind, id=entity_id),
    )


def _about(row: Notification) -> str | None:
    """The page of what a message is about; a payment has none without its card."""
    return path_of("console", "requests", row.related_entity_id) if row.related_entity_type == ENTITY_TYPES[0] else None


def _person(row: Notification) -> str | None:
    """The page of the person whom it concerns; a message that nobody understood concerns nobody."""
    return None if row.ecosystem_id == NOBODY else path_of("console", "people", row.ecosystem_id)
