"""The ledger of a card, §2.7 and §1.7."""

import asyncio
from typing import Any

import pytest

from tests.world import Person, World


async def walk(person: Person, path: str, key: str, limit: int) -> list[list[dict[str, Any]]]:
    """All pages of a list, checking what each says of the next."""
    pages: list[list[dict[str, Any]]] = []
    cursor = ""
    while True:
        join = "&" if "?" in path else "?"
        reply = await person.get(f"{path}{join}limit={limit}&cursor={cursor}")
        assert reply.status == 200, reply
        pages.append(reply.body[key])
        pagination = reply.body["pagination"]
        assert pagination["hasMore"] is (pagination["nextCursor"] is not None)
        if not pagination["hasMore"]:
            return pages
        cursor = pagination["nextCursor"]


@pytest.fixture(scope="module")
async def busy(world: World) -> tuple[Person, str]:
    """A card with ten purchases, five payments and one decline, in this order."""
    ada, card_id = await world.cardholder()
    for _ in range(10):
        await ada.buy(card_id, 10)
    for _ in range(5):
        await ada.pay(card_id, 1)
    await ada.buy(card_id, 9999)
    return ada, card_id


async def test_the_ledger_is_newest_first_with_declines(busy: tuple[Person, str]) -> None:
    ada, card_id = busy
    reply = await ada.get(f"/v1/cards/{card_id}/transactions")
    assert set(reply.body) == {"transactions", "pagination"}
    kinds = [(entry["type"], entry["status"]) for entry in reply.body["transactions"]]
    assert kinds == [("purchase", "failed")] + [("payment", "completed")] * 5 + [("purchase", "completed")] * 10
    times = [entry["timestamp"] for entry in reply.body["transactions"]]
    assert times == sorted(times, reverse=True)
    assert reply.body["pagination"] == {"nextCursor": None, "hasMore": False}


@pytest.mark.parametrize("limit", [1, 3, 4, 8, 16, 17])
@pytest.mark.parametrize("kind", ["", "?type=purchase", "?type=payment"])
async def test_pages_together_are_the_whole_list_and_only_the_last_is_short(
    busy: tuple[Person, str], limit: int, kind: str
) -> None:
    ada, card_id = busy
    path = f"/v1/cards/{card_id}/transactions{kind}"
    whole = (await ada.get(path)).body["transactions"]
    pages = await walk(ada, path, "transactions", limit)
    assert [entry for page in pages for entry in page] == whole
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert 0 < len(pages[-1]) <= limit


@pytest.mark.parametrize(
    ("limit", "rows"),
    [("", 16), ("0", 16), ("x", 16), ("2.9", 2), ("12x", 12), ("-5", 1), ("1", 1), ("999", 16), ("99999999999999999999", 16)],
)
async def test_the_limit_is_read_leniently(busy: tuple[Person, str], limit: str, rows: int) -> None:
    ada, card_id = busy
    reply = await ada.get(f"/v1/cards/{card_id}/transactions?limit={limit}")
    assert len(reply.body["transactions"]) == rows


async def test_an_unknown_type_is_refused_before_the_card_is_looked_up(world: World) -> None:
    ada = await world.person()
    reply = await ada.get("/v1/cards/nothing/transactions?type=refund")
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert (await ada.get("/v1/cards/nothing/transactions")).status == 404


async def test_a_cursor_serves_this_list_and_this_caller_only(world: World, busy: tuple[Person, str]) -> None:
    ada, card_id = busy
    path = f"/v1/cards/{card_id}/transactions"
    cursor = (await ada.get(f"{path}?limit=2")).body["pagination"]["nextCursor"]
    assert (await ada.get(f"{path}?limit=9&cursor={cursor}")).status == 200
    ben, other = await world.cardholder()
    bent = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for person, url in (
        (ada, f"{path}?cursor={bent}"),
        (ada, f"{path}?cursor=x"),
        (ada, f"{path}?type=purchase&cursor={cursor}"),
        (ben, f"/v1/cards/{other}/transactions?cursor={cursor}"),
        (ben, f"{path}?cursor={cursor}"),
        (await world.operator(), f"/v1/admin/users?cursor={cursor}"),
    ):
        reply = await person.get(url)
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR"), url


async def test_rows_that_come_while_one_pages_disturb_nothing(world: World) -> None:
    ada, card_id = await world.cardholder()
    for _ in range(4):
        await ada.buy(card_id, 1)
    path = f"/v1/cards/{card_id}/transactions"
    whole = (await ada.get(path)).body["transactions"]
    first = await ada.get(f"{path}?limit=2")
    await asyncio.gather(*(ada.buy(card_id, 2) for _ in range(3)))
    second = await ada.get(f"{path}?limit=2&cursor={first.body['pagination']['nextCursor']}")
    assert first.body["transactions"] + second.body["transactions"] == whole
