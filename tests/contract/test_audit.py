"""GET /v1/admin/audit-logs, §2.10 and §7."""

import asyncio
import re
from urllib.parse import quote

import pytest

from tests.contract.seeds import TIMESTAMP
from tests.contract.test_transactions import walk
from tests.world import World

LOGS = "/v1/admin/audit-logs"
KEYS = {
    "logId",
    "actorId",
    "adminEcosystemId",
    "adminEmail",
    "action",
    "targetType",
    "targetId",
    "targetEcosystemId",
    "previousValue",
    "newValue",
    "reason",
    "requestId",
    "ipAddress",
    "userAgent",
    "timestamp",
}


async def test_an_approval_is_written_down_whole(world: World) -> None:
    operator, ada = await world.operator(), await world.person(430)
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    approved = await operator.post(
        f"/v1/admin/card-requests/{request_id}/approve", {"creditLimit": 120.5}, x_request_id="corr-1", user_agent="desk/1"
    )
    reply = await operator.get(f"{LOGS}?targetType=card-request&targetId={request_id}")
    assert set(reply.body) == {"auditLogs", "pagination"}
    (entry,) = reply.body["auditLogs"]
    assert set(entry) == KEYS
    assert re.fullmatch(TIMESTAMP, entry["timestamp"])
    assert (entry["actorId"], entry["adminEcosystemId"], entry["adminEmail"]) == (
        operator.ecosystem_id,
        operator.ecosystem_id,
        operator.email,
    )
    assert (entry["action"], entry["targetType"], entry["targetId"]) == ("card_request.approved", "card-request", request_id)
    assert entry["targetEcosystemId"] == ada.ecosystem_id
    assert entry["previousValue"] == {"status": "pending"}
    card = approved.body["card"]
    assert entry["newValue"] == {"status": "approved", "limit": card["limit"], "cardId": card["cardId"]}
    assert (entry["reason"], entry["requestId"], entry["userAgent"]) == ("Approved", "corr-1", "desk/1")


async def test_automatic_approvals_money_and_owner_cancels_write_none(world: World) -> None:
    operator, (ada, card_id) = await world.operator(), await world.cardholder()
    await ada.buy(card_id, 10)
    await ada.pay(card_id, 10)
    await ada.buy(card_id, 99_999)
    await ada.post(f"/v1/cards/{card_id}/cancel")
    assert (await operator.get(f"{LOGS}?targetType=card&targetId={card_id}")).body["auditLogs"] == []
    assert (await operator.get(f"{LOGS}?actorId={ada.ecosystem_id}")).body["auditLogs"] == []


@pytest.mark.parametrize("query", ["", "?targetType=user", "?targetId=x", "?targetType=&targetId=x", "?actorId="])
async def test_a_target_or_an_actor_is_needed(world: World, query: str) -> None:
    reply = await (await world.operator()).get(f"{LOGS}{query}")
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


async def test_both_lists_are_newest_first_in_exact_pages(world: World) -> None:
    clerk, ada = await world.stranger(admin=True), await world.person()
    await clerk.register()
    path = f"/v1/admin/users/{ada.ecosystem_id}/score"
    await asyncio.gather(*(clerk.call("PATCH", path, {"score": score, "reason": str(score)}) for score in range(13)))
    for query in (f"targetType=user&targetId={ada.ecosystem_id}", f"actorId={clerk.ecosystem_id}"):
        whole = (await clerk.get(f"{LOGS}?{query}")).body["auditLogs"]
        order = [(entry["timestamp"], entry["logId"]) for entry in whole]
        assert (len(order), order) == (13, sorted(order, reverse=True))
        for limit in (1, 4, 12, 13):
            pages = await walk(clerk, f"{LOGS}?{query}", "auditLogs", limit)
            assert [entry for page in pages for entry in page] == whole
            assert {len(page) for page in pages[:-1]} <= {limit}


async def test_a_target_with_separators_in_its_id_is_its_own(world: World) -> None:
    operator = await world.operator()
    for target in ("a#b", "a%23b", "a:b/c"):
        reply = await operator.get(f"{LOGS}?targetType=user&targetId={quote(target, safe='')}")
        assert (reply.status, reply.body["auditLogs"]) == (200, [])


async def test_only_operators_read_it(world: World) -> None:
    ada = await world.person()
    assert (await ada.get(f"{LOGS}?actorId={ada.ecosystem_id}")).code == "FORBIDDEN"
