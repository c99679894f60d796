"""Who may ask, how much a tier may have, how long a request waits (`docs/rules.md`, "Card request")."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from tazco.card_requests.model import CardAlreadyHeld, CardRequest, CoolingDown, RequestPending, RequestStatus
from tazco.cards.model import Card
from tazco.kernel.clock import days_elapsed, days_rounded_up


def free_again_at(requests: Iterable[CardRequest], cooldown_days: int, now: datetime) -> datetime | None:
    """When the newest rejection stops barring new requests; None if it does not bar them at `now`. 0 days: never."""
    decided = [each.decided_at or each.updated_at for each in requests if each.status is RequestStatus.REJECTED]
    free_at = max(decided, default=None)
    if free_at is None or not cooldown_days:
        return None
    free_at += timedelta(days=cooldown_days)
    return free_at if free_at > now else None


def refuse_unless_free(cards: Iterable[Card], requests: Iterable[CardRequest], cooldown_days: int, now: datetime) -> None:
    """Refuse, in this order, whoever has an open card, a pending request, or was rejected less than `cooldown_days` ago."""
    refuse_second_card(cards)
    requests = tuple(requests)
    pending = next((each for each in requests if each.pending), None)
    if pending is not None:
        raise RequestPending(pending.request_id)
    free_at = free_again_at(requests, cooldown_days, now)
    if free_at is not None:
        raise CoolingDown(days_rounded_up(free_at - now))


def refuse_second_card(cards: Iterable[Card]) -> None:
    """Refuse whoever has an active or suspended card."""
    if any(card.open for card in cards):
        raise CardAlreadyHeld


def days_pending(created_at: datetime, now: datetime) -> int:
    """Whole days of 24 hours since a request was made."""
    return max(0, days_elapsed(now - created_at))


def requires_attention(request: CardRequest, attention_days: int, now: datetime) -> bool:
    """Pending for so long that an operator should look."""
    return request.pending and days_pending(request.created_at, now) >= attention_days
