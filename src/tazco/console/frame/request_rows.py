"""Card requests as lists of operators show them: with who asks, and how long that person has been waiting."""

from collections.abc import Sequence
from dataclasses import dataclass

from tazco.card_requests.model import CardRequest
from tazco.card_requests.rules import days_pending, requires_attention
from tazco.console.frame.visit import Visit
from tazco.users.model import User
from tazco.users.store import USERS


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request; `attention` says that it has been waiting for longer than the policy likes."""

    request: CardRequest
    owner: User | None
    days: int
    attention: bool


async def request_rows(visit: Visit, requests: Sequence[CardRequest]) -> list[RequestRow]:
    """The requests with their owners, read at once."""
    owners = {each.ecosystem_id: each for each in await visit.database.rows(USERS, [(each.ecosystem_id,) for each in requests])}
    return [
        RequestRow(
            request=each,
            owner=owners.get(each.ecosystem_id),
            days=days_pending(each.created_at, visit.now),
            attention=requires_attention(each, visit.policy.attention_days, visit.now),
        )
        for each in requests
    ]
