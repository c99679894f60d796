"""GET /v1/offers, §2.5."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from tazco.kernel.clock import from_text, to_text
from tests.contract.seeds import SHIPPED, SUITE, ago, seed_card, seed_request, with_policy
from tests.world import World


@pytest.fixture
async def suite(world: World) -> AsyncIterator[World]:
    """The world under the policy that the clients' own suite uses."""
    await with_policy(world, **SUITE)
    yield world
    await with_policy(world, **SHIPPED)


ROWS = [
    (720, "Premium", 3000, Decimal("12.99"), 0, False),
    (640, "Standard", 1500, Decimal("18.99"), 0, True),
    (430, "Starter", 500, Decimal("24.99"), 29, True),
]


@pytest.mark.parametrize(("score", "word", "limit", "apr", "fee", "waits"), ROWS)
async def test_the_offer_follows_the_tier(  # one row of the table
    world: World,
    score: int,
    word: str,
    limit: int,
    apr: Decimal,
    fee: int,
    waits: bool,  # noqa: FBT001  # one row of the table
) -> None:
    ada = await world.person(score)
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    assert set(offer) == {"productId", "productType", "name", "description", "terms", "eligibility"}
    assert (offer["productId"], offer["productType"]) == ("default-credit-card", "credit-card")
    assert word in offer["name"]
    assert offer["terms"] == {"creditLimit": limit, "apr": apr, "annualFee": fee}
    assert offer["eligibility"] == {"eligible": True, "subjectToApproval": waits, "cooldownUntil": None}


async def test_limit_and_threshold_are_the_policys(suite: World) -> None:
    for score, limit, waits in ((720, 10000, False), (500, 5000, False), (430, 2000, True)):
        ada = await suite.person(score)
        (offer,) = (await ada.get("/v1/offers")).body["offers"]
        assert (offer["terms"]["creditLimit"], offer["eligibility"]["subjectToApproval"]) == (limit, waits)


async def test_rates_and_fees_are_the_policys(world: World) -> None:
    ada = await world.person(720)
    await with_policy(world, offers__highTierApr="9.5", offers__highTierAnnualFee="12.50")
    terms = (await ada.get("/v1/offers")).body["offers"][0]["terms"]
    await with_policy(world, offers__highTierApr="12.99", offers__highTierAnnualFee="0")
    assert (terms["apr"], terms["annualFee"]) == (Decimal("9.5"), Decimal("12.5"))


async def test_an_active_card_empties_the_list_and_a_suspended_one_bars(world: World) -> None:
    ada, card_id = await world.cardholder()
    assert (await ada.get("/v1/offers")).body == {"offers": []}
    operator = await world.operator()
    path = f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}"
    await operator.post(f"{path}/suspend", {"reason": "lost"})
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    assert offer["eligibility"]["eligible"] is False
    await operator.post(f"{path}/cancel", {"reason": "lost"})
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    assert offer["eligibility"]["eligible"] is True


async def test_a_pending_request_bars(world: World) -> None:
    ada = await world.person()
    await ada.ask_for_card()
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    assert offer["eligibility"] == {"eligible": False, "subjectToApproval": True, "cooldownUntil": None}


async def test_a_rejection_bars_until_the_cooldown_is_over(world: World) -> None:
    ada = await world.person()
    decided = ago(world, days=29, hours=23)
    await seed_request(
        world, ada.ecosystem_id, status="rejected", statusShard="rejected#3", createdAt=ago(world, days=80), decidedAt=decided
    )
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    until = to_text(from_text(decided) + timedelta(days=30))
    assert offer["eligibility"] == {"eligible": False, "subjectToApproval": True, "cooldownUntil": until}
    world.clock.pass_time(hours=1)
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    assert offer["eligibility"] == {"eligible": True, "subjectToApproval": True, "cooldownUntil": None}


async def test_someone_unregistered_gets_404(world: World) -> None:
    stranger = await world.stranger()
    assert (await stranger.get("/v1/offers")).code == "NOT_FOUND"


async def test_two_seeded_active_cards_are_no_obstacle_to_reading(world: World) -> None:
    ada = await world.person()
    await seed_card(world, ada)
    await seed_card(world, ada)
    assert (await ada.get("/v1/offers")).body == {"offers": []}
