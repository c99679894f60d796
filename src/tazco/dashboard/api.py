"""GET /v1/dashboard, and the operators' page of a person."""

import hashlib
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final, Literal, NotRequired

from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.card_requests.model import CardRequest
from tazco.card_requests.store import latest, requests_of
from tazco.card_requests.views import REVIEW_TIME, AdminRequestView, admin_request_view
from tazco.cards.model import Card
from tazco.cards.store import cards_of, newest_first
from tazco.cards.views import CardDetail, CardSummary, card_detail, card_summary
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Code
from tazco.platform.http.call import Call, registered
from tazco.platform.http.edge import JSON_TYPE
from tazco.platform.http.fields import OutTime
from tazco.platform.http.routing import Doc, Routes
from tazco.platform.jsontext import encode
from tazco.users.model import User, UserNotFound
from tazco.users.store import user
from tazco.users.views import UserView, user_view

APPLY: Final = {
    "type": "apply_for_card",
    "message": "You have no card yet. See what you may apply for.",
    "link": "/v1/offers",
}
ONE_SECOND: Final = timedelta(seconds=1)

routes = Routes()


class DashboardUser(TypedDict):
    """Who it is."""

    ecosystemId: str
    email: str
    score: int
    tier: Literal["high", "medium", "low"]
    status: Literal["active", "disabled"]


class PendingRequestView(TypedDict):
    """A request that waits."""

    requestId: str
    productId: str
    status: Literal["pending"]
    submittedAt: OutTime
    estimatedReviewTime: str


class SuggestedAction(TypedDict):
    """What to do next."""

    type: str
    message: str
    link: str


class DashboardReply(TypedDict):
    """A person at a glance."""

    user: DashboardUser
    cards: list[CardSummary]
    pendingRequests: list[PendingRequestView]
    suggestedActions: NotRequired[list[SuggestedAction]]
    lastUpdated: OutTime


class PersonReply(TypedDict):
    """A person as an operator sees them."""

    user: UserView
    cards: list[CardDetail]
    pendingRequests: list[AdminRequestView]


def last_updated(person: User, cards: tuple[Card, ...], requests: tuple[CardRequest, ...]) -> datetime:
    """When anything on the dashboard, or the newest request in any status, last changed."""
    newest = latest(requests)
    instants = [person.updated_at, *(card.updated_at for card in cards)]
    return max([*instants, newest.updated_at] if newest else instants)


def dashboard_view(person: User, cards: tuple[Card, ...], requests: tuple[CardRequest, ...]) -> dict[str, Any]:
    """The dashboard as the wire shows it; of several pending requests the newest."""
    waiting = latest(tuple(each for each in requests if each.pending))
    view: dict[str, Any] = {
        "user": {
            "ecosystemId": person.ecosystem_id,
            "email": person.email,
            "score": person.current_score,
            "tier": person.tier.value,
            "status": person.status.value,
        },
        "cards": [card_summary(card) for card in newest_first(cards)],
        "pendingRequests": [_waiting_view(waiting)] if waiting else [],
    }
    if not cards and not waiting:
        view["suggestedActions"] = [APPLY]
    view["lastUpdated"] = to_text(last_updated(person, cards, requests))
    return view


def _waiting_view(waiting: CardRequest) -> PendingRequestView:
    return {
        "requestId": waiting.request_id,
        "productId": waiting.product_id,
        "status": "pending",
        "submittedAt": to_text(waiting.created_at),
        "estimatedReviewTime": REVIEW_TIME,
    }


def http_date(updated_at: datetime, now: datetime) -> str:
    """`Last-Modified`: rounded up to a second, down while that second is still to come."""
    whole = updated_at.replace(microsecond=0)
    if whole != updated_at and whole + ONE_SECOND <= now:
        whole += ONE_SECOND
    return format_datetime(whole, usegmt=True)


def not_modified(if_none_match: str | None, if_modified_since: str | None, etag: str, updated_at: datetime) -> bool:
    """The client has this already: by tag, or without one by a date that is not earlier than the last change."""
    if if_none_match is not None:
        tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        return "*" in tags or etag in tags
    if not if_modified_since:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except (ValueError, OverflowError):
        return False
    return since.tzinfo is not None and since >= updated_at


DASHBOARD = Doc(
    summary="My dashboard",
    tag="Cardholder: account",
    replies={200: DashboardReply, 304: None},
    refusals=(Code.NOT_FOUND,),
)


@routes.get("/v1/dashboard", DASHBOARD)
async def get_dashboard(call: Call) -> Response:
    """Score, cards and the open request; with `ETag` and `Last-Modified`, so that an unchanged one costs nothing to fetch."""
    caller = await call.caller()
    ecosystem_id = registered(caller, "User")
    person, cards, requests = await call.services.database.read(
        user(ecosystem_id), cards_of(ecosystem_id), requests_of(ecosystem_id)
    )
    if person is None:
        raise UserNotFound
    body = encode(dashboard_view(person, cards, requests))
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    updated_at = last_updated(person, cards, requests)
    headers = {
        "ETag": etag,
        "Last-Modified": http_date(updated_at, call.services.clock()),
        "Cache-Control": "private, no-cache",
    }
    given = call.request.headers
    tags = ",".join(given.getlist("if-none-match")) if "if-none-match" in given else None
    if not_modified(tags, given.get("if-modified-since"), etag, updated_at):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON_TYPE)


PERSON = Doc(
    summary="One person",
    tag="Operators: people",
    replies={200: PersonReply},
    refusals=(Code.NOT_FOUND,),
    operator=True,
)


@routes.get("/v1/admin/users/{ecosystemId}", PERSON)
async def get_person(call: Call) -> Response:
    """The person with all cards and the open request."""
    await call.operator()
    ecosystem_id = call.path_id("ecosystemId")
    person, cards, requests = await call.services.database.read(
        user(ecosystem_id), cards_of(ecosystem_id), requests_of(ecosystem_id)
    )
    if person is None:
        raise UserNotFound
    attention_days, now = call.services.policies.current().attention_days, call.services.clock()
    waiting = sorted((each for each in requests if each.pending), key=lambda each: each.created_at, reverse=True)
    return call.reply(
        {
            "user": user_view(person),
            "cards": [card_detail(card) for card in newest_first(cards)],
            "pendingRequests": [admin_request_view(each, person, attention_days, now) for each in waiting],
        }
    )
