"""Card requests: the queue, and one request with everything that helps to decide it."""

import asyncio
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from tazco.audit.model import Action, AuditEntry
from tazco.audit.store import entries_about
from tazco.card_requests.commands import limit_of
from tazco.card_requests.model import CardRequest, RequestNotFound, RequestStatus
from tazco.card_requests.rules import days_pending, requires_attention
from tazco.card_requests.store import named_by_id, queue_of, request
from tazco.cards.store import cards_of
from tazco.console.frame.actors import actor_told
from tazco.console.frame.api_calls import number_or_text, path_of
from tazco.console.frame.request_rows import request_rows
from tazco.console.frame.routing import Pages
from tazco.console.frame.visit import PAGE_ROWS, Visit
from tazco.kernel.errors import Refused
from tazco.kernel.money import Money
from tazco.notifications.model import DeliveryStatus, Notification
from tazco.notifications.store import listed
from tazco.scores.store import latest_steps_of
from tazco.trackers.store import tracker
from tazco.users.model import User
from tazco.users.store import user

MESSAGES_MAX: Final = 40
DEEDS_MAX: Final = 10
SORTS: Final = ("oldest", "newest")

pages = Pages()


def _filters(visit: Visit) -> tuple[RequestStatus, str]:
    status = visit.call.choice("status", RequestStatus) or RequestStatus.PENDING
    sort = "newest" if visit.given("sort") == "newest" else "oldest"
    return status, sort


async def _listed(visit: Visit) -> tuple[list[CardRequest], tuple[str, ...] | None]:
    status, sort = _filters(visit)
    queue = queue_of(status, newest_first=sort == "newest")
    return await queue.page(visit.database, visit.position(("requests", status, sort)), PAGE_ROWS)


async def _shown(visit: Visit) -> Any:
    page, _ = await _listed(visit)
    return [(each.request_id, requires_attention(each, visit.policy.attention_days, visit.now)) for each in page]


@pages.get("/requests", watch=_shown)
async def show_queue(visit: Visit) -> Response:
    """Requests in one status, oldest first unless asked otherwise."""
    status, sort = _filters(visit)
    page, position = await _listed(visit)
    rows = await request_rows(visit, page)
    following = visit.pages_after(("requests", status, sort), position, status=status, sort=sort)
    return visit.page(
        "requests.html", rows=rows, status=status, statuses=list(RequestStatus), sort=sort, sorts=SORTS, following=following
    )


async def _found(visit: Visit) -> CardRequest:
    """The request of this page, by the index and then by its key."""
    request_id = visit.call.path_id("requestId")
    (entries,) = await visit.database.read(named_by_id(request_id))
    if not entries:
        raise RequestNotFound
    (found,) = await visit.database.read(request(entries[0]["ecosystemId"], request_id))
    if found is None:
        raise RequestNotFound
    return found


async def _state(visit: Visit) -> Any:
    found = await _found(visit)
    owner, awaited = await visit.database.read(user(found.ecosystem_id), tracker(found.request_id))
    return found.version, owner and owner.version, awaited and awaited.version, await _messages(visit, found)


async def _messages(visit: Visit, found: CardRequest) -> list[Notification]:
    about = ("cardRequest", found.request_id)
    page, _ = await listed(frozenset(DeliveryStatus), about).page(visit.database, None, MESSAGES_MAX)
    return page[::-1]


@pages.get("/requests/{requestId}", watch=_state)
async def show_request(visit: Visit) -> Response:
    """Who asks, why the score is what it is, what approvers were asked, and the decision or the two forms for it."""
    return await _page(visit)


async def _page(visit: Visit, *, http_status: int = 200, refusal: Refused | None = None) -> Response:
    found = await _found(visit)
    owner_id = found.ecosystem_id
    questions = (user(owner_id), cards_of(owner_id), latest_steps_of(owner_id), tracker(found.request_id))
    (owner, cards, steps, awaited), messages, (deeds,) = await asyncio.gather(
        visit.database.read(*questions),
        _messages(visit, found),
        visit.database.read(entries_about("card-request", found.request_id, before=None, rows_max=DEEDS_MAX)),
    )
    return visit.page(
        "request.html",
        http_status=http_status,
        refusal=refusal,
        request=found,
        owner=owner,
        cards=cards,
        steps=steps,
        tracker=awaited,
        messages=messages,
        decision=_decision(deeds),
        actor=partial(actor_told, visit.policy.approvers),
        limit_refused=bool(owner) and _about_limit(refusal),
        bounds=_bounds(visit, owner),
        days=days_pending(found.created_at, visit.now),
        attention=requires_attention(found, visit.policy.attention_days, visit.now),
    )


def _about_limit(refusal: Refused | None) -> bool:
    """Whether the limit that was typed is what the API refused."""
    details = refusal.details if refusal else {}
    return details.get("field") == "creditLimit" or "maximumLimit" in details


def _decision(deeds: tuple[AuditEntry, ...]) -> AuditEntry | None:
    """The deed that decided the request; none where the score alone did."""
    return next((deed for deed in deeds if deed.action in (Action.REQUEST_APPROVED, Action.REQUEST_REJECTED)), None)


def _bounds(visit: Visit, owner: User | None) -> tuple[Money, Money] | None:
    """The lowest and highest limit that may be granted now."""
    return (visit.policy.minimum_limit, limit_of(owner.tier, visit.policy)) if owner else None


@pages.post("/requests/{requestId}/approve")
async def approve(visit: Visit) -> Response:
    """Grant a card with the limit that was typed."""
    return await _decide(visit, "approve", {"creditLimit": number_or_text(visit.fields.get("limit", ""))})


@pages.post("/requests/{requestId}/reject")
async def reject(visit: Visit) -> Response:
    """Turn the request down with the reason that was typed."""
    return await _decide(visit, "reject", {"reason": visit.fields.get("reason", "")})


async def _decide(visit: Visit, verb: str, body: dict[str, Any]) -> Response:
    request_id = visit.call.path_id("requestId")
    reply = await visit.api("POST", path_of("v1", "admin", "card-requests", request_id, verb), body)
    if reply.refused:
        return await _page(visit, http_status=reply.status, refusal=reply.refusal)
    return visit.to(path_of("console", "requests", request_id), said=verb)


@pages.get("/requests/{requestId}/approve")
@pages.get("/requests/{requestId}/reject")
async def back_to_request(visit: Visit) -> Response:
    """After a refusal the address is that of the form; loaded again it leads to the request."""
    return visit.to(path_of("console", "requests", visit.call.path_id("requestId")))
