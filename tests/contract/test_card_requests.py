"""Asking for a card, §2.6, §3.2 and §3.3."""

import asyncio
import collections
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.store import CARDS
from tazco.kernel.clock import from_text
from tests.contract.seeds import SHIPPED, SUITE, ago, events, row, seed_card, seed_request, with_policy
from tests.contract.test_dashboard import SUMMARY_KEYS, rejected_request
from tests.stage import Stage
from tests.world import World, open_world


@pytest.fixture
async def suite(world: World) -> AsyncIterator[World]:
    """The world under the policy that the clients' own suite uses."""
    await with_policy(world, **SUITE)
    yield world
    await with_policy(world, **SHIPPED)


async def test_a_high_score_is_approved_at_once(world: World) -> None:
    ada = await world.person(720)
    asked = await ada.ask_for_card("premium")
    assert asked.status == 201
    request = asked.body["request"]
    assert set(request) == {"requestId", "status", "scoreAtRequest", "decision", "card"}
    assert (request["status"], request["scoreAtRequest"]) == ("approved", 720)
    assert request["decision"] == {"outcome": "approved", "source": "auto", "approvedLimit": 3000}
    card = request["card"]
    assert set(card) == SUMMARY_KEYS
    assert (card["status"], card["limit"], card["balance"], card["availableCredit"]) == ("active", 3000, 0, 3000)
    assert (card["minimumPayment"], card["nearLimit"]) == (0, False)
    assert (await ada.get(f"/v1/cards/requests/{request['requestId']}")).body == asked.body
    stored = await row(world, CARDS, ada.ecosystem_id, card["cardId"])
    assert (stored["limit"], stored["availableCredit"], stored["productId"]) == (300_000, 300_000, "premium")
    assert from_text(stored["nextDueDate"]) - from_text(stored["activatedAt"]) == timedelta(days=30)


@pytest.mark.parametrize("score", [640, 500, 430])
async def test_a_lower_score_waits(world: World, score: int) -> None:
    ada = await world.person(score)
    asked = await ada.ask_for_card()
    assert asked.status == 201
    request = asked.body["request"]
    assert request.pop("requestId")
    assert request == {"status": "pending", "scoreAtRequest": score, "estimatedReviewTime": "1-2 business days"}


@pytest.mark.parametrize(("score", "limit"), [(720, 10000), (640, 5000), (500, 5000), (430, None)])
async def test_threshold_and_limits_are_the_policys(suite: World, score: int, limit: int | None) -> None:
    ada = await suite.person(score)
    request = (await ada.ask_for_card()).body["request"]
    assert request["status"] == ("approved" if limit else "pending")
    assert request.get("decision", {}).get("approvedLimit") == limit


async def test_a_threshold_of_1001_never_approves_and_of_0_always(world: World) -> None:
    best, worst = await world.person(1000), await world.person(0)
    await with_policy(world, approval__autoApproveThreshold="1001")
    assert (await best.ask_for_card()).body["request"]["status"] == "pending"
    await with_policy(world, approval__autoApproveThreshold="0")
    assert (await worst.ask_for_card()).body["request"]["decision"]["approvedLimit"] == 500
    await with_policy(world, **SHIPPED)


@pytest.mark.parametrize("product", ["basic", "prod-standard", "Ω free text", "x" * 64])
async def test_any_text_is_a_product(world: World, product: str) -> None:
    ada = await world.person()
    asked = await ada.ask_for_card(product)
    assert asked.status == 201
    stored = await row(world, CARD_REQUESTS, ada.ecosystem_id, asked.body["request"]["requestId"])
    assert stored["productId"] == product


@pytest.mark.parametrize(
    "body", [{}, {"productId": None}, {"productId": ""}, {"productId": "  "}, {"productId": "x" * 65}, {"productId": 5}]
)
async def test_a_missing_or_bad_product_is_refused_before_anything_is_looked_up(world: World, body: dict[str, object]) -> None:
    for person in (await world.person(), await world.stranger()):
        reply = await person.post("/v1/cards/requests", body)
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
        assert "productId" in reply.message


async def test_the_header_comes_first_then_the_body_then_the_person(world: World) -> None:
    stranger = await world.stranger()
    for key in ("", "   ", "x" * 65):
        reply = await stranger.call("POST", "/v1/cards/requests", {}, key="", idempotency_key=key)
        assert (reply.status, "Idempotency-Key" in reply.message) == (400, True)
    assert "productId" in (await stranger.post("/v1/cards/requests", {}, key="x" * 64)).message
    reply = await stranger.post("/v1/cards/requests", {"productId": "basic"})
    assert (reply.status, reply.code) == (404, "NOT_FOUND")


async def test_an_open_card_comes_before_a_pending_request_and_that_before_the_cooldown(world: World) -> None:
    ada, operator = await world.person(), await world.operator()
    await rejected_request(world, ada)
    cooling = await ada.ask_for_card()
    assert (cooling.status, cooling.code) == (400, "VALIDATION_ERROR")
    pending = await seed_request(world, ada.ecosystem_id)
    waiting = await ada.ask_for_card()
    assert (waiting.status, waiting.code) == (409, "CARD_REQUEST_EXISTS")
    assert waiting.body["error"]["details"] == {"existingRequestId": pending}
    card_id = await seed_card(world, ada)
    assert (await ada.ask_for_card()).code == "CARD_ALREADY_EXISTS"
    path = f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}"
    assert (await operator.post(f"{path}/suspend", {"reason": "x"})).status == 200
    held = await ada.ask_for_card()
    assert (held.status, held.code) == (409, "CARD_ALREADY_EXISTS")
    assert (await operator.post(f"{path}/cancel", {"reason": "x"})).status == 200
    assert (await ada.ask_for_card()).code == "CARD_REQUEST_EXISTS"


@pytest.mark.parametrize(
    ("waited", "left"), [({"minutes": 1}, "30 days"), ({"days": 1, "minutes": 1}, "29 days"), ({"days": 29, "hours": 1}, "1 day")]
)
async def test_the_cooldown_names_the_days_left_rounded_up(world: World, waited: dict[str, float], left: str) -> None:
    ada = await world.person()
    await seed_request(
        world,
        ada.ecosystem_id,
        status="rejected",
        statusShard="rejected#3",
        createdAt=ago(world, days=99),
        decidedAt=ago(world, **waited),
    )
    reply = await ada.ask_for_card()
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert "rejected recently" in reply.message
    assert re.search(rf"\b{left}\b", reply.message)


async def test_after_the_cooldown_or_without_one_the_person_may_ask_again(world: World) -> None:
    ada, ben = await world.person(), await world.person()
    for person in (ada, ben):
        await rejected_request(world, person)
    await with_policy(world, approval__cooldownDays="0")
    assert (await ben.ask_for_card()).status == 201
    await with_policy(world, **SHIPPED)
    assert (await ada.ask_for_card()).status == 400
    world.clock.pass_time(days=30)
    assert (await ada.ask_for_card()).status == 201


async def test_a_refused_request_is_not_stored_and_its_key_may_be_used_again(world: World) -> None:
    ada, card_id = await world.cardholder()
    assert (await ada.post("/v1/cards/requests", {"productId": "basic"}, key="again")).status == 409
    await ada.post(f"/v1/cards/{card_id}/cancel")
    assert (await ada.post("/v1/cards/requests", {"productId": "basic"}, key="again")).status == 201
    replay = await ada.post("/v1/cards/requests", {"productId": "basic"}, key="again")
    assert (replay.status, replay.headers["idempotent-replayed"]) == (200, "true")


async def test_the_owner_reads_a_rejection(world: World) -> None:
    ada = await world.person()
    request_id = await rejected_request(world, ada)
    request = (await ada.get(f"/v1/cards/requests/{request_id}")).body["request"]
    assert request == {
        "requestId": request_id,
        "status": "rejected",
        "scoreAtRequest": 500,
        "decision": {"outcome": "rejected", "source": "admin", "reason": "no"},
    }


async def test_the_owner_reads_an_operators_approval_with_the_card_as_it_is_now(world: World) -> None:
    ada, operator = await world.person(), await world.operator()
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    approved = await operator.post(f"/v1/admin/card-requests/{request_id}/approve", {"creditLimit": 1200.5})
    card_id = approved.body["card"]["cardId"]
    await ada.buy(card_id, 5)
    request = (await ada.get(f"/v1/cards/requests/{request_id}")).body["request"]
    assert request["decision"] == {"outcome": "approved", "source": "admin", "approvedLimit": approved.body["card"]["limit"]}
    assert (request["card"]["cardId"], request["card"]["balance"]) == (card_id, 5)
    assert "estimatedReviewTime" not in request


async def test_requests_of_others_and_the_bare_list_are_not_found(world: World) -> None:
    ada, ben, stranger = await world.person(), await world.person(), await world.stranger()
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    for person in (ben, stranger):
        assert (await person.get(f"/v1/cards/requests/{request_id}")).code == "NOT_FOUND"
    bare = await ada.get("/v1/cards/requests")
    assert (bare.status, bare.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("score", [720, 500])
async def test_of_20_parallel_requests_to_two_processes_exactly_one_passes(world: World, stage: Stage, score: int) -> None:
    async with open_world(stage) as second:
        for _ in range(3):
            ada = await world.person(score)
            twins = [ada, replace(ada, world=second)]
            replies = await asyncio.gather(*(twins[number % 2].ask_for_card() for number in range(20)))
            assert collections.Counter(reply.status for reply in replies) == {201: 1, 409: 19}
            refusal = "CARD_ALREADY_EXISTS" if score == 720 else "CARD_REQUEST_EXISTS"
            assert {reply.code for reply in replies if reply.status == 409} == {refusal}
            mine = [item for item in await world.rows(CARD_REQUESTS) if item["ecosystemId"]["S"] == ada.ecosystem_id]
            assert len(mine) == 1
            assert [each["sequence"] for each in await events(world, mine[0]["requestId"]["S"])] == [1]


async def test_of_20_parallel_requests_with_one_key_one_is_201_and_the_rest_replay(world: World) -> None:
    ada = await world.person(720)
    replies = await asyncio.gather(*(ada.post("/v1/cards/requests", {"productId": "basic"}, key="one") for _ in range(20)))
    assert collections.Counter(reply.status for reply in replies) == {201: 1, 200: 19}
    assert all(reply.body == replies[0].body for reply in replies)
