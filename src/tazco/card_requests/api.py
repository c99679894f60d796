"""Asking for a card and looking at the answer; the operators' queue and their decisions."""

import asyncio
from functools import partial
from typing import Annotated

from pydantic import WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.card_requests.commands import (
    ApproveRequest,
    Decided,
    RejectRequest,
    RequestCard,
    approve_request,
    reject_request,
    request_card,
)
from tazco.card_requests.model import CardRequest, OutsidePolicy, RequestNotFound, RequestStatus
from tazco.card_requests.store import in_status, queue_of, request
from tazco.card_requests.views import AdminRequestView, RequestView, admin_request_view, request_view
from tazco.cards.store import card
from tazco.cards.views import CardSummary, card_summary
from tazco.kernel.errors import Code
from tazco.kernel.ids import CardRequestId
from tazco.platform.database import Database
from tazco.platform.http.call import Call, registered, success
from tazco.platform.http.fields import Body, MoneyInPolicy, Reason, text
from tazco.platform.http.routing import ADMIN_KEY_CHARACTERS_MAX, USER_KEY_CHARACTERS_MAX, Choice, Doc, Routes
from tazco.platform.idempotency import Answer
from tazco.users.model import User
from tazco.users.store import USERS

PRODUCT_ID_CHARACTERS_MAX = 64

routes = Routes()


class RequestCardBody(Body):
    """Which product; free text."""

    productId: Annotated[  # noqa: N815  # the wire's spelling
        str, text(1, PRODUCT_ID_CHARACTERS_MAX), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 64})
    ]


class ApproveBody(Body):
    """The limit to grant."""

    creditLimit: MoneyInPolicy  # noqa: N815  # the wire's spelling


class RejectBody(Body):
    """Why; the person who asked will read it."""

    reason: Reason


class RequestReply(TypedDict):
    """A request as its owner sees it."""

    request: RequestView


class AdminRequestReply(TypedDict):
    """A request as an operator sees it."""

    request: AdminRequestView


class ApprovedReply(TypedDict):
    """The request, and the card that came of it."""

    request: AdminRequestView
    card: CardSummary


class QueuePagination(TypedDict):
    """Whether the list goes on, and how long it is."""

    nextCursor: str | None
    hasMore: bool
    totalCount: int


class RequestQueue(TypedDict):
    """Requests in one status."""

    requests: list[AdminRequestView]
    pagination: QueuePagination


ASK = Doc(
    summary="Ask for a card",
    tag="Cardholder: card requests",
    replies={201: RequestReply, 200: RequestReply},
    refusals=(Code.NOT_FOUND, Code.CARD_ALREADY_EXISTS, Code.CARD_REQUEST_EXISTS),
    body=RequestCardBody,
    example={"productId": "default-credit-card"},
    key_characters_max=USER_KEY_CHARACTERS_MAX,
)


@routes.post("/v1/cards/requests", ASK)
async def ask_for_card(call: Call) -> Response:
    """Granted at once from the policy's score upwards, otherwise pending until an operator decides."""
    caller = await call.caller()
    key = call.key()
    body = await call.body(RequestCardBody)
    command = RequestCard(ecosystem_id=registered(caller, "User"), product_id=body.productId)
    return await call.once(
        caller,
        key,
        operation="request-card",
        asked=body.model_dump(),
        lane=f"user#{command.ecosystem_id}",
        use_case=partial(request_card, command),
        render=lambda decided: success({"request": request_view(decided.request, decided.card)}, 201),
    )


GET = Doc(summary="One of my requests", tag="Cardholder: card requests", replies={200: RequestReply}, refusals=(Code.NOT_FOUND,))


@routes.get("/v1/cards/requests/{requestId}", GET)
async def get_request(call: Call) -> Response:
    """The request, the decision, and the card as it is now."""
    caller = await call.caller()
    ecosystem_id = registered(caller, "Card request")
    database = call.services.database
    (found,) = await database.read(request(ecosystem_id, call.path_id("requestId")))
    if found is None:
        raise RequestNotFound
    granted = None
    if found.card_id is not None:
        (granted,) = await database.read(card(ecosystem_id, found.card_id))
    return call.reply({"request": request_view(found, granted)})


QUEUE = Doc(
    summary="Requests to decide",
    tag="Operators: card requests",
    replies={200: RequestQueue},
    refusals=(Code.VALIDATION_ERROR,),
    query={
        "status": Choice("pending unless given", list(RequestStatus)),
        "sort": "newest; anything else is oldest first",
        "cursor": "where to go on",
        "limit": "1 to 100, default 20",
    },
    operator=True,
)


@routes.get("/v1/admin/card-requests", QUEUE)
async def list_requests(call: Call) -> Response:
    """Requests in one status, oldest first unless asked otherwise; the index behind it may lag by moments."""
    caller = await call.operator()
    status, newest_first = call.choice("status", RequestStatus) or RequestStatus.PENDING, call.query("sort") == "newest"
    binding = ("card-requests", caller.actor_id, status.value, newest_first)
    after = call.cursor(binding)
    database = call.services.database
    queue = queue_of(status, newest_first=newest_first)
    (page, position), total = await asyncio.gather(queue.page(database, after, call.page_size), _count(database, status))
    owners = {owner.ecosystem_id: owner for owner in await database.rows(USERS, [(each.ecosystem_id,) for each in page])}
    return call.reply(
        {
            "requests": [_admin_view(call, each, owners.get(each.ecosystem_id)) for each in page],
            "pagination": {**call.pagination(binding, position), "totalCount": total},
        }
    )


def _admin_view(call: Call, found: CardRequest, owner: User | None) -> AdminRequestView:
    return admin_request_view(found, owner, call.services.policies.current().attention_days, call.services.clock())


async def _count(database: Database, status: RequestStatus) -> int:
    shards = in_status(status)
    return sum(await asyncio.gather(*(database.count(shard) for shard in shards)))


APPROVE = Doc(
    summary="Approve a request",
    tag="Operators: card requests",
    replies={200: ApprovedReply},
    refusals=(Code.NOT_FOUND, Code.REQUEST_ALREADY_PROCESSED, Code.CARD_ALREADY_EXISTS, Code.LIMIT_EXCEEDS_POLICY),
    body=ApproveBody,
    example={"creditLimit": 1200},
    key_characters_max=ADMIN_KEY_CHARACTERS_MAX,
    operator=True,
)


@routes.post("/v1/admin/card-requests/{requestId}/approve", APPROVE)
async def approve(call: Call) -> Response:
    """Grant a card with a limit up to that of the person's present tier."""
    caller = await call.operator()
    body = await call.body(ApproveBody)
    policy = call.services.policies.current()
    if not policy.minimum_limit <= body.creditLimit <= policy.high_tier_limit:
        raise OutsidePolicy(policy.minimum_limit, policy.high_tier_limit)
    key = call.key()
    command = ApproveRequest(request_id=CardRequestId(call.path_id("requestId")), limit=body.creditLimit)

    def rendered(decided: Decided) -> Answer:
        assert decided.card is not None, "an approval grants a card"
        return success({"request": _admin_view(call, decided.request, decided.owner), "card": card_summary(decided.card)})

    return await call.once(
        caller,
        key,
        operation=f"approve-request/{command.request_id}",
        asked=body.model_dump(),
        lane=f"request#{command.request_id}",
        use_case=partial(approve_request, command),
        render=rendered,
    )


REJECT = Doc(
    summary="Reject a request",
    tag="Operators: card requests",
    replies={200: AdminRequestReply},
    refusals=(Code.NOT_FOUND, Code.REQUEST_ALREADY_PROCESSED),
    body=RejectBody,
    example={"reason": "Income not verified"},
    key_characters_max=ADMIN_KEY_CHARACTERS_MAX,
    operator=True,
)


@routes.post("/v1/admin/card-requests/{requestId}/reject", REJECT)
async def reject(call: Call) -> Response:
    """Turn the request down; the person may ask again after the cool-down."""
    caller = await call.operator()
    key = call.key()
    body = await call.body(RejectBody)
    command = RejectRequest(request_id=CardRequestId(call.path_id("requestId")), reason=body.reason)
    return await call.once(
        caller,
        key,
        operation=f"reject-request/{command.request_id}",
        asked=body.model_dump(),
        lane=f"request#{command.request_id}",
        use_case=partial(reject_request, command),
        render=lambda decided: success({"request": _admin_view(call, decided.request, decided.owner)}),
    )
