"""The offer of a tier, and what stands in its way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tazco.card_requests.model import CardRequest, RequestStatus
from tazco.cards.model import Card, CardStatus
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId
from tazco.kernel.money import Money
from tazco.offers.api import offer_to
from tazco.platform.policy import Policy
from tazco.users.model import User

NOW = datetime(2031, 4, 5, tzinfo=UTC)
ME = EcosystemId("user-77")
SHIPPED = Policy()
SUITE = Policy(
    low_tier_limit=Money(200_000),
    medium_tier_limit=Money(500_000),
    high_tier_limit=Money(1_000_000),
    auto_approve_threshold=500,
)


def person(score: int) -> User:
    """Somebody with a score."""
    return User(ecosystem_id=ME, current_score=score)


def card(status: CardStatus) -> Card:
    """A card in a status."""
    return Card(ecosystem_id=ME, card_id=CardId("card-1"), limit=Money(100), status=status)


def request(status: RequestStatus, decided_at: datetime | None = None) -> CardRequest:
    """A request in a status."""
    return CardRequest(ecosystem_id=ME, request_id=CardRequestId("request-1"), status=status, decided_at=decided_at)


@pytest.mark.parametrize(
    ("score", "policy", "word", "limit", "apr", "fee", "waits"),
    [
        (720, SHIPPED, "Premium", 300_000, 1299, 0, False),
        (640, SHIPPED, "Standard", 150_000, 1899, 0, True),
        (430, SHIPPED, "Starter", 50_000, 2499, 2900, True),
        (720, SUITE, "Premium", 1_000_000, 1299, 0, False),
        (500, SUITE, "Standard", 500_000, 1899, 0, False),
        (430, SUITE, "Starter", 200_000, 2499, 2900, True),
    ],
)
def test_the_offer_follows_tier_and_policy(  # one row of the table
    score: int,
    policy: Policy,
    word: str,
    limit: int,
    apr: int,
    fee: int,
    waits: bool,  # noqa: FBT001  # one row of the table
) -> None:
    offer = offer_to(person(score), (), (), policy, NOW)
    assert offer is not None
    assert word in offer.name
    assert (offer.credit_limit, offer.apr, offer.annual_fee, offer.subject_to_approval) == (limit, apr, fee, waits)
    assert (offer.eligible, offer.cooldown_until) == (True, None)


def test_an_active_card_leaves_nothing_to_offer() -> None:
    assert offer_to(person(720), (card(CardStatus.CANCELLED), card(CardStatus.ACTIVE)), (), SHIPPED, NOW) is None


def test_a_cancelled_card_bars_nothing_and_a_suspended_one_does() -> None:
    free = offer_to(person(720), (card(CardStatus.CANCELLED),), (), SHIPPED, NOW)
    barred = offer_to(person(720), (card(CardStatus.SUSPENDED),), (), SHIPPED, NOW)
    assert free is not None
    assert free.eligible
    assert barred is not None
    assert not barred.eligible


def test_a_pending_request_bars_without_a_date() -> None:
    offer = offer_to(person(500), (), (request(RequestStatus.PENDING),), SHIPPED, NOW)
    assert offer is not None
    assert (offer.eligible, offer.cooldown_until) == (False, None)


def test_a_rejection_bars_until_the_cooldown_ends() -> None:
    rejected = request(RequestStatus.REJECTED, NOW - timedelta(days=29))
    offer = offer_to(person(500), (), (rejected,), SHIPPED, NOW)
    assert offer is not None
    assert (offer.eligible, offer.cooldown_until) == (False, NOW + timedelta(days=1))
    free = offer_to(person(500), (), (rejected,), SHIPPED, NOW + timedelta(days=1))
    assert free is not None
    assert (free.eligible, free.cooldown_until) == (True, None)
    off = offer_to(person(500), (), (rejected,), replace(SHIPPED, cooldown_days=0), NOW)
    assert off is not None
    assert (off.eligible, off.cooldown_until) == (True, None)
