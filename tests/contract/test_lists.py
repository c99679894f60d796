"""Lists: sizes, cursors, and every row exactly once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.world import Person, World


async def walk(person: Person, path: str, name: str, limit: int) -> list[Any]:
    """Every row of a list, page by page."""
    rows: list[Any] = []
    cursor = ""
    while True:
        page = (await person.get(f"{path}{'&' if '?' in path else '?'}limit={limit}&cursor={cursor}")).body
        rows += page[name]
        assert page["pagination"]["hasMore"] == (page["pagination"]["nextCursor"] is not None)
        if not page["pagination"]["hasMore"]:
            return rows
        assert len(page[name]) == limit
        cursor = page["pagination"]["nextCursor"]


@pytest.fixture(scope="module")
async def ledger(world: World) -> tuple[Person, str]:
    """A card with 25 purchases and 5 payments."""
    ada, card = await world.cardholder()
    for number in range(25):
        assert (await ada.buy(card, number + 1)).status == 201
    for _ in range(5):
        assert (await ada.pay(card, 1)).status == 201
    return ada, card


@pytest.mark.parametrize(
    ("text", "size"),
    [("", 20), ("0", 20), ("abc", 20), ("2.9", 2), ("12x", 12), ("-5", 1), ("+3", 3), ("100", 30), ("101", 30), ("9" * 30, 30)],
)
async def test_the_size_of_a_page_is_clamped(ledger: tuple[Person, str], text: str, size: int) -> None:
    ada, card = ledger
    assert len((await ada.get(f"/v1/cards/{card}/transactions?limit={text}")).body["transactions"]) == size


@pytest.mark.parametrize("limit", [1, 4, 5, 7, 29, 30, 31])
async def test_a_ledger_is_walked_newest_first_every_entry_once(ledger: tuple[Person, str], limit: int) -> None:
    ada, card = ledger
    rows = await walk(ada, f"/v1/cards/{card}/transactions", "transactions", limit)
    ids = [row["transactionId"] for row in rows]
    assert len(ids) == len(set(ids)) == 30
    assert ids == sorted(ids, reverse=True)
    assert [row["type"] for row in rows[:5]] == ["payment"] * 5


async def test_a_filter_applies_before_the_page_is_cut(ledger: tuple[Person, str]) -> None:
    ada, card = ledger
    assert len(await walk(ada, f"/v1/cards/{card}/transactions?type=payment", "transactions", 2)) == 5
    assert len(await walk(ada, f"/v1/cards/{card}/transactions?type=purchase", "transactions", 8)) == 25
    assert (await ada.get(f"/v1/cards/{card}/transactions?type=refund")).status == 400


@pytest.mark.parametrize(
    "bend",
    [
        lambda cursor: cursor[:-1] + ("A" if cursor[-1] != "A" else "B"),
        lambda cursor: cursor[:10] + "x" + cursor[11:],
        lambda cursor: "v2" + cursor[2:],
        lambda _: "v1.",
        lambda _: "%00",
        lambda cursor: cursor + "=",
        lambda cursor: cursor * 30,
    ],
)
async def test_a_bent_cursor_is_400(ledger: tuple[Person, str], bend: Callable[[str], str]) -> None:
    ada, card = ledger
    cursor = (await ada.get(f"/v1/cards/{card}/transactions?limit=3")).body["pagination"]["nextCursor"]
    reply = await ada.get(f"/v1/cards/{card}/transactions?cursor={bend(cursor)}")
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


async def test_a_cursor_belongs_to_its_caller_route_card_and_filter_but_not_to_its_limit(
    world: World, ledger: tuple[Person, str]
) -> None:
    ada, card = ledger
    cursor = (await ada.get(f"/v1/cards/{card}/transactions?limit=3")).body["pagination"]["nextCursor"]
    assert (await ada.get(f"/v1/cards/{card}/transactions?limit=9&cursor={cursor}")).status == 200
    other, other_card = await world.cardholder()
    operator = await world.operator()
    for reply in (
        await ada.get(f"/v1/cards/{card}/transactions?type=payment&cursor={cursor}"),
        await ada.get(f"/v1/cards/{other_card}/transactions?cursor={cursor}"),
        await other.get(f"/v1/cards/{card}/transactions?cursor={cursor}"),
        await operator.get(f"/v1/admin/users?cursor={cursor}"),
        await operator.get(f"/v1/admin/card-requests?cursor={cursor}"),
    ):
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


async def test_the_operators_lists_are_walked_every_row_once(world: World) -> None:
    operator = await world.operator()
    asked = []
    for _ in range(7):
        somebody = await world.person(score=430)
        asked.append((await somebody.ask_for_card()).body["request"]["requestId"])
    people = await walk(operator, "/v1/admin/users", "users", 3)
    assert len({person["ecosystemId"] for person in people}) == len(people) >= 8
    oldest = [row["requestId"] for row in await walk(operator, "/v1/admin/card-requests", "requests", 2)]
    newest = [row["requestId"] for row in await walk(operator, "/v1/admin/card-requests?sort=newest", "requests", 3)]
    assert oldest == newest[::-1] == asked
    assert (await operator.get("/v1/admin/card-requests?limit=2")).body["pagination"]["totalCount"] == 7
    for request_id in asked[:5]:
        await operator.post(f"/v1/admin/card-requests/{request_id}/reject", {"reason": "r"})
    assert [row["requestId"] for row in await walk(operator, "/v1/admin/card-requests?status=rejected", "requests", 2)] == asked[:5]
    assert [row["requestId"] for row in await walk(operator, "/v1/admin/card-requests", "requests", 1)] == asked[5:]
    deeds = await walk(operator, f"/v1/admin/audit-logs?actorId={operator.ecosystem_id}", "auditLogs", 2)
    assert len({deed["logId"] for deed in deeds}) == len(deeds)
    assert [deed["timestamp"] for deed in deeds] == sorted((deed["timestamp"] for deed in deeds), reverse=True)
    assert [deed["targetId"] for deed in deeds[:5]] == asked[4::-1]
