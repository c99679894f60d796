"""The operators' queue and their decisions, §2.9, §3.2 and §3.3."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.store import CARDS
from tazco.users.store import USERS
from tests.contract.seeds import SHIPPED, SUITE, ago, amend, events, row, seed_card, seed_request, seed_user, with_policy
from tests.contract.test_admin_users import REQUEST_KEYS, audit_of
from tests.contract.test_dashboard import SUMMARY_KEYS
from tests.contract.test_transactions import walk
from tests.stage import Stage
from tests.world import Person, Reply, World, open_world

QUEUE = "/v1/admin/card-requests"


@pytest.fixture
async def suite(world: World) -> AsyncIterator[World]:
    """The world under the policy that the clients' own suite uses."""
    await with_policy(world, **SUITE)
    yield world
    await with_policy(world, **SHIPPED)


async def approve(world: World, request_id: str, limit: Any, **headers: str) -> Reply:
    """Approve as the operator; bytes go out as they are."""
    operator = await world.operator()
    body = limit if isinstance(limit, bytes) else {"creditLimit": limit}
    return await operator.post(f"{QUEUE}/{request_id}/approve", body, **headers)


async def reject(world: World, request_id: str, reason: str = "no", **headers: str) -> Reply:
    """Reject as the operator."""
    operator = await world.operator()
    return await operator.post(f"{QUEUE}/{request_id}/reject", {"reason": reason}, **headers)


async def asked(world: World, score: int = 500) -> tuple[Person, str]:
    """Somebody who waits, and the request."""
    person = await world.person(score)
    return person, str((await person.ask_for_card("prod-standard")).body["request"]["requestId"])


async def test_an_approval_answers_with_request_and_top_level_card(world: World) -> None:
    ada, request_id = await asked(world, 430)
    reply = await approve(world, request_id, b'{"creditLimit":412.5,"reason":"ignored"}')
    assert (reply.status, set(reply.body)) == (200, {"request", "card"})
    request, card = reply.body["request"], reply.body["card"]
    assert (set(request), set(card)) == (REQUEST_KEYS, SUMMARY_KEYS)
    assert request["user"] == {"ecosystemId": ada.ecosystem_id, "email": ada.email}
    assert (request["status"], request["scoreAtRequest"], request["currentScore"]) == ("approved", 430, 430)
    assert (request["tierAtRequest"], request["productId"], request["requiresAttention"]) == ("low", "prod-standard", False)
    stored = await row(world, CARDS, ada.ecosystem_id, card["cardId"])
    assert (stored["limit"], stored["balance"], stored["approvedBy"], stored["scoreAtApproval"]) == (41_250, 0, "admin", 430)
    assert stored["productId"] == "prod-standard"
    assert (await row(world, CARD_REQUESTS, ada.ecosystem_id, request_id))["cardId"] == card["cardId"]


@pytest.mark.parametrize(
    ("score", "limit", "status"), [(640, 1500, 200), (640, 1500.01, 400), (500, 100, 200), (430, 500, 200), (430, 500.01, 400)]
)
async def test_the_limit_goes_up_to_the_tier_of_the_current_score(world: World, score: int, limit: float, status: int) -> None:
    _, request_id = await asked(world, score)
    reply = await approve(world, request_id, limit)
    assert reply.status == status
    if status == 400:
        assert reply.code == "LIMIT_EXCEEDS_POLICY"
        assert "policy" in reply.message
        assert set(reply.body["error"]["details"]) == {"requestedLimit", "maximumLimit", "tier"}


async def test_the_suites_limits_count_when_they_are_the_policy(suite: World) -> None:
    _, request_id = await asked(suite, 430)
    too_much = await approve(suite, request_id, 2000.01)
    assert too_much.code == "LIMIT_EXCEEDS_POLICY"
    assert too_much.body["error"]["details"]["maximumLimit"] == 2000
    assert (await approve(suite, request_id, 10000.01)).code == "VALIDATION_ERROR"
    assert (await approve(suite, request_id, 2000)).status == 200


async def test_a_risen_score_raises_the_limit_and_a_fallen_one_lowers_it(world: World) -> None:
    ada, one = await asked(world, 430)
    ben, two = await asked(world, 640)
    await world.set_score(ada, 640)
    await world.set_score(ben, 430)
    risen = await approve(world, one, 1500)
    assert (risen.status, risen.body["request"]["scoreAtRequest"], risen.body["request"]["currentScore"]) == (200, 430, 640)
    assert risen.body["request"]["tierAtRequest"] == "low"
    assert (await approve(world, two, 501)).body["error"]["details"]["tier"] == "low"


@pytest.mark.parametrize("limit", ["99.99", "3000.01", "0", "-5", "1e12", "0.01"])
async def test_a_limit_outside_the_policy_is_refused_with_that_word_before_the_request_is_looked_up(
    world: World, limit: str
) -> None:
    reply = await approve(world, "nothing", b'{"creditLimit":' + limit.encode() + b"}", key="")
    assert (reply.status, reply.code, "policy" in reply.message) == (400, "VALIDATION_ERROR", True)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"",
        b'{"creditLimit":"500"}',
        b'{"creditLimit":null}',
        b'{"creditLimit":true}',
        b'{"creditLimit":100.001}',
        b'{"creditLimit":-0}',
        b'{"creditLimit":1e999}',
        b"[]",
    ],
)
async def test_a_limit_that_is_no_amount_is_refused_before_header_and_request(world: World, body: bytes) -> None:
    reply = await approve(world, "nothing", body, key="")
    assert (reply.status, reply.code, "Idempotency-Key" in reply.message) == (400, "VALIDATION_ERROR", False)


async def test_the_order_of_an_approval_is_word_for_word(world: World) -> None:
    operator = await world.operator()
    assert "Idempotency-Key" in (await approve(world, "nothing", 500, key="")).message
    assert (await approve(world, "nothing", 500)).code == "NOT_FOUND"
    assert (await operator.post(f"{QUEUE}/nothing/approve", {"creditLimit": 500}, key="x" * 256)).status == 400
    orphan = await seed_request(world, "user-gone", status="rejected", statusShard="rejected#3")
    assert (await approve(world, orphan, 500)).code == "NOT_FOUND"
    ada, decided = await asked(world)
    await reject(world, decided)
    pending = await seed_request(world, ada.ecosystem_id)
    await seed_card(world, ada, status="suspended")
    await amend(world, USERS, (ada.ecosystem_id,), status="disabled", currentScore=430)
    for request_id in (decided, pending):
        refused = await approve(world, request_id, 3000)
        assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")
    await amend(world, USERS, (ada.ecosystem_id,), status="active")
    assert (await approve(world, decided, 3000)).code == "REQUEST_ALREADY_PROCESSED"
    held = await approve(world, pending, 3000)
    assert (held.status, held.code) == (409, "CARD_ALREADY_EXISTS")


async def test_a_refused_approval_is_not_stored(world: World) -> None:
    _, request_id = await asked(world, 430)
    assert (await approve(world, request_id, 501, key="k")).status == 400
    assert (await approve(world, request_id, 500, key="k")).status == 200
    again = await approve(world, request_id, b'{"creditLimit":500.00}', key="k")
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert (await approve(world, request_id, 499, key="k")).code == "IDEMPOTENCY_KEY_REUSED"
    assert (await approve(world, request_id, 500)).code == "REQUEST_ALREADY_PROCESSED"
    assert (await reject(world, request_id, key="k")).code == "REQUEST_ALREADY_PROCESSED"


async def test_a_rejection_answers_with_the_request_and_ends_it(world: World) -> None:
    ada, request_id = await asked(world)
    reply = await reject(world, request_id, " Income not verified ")
    assert (reply.status, set(reply.body), set(reply.body["request"])) == (200, {"request"}, REQUEST_KEYS)
    assert reply.body["request"]["status"] == "rejected"
    for again in (await reject(world, request_id), await approve(world, request_id, 500)):
        assert (again.status, again.code) == (409, "REQUEST_ALREADY_PROCESSED")
    assert (await reject(world, "nothing")).code == "NOT_FOUND"
    assert "openRequestId" not in await row(world, USERS, ada.ecosystem_id)
    (deed,) = await audit_of(world, request_id)
    assert (deed["action"], deed["targetType"], deed["reason"]) == ("card_request.rejected", "card-request", "Income not verified")


async def test_the_request_of_someone_gone_can_be_rejected_and_shows_what_is_known(world: World) -> None:
    request_id = await seed_request(world, "user-gone", scoreAtRequest=611)
    listed = [each for page in await walk(await world.operator(), QUEUE, "requests", 50) for each in page]
    (shown,) = [each for each in listed if each["requestId"] == request_id]
    assert (shown["user"]["email"], shown["currentScore"]) == ("unknown", 611)
    assert (await reject(world, request_id)).status == 200


async def test_a_disabled_owners_request_can_be_rejected(world: World) -> None:
    ada, request_id = await asked(world)
    operator = await world.operator()
    await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "x"})
    assert (await reject(world, request_id)).status == 200


async def test_a_seeded_pending_request_is_approved_and_moves_out_of_its_shard(world: World) -> None:
    ecosystem_id = await seed_user(world, tier="low", currentScore=500)
    request_id = await seed_request(world, ecosystem_id)
    reply = await approve(world, request_id, 1500)
    assert reply.status == 200
    stored = await row(world, CARD_REQUESTS, ecosystem_id, request_id)
    assert (stored["status"], stored["statusShard"].split("#")[0], stored["version"]) == ("approved", "approved", 1)
    assert (await row(world, USERS, ecosystem_id))["activeCardId"] == reply.body["card"]["cardId"]
    queue = [each["requestId"] for page in await walk(await world.operator(), QUEUE, "requests", 50) for each in page]
    assert request_id not in queue
    (event,) = await events(world, reply.body["card"]["cardId"])
    assert (event["eventType"], event["sequence"], event["payload"]["productId"]) == ("card.approved", 1, "basic")


async def test_a_seeded_pending_request_is_rejected_with_its_first_event(world: World) -> None:
    ecosystem_id = await seed_user(world)
    request_id = await seed_request(world, ecosystem_id)
    assert (await reject(world, request_id)).status == 200
    (event,) = await events(world, request_id)
    assert (event["eventType"], event["sequence"], event["aggregateType"]) == ("card.rejected", 1, "cardRequest")


async def test_of_two_seeded_pending_requests_one_card_comes(world: World) -> None:
    ecosystem_id = await seed_user(world)
    one, two = await seed_request(world, ecosystem_id), await seed_request(world, ecosystem_id)
    replies = await asyncio.gather(approve(world, one, 500), approve(world, two, 500))
    assert sorted(reply.status for reply in replies) == [200, 409]
    assert next(reply.code for reply in replies if reply.status == 409) == "CARD_ALREADY_EXISTS"
    assert len([item for item in await world.rows(CARDS) if item["ecosystemId"]["S"] == ecosystem_id]) == 1


async def test_of_two_deciders_in_two_processes_one_gets_409_and_nothing_of_the_loser_stays(world: World, stage: Stage) -> None:
    async with open_world(stage) as elsewhere:
        second = await elsewhere.operator()
        for number in range(6):
            ada, request_id = await asked(world)
            step, body = ("approve", {"creditLimit": 700}) if number % 2 else ("reject", {"reason": "x"})
            other = second.post(f"{QUEUE}/{request_id}/{step}", body)
            replies = await asyncio.gather(approve(world, request_id, 500), other)
            assert sorted(reply.status for reply in replies) == [200, 409]
            assert next(reply.code for reply in replies if reply.status == 409) == "REQUEST_ALREADY_PROCESSED"
            assert len(await audit_of(world, request_id)) == 1
            cards = [item for item in await world.rows(CARDS) if item["ecosystemId"]["S"] == ada.ecosystem_id]
            assert len(cards) == sum("card" in reply.body for reply in replies)


async def test_an_approval_racing_with_the_owners_next_request_leaves_one_card(world: World) -> None:
    for _ in range(4):
        ada, request_id = await asked(world)
        approved, again = await asyncio.gather(approve(world, request_id, 500), ada.ask_for_card())
        assert (approved.status, again.status) == (200, 409)


async def test_the_queue_is_oldest_first_with_a_true_total_and_pages_are_exact(world: World) -> None:
    operator = await world.operator()
    await asyncio.gather(
        *(
            seed_request(world, f"queue-{i}", createdAt=ago(world, days=20 + i % 4), statusShard=f"pending#{i % 8}")
            for i in range(17)
        )
    )
    everything = await walk(operator, QUEUE, "requests", 100)
    order = [(each["createdAt"], each["requestId"]) for page in everything for each in page]
    assert order == sorted(order)
    reply = await operator.get(f"{QUEUE}?limit=5")
    assert set(reply.body["pagination"]) == {"nextCursor", "hasMore", "totalCount"}
    assert (reply.body["pagination"]["totalCount"], len(reply.body["requests"])) == (len(order), 5)
    for limit in (1, 5, len(order) - 1, len(order)):
        pages = await walk(operator, f"{QUEUE}?status=pending", "requests", limit)
        assert [(each["createdAt"], each["requestId"]) for page in pages for each in page] == order
        assert {len(page) for page in pages[:-1]} <= {limit}
    newest = await walk(operator, f"{QUEUE}?sort=newest", "requests", 6)
    assert [(each["createdAt"], each["requestId"]) for page in newest for each in page] == order[::-1]
    assert (await operator.get(f"{QUEUE}?sort=whatever&limit=5")).body["requests"] == reply.body["requests"]


async def test_the_queue_filters_by_status_and_refuses_unknown_ones(world: World) -> None:
    operator = await world.operator()
    _, one = await asked(world)
    _, two = await asked(world)
    await approve(world, one, 500)
    await reject(world, two)
    for status, mine in (("approved", one), ("rejected", two)):
        listed = [each for page in await walk(operator, f"{QUEUE}?status={status}", "requests", 7) for each in page]
        assert mine in [each["requestId"] for each in listed]
        assert {each["status"] for each in listed} == {status}
        assert all(each["requiresAttention"] is False for each in listed)
        total = (await operator.get(f"{QUEUE}?status={status}")).body["pagination"]["totalCount"]
        assert total == len(listed)
    for status in ("open", "PENDING", "all"):
        reply = await operator.get(f"{QUEUE}?status={status}")
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    cursor = (await operator.get(f"{QUEUE}?limit=1&status=rejected")).body["pagination"]["nextCursor"]
    if cursor:
        assert (await operator.get(f"{QUEUE}?status=approved&cursor={cursor}")).status == 400


async def test_days_pending_and_attention_follow_clock_and_policy_everywhere_alike(world: World) -> None:
    ada = await world.person(430)
    request_id = await seed_request(
        world, ada.ecosystem_id, createdAt=ago(world, days=8, minutes=-1), tierAtRequest="low", scoreAtRequest=430
    )
    operator = await world.operator()

    async def shown() -> list[tuple[int, bool]]:
        queue = [each for page in await walk(operator, QUEUE, "requests", 100) for each in page]
        person = (await operator.get(f"/v1/admin/users/{ada.ecosystem_id}")).body["pendingRequests"]
        return [(each["daysPending"], each["requiresAttention"]) for each in [*queue, *person] if each["requestId"] == request_id]

    assert await shown() == [(7, True)] * 2
    await with_policy(world, approval__attentionDays="8")
    assert await shown() == [(7, False)] * 2
    world.clock.pass_time(minutes=2)
    assert await shown() == [(8, True)] * 2
    await with_policy(world, approval__attentionDays="7")


async def test_nobody_but_operators_decides(world: World) -> None:
    ada, request_id = await asked(world)
    for reply in (
        await ada.get(QUEUE),
        await ada.post(f"{QUEUE}/{request_id}/approve", {"creditLimit": 500}),
        await ada.post(f"{QUEUE}/{request_id}/reject", {}),
    ):
        assert (reply.status, reply.code) == (403, "FORBIDDEN")
