"""Home: what needs an operator now, and what happened in the last hours."""

import asyncio
from typing import Any, Final

from starlette.responses import Response

from tazco.card_requests.model import CardRequest, RequestStatus
from tazco.card_requests.rules import days_pending, requires_attention
from tazco.card_requests.store import queue_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.visit import Visit
from tazco.platform.outbox_watch import OutboxWatch, Waiting
from tazco.users.store import USERS

WAITING_MAX: Final = 10

pages = Pages()


async def _waiting(visit: Visit) -> list[CardRequest]:
    page, _ = await queue_of(RequestStatus.PENDING, newest_first=False).page(visit.database, None, WAITING_MAX + 1)
    return page


async def _outbox(visit: Visit) -> Waiting:
    return await OutboxWatch(visit.database, visit.services.clock, visit.services.metrics).look()


async def _state(visit: Visit) -> Any:
    waiting, outbox = await asyncio.gather(_waiting(visit), _outbox(visit))
    return [each.request_id for each in waiting], outbox.dead_letters, visit.services.policies.problem


@pages.get("/", watch=_state)
async def show_home(visit: Visit) -> Response:
    """Requests that wait, dead letters, the age of the outbox, problems of the policy."""
    waiting, outbox = await asyncio.gather(_waiting(visit), _outbox(visit))
    owners = {each.ecosystem_id: each for each in await visit.database.rows(USERS, [(each.ecosystem_id,) for each in waiting])}
    rows = [
        {
            "request": each,
            "owner": owners.get(each.ecosystem_id),
            "days": days_pending(each.created_at, visit.now),
            "attention": requires_attention(each, visit.policy.attention_days, visit.now),
        }
        for each in waiting[:WAITING_MAX]
    ]
    return visit.page(
        "home.html", rows=rows, more=len(waiting) > WAITING_MAX, outbox=outbox, problem=visit.services.policies.problem
    )
