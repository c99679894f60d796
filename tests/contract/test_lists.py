"""Lists: sizes, cursors, and every row exactly once."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tazco.audit.store import AUDIT_LOGS
from tazco.slices import SUBSCRIPTIONS, TABLES
from tazco.users.store import USERS
from tests.contract.seeds import ago, row, seed, seed_request, seed_user
from tests.stage import AnyCloud, new_stage
from tests.world import Person, World, open_world


async def walk(person: Person, path: str, name: str, limit: int) -> list[Any]:
    """Every row of a list, page by page."""
    rows: list[Any] = []
    cursor = ""
    while True:
        page = (await person.get(f"{path}{'&' if '?' in path else '?'}limit={limit}&cursor={cursor}")).body
        rows += page[name]
        assert page["pagination"]["hasMore"] == (page["pagination"]["nextCursor"] is not None)
        assert page[name] or not cursor, "a page promised more, and there was none"
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
        lambda cursor: cursor[:10] + ("x" if cursor[10] != "x" else "y") + cursor[11:],
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


LIMITS = [
    ("1", 1),
    ("19", 19),
    ("20.999", 20),
    ("1e2", 1),
    ("%20%207", 7),
    ("%0A7", 7),
    ("-0", 20),
    ("-0.5", 20),
    ("-1", 1),
    ("-999999999999999999999", 1),
    ("--5", 20),
    ("0x10", 20),
    ("00012", 12),
    ("0" * 40 + "5", 5),
    ("%D9%A5", 20),
    ("5%D9%A5", 5),
    ("%EF%BC%95", 20),
    ("NaN", 20),
    ("Infinity", 20),
    ("null", 20),
    (".5", 20),
    ("%ff", 20),
    ("%00", 20),
    ("7&limit=3", 7),
]


@pytest.mark.parametrize(("text", "size"), LIMITS)
async def test_a_limit_is_its_leading_integer_whatever_follows(ledger: tuple[Person, str], text: str, size: int) -> None:
    ada, card = ledger
    reply = await ada.get(f"/v1/cards/{card}/transactions?limit={text}")
    assert (reply.status, len(reply.body["transactions"])) == (200, size)


@pytest.fixture(scope="module")
async def ties(embedded_cloud: AnyCloud) -> AsyncIterator[tuple[World, Person]]:
    """A world of its own in which everything happened in one and the same instant: 23 people, 23 requests, 46 deeds."""
    async with open_world(new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)) as opened:
        operator = await opened.operator()
        instant = ago(opened, days=1)
        for number in range(23):
            owner = await seed_user(opened, ecosystemId=f"tie-{number}", createdAt=instant)
            shard = f"{'pending' if number < 13 else 'rejected'}#{number % 4}"
            status = shard.split("#", maxsplit=1)[0]
            await seed_request(
                opened, owner, requestId=f"r-{number * 7 % 23:02}", createdAt=instant, status=status, statusShard=shard
            )
        for number in range(23):
            for table_key in ("user#tied", f"user#other-{number}"):
                place = f"{instant}#l-{number * 5 % 23:02}{table_key[-1]}"
                await seed_deed(opened, operator, table_key, place, instant)
        yield opened, operator


async def seed_deed(world: World, operator: Person, target_key: str, place: str, instant: str) -> None:
    """A raw audit entry."""
    kind, target = target_key.split("#")
    await seed(
        world,
        AUDIT_LOGS,
        targetKey=target_key,
        timestampLogId=place,
        logId=place.split("#")[1],
        actorId=operator.ecosystem_id,
        adminEcosystemId=operator.ecosystem_id,
        adminEmail="o@example.com",
        action="user.enabled",
        targetType=kind,
        targetId=target,
        targetEcosystemId=target,
        previousValue="{}",
        newValue="{}",
        reason="r",
        requestId="q",
        ipAddress="",
        userAgent="",
        timestamp=instant,
    )


@pytest.mark.parametrize(
    ("path", "name", "identity", "rows"),
    [
        ("/v1/admin/users", "users", "ecosystemId", 24),
        ("/v1/admin/card-requests", "requests", "requestId", 13),
        ("/v1/admin/card-requests?sort=newest", "requests", "requestId", 13),
        ("/v1/admin/card-requests?status=rejected&sort=whatever", "requests", "requestId", 10),
        ("/v1/admin/card-requests?status=approved", "requests", "requestId", 0),
        ("/v1/admin/audit-logs?targetType=user&targetId=tied", "auditLogs", "logId", 23),
        ("/v1/admin/audit-logs?actorId={operator}", "auditLogs", "logId", 46),
    ],
)
@pytest.mark.parametrize("limit", [1, 6, 13, 23, 100])
async def test_among_ties_every_row_comes_once_in_one_order_whatever_the_page(
    ties: tuple[World, Person], path: str, name: str, identity: str, rows: int, limit: int
) -> None:
    _, operator = ties
    path = path.format(operator=operator.ecosystem_id)
    whole = (await operator.get(f"{path}{'&' if '?' in path else '?'}limit=100")).body[name]
    walked = await walk(operator, path, name, limit)
    assert len({row[identity] for row in whole}) == len(whole) == rows
    assert walked == whole


async def test_oldest_first_is_newest_first_backwards_even_among_ties(ties: tuple[World, Person]) -> None:
    _, operator = ties
    oldest = await walk(operator, "/v1/admin/card-requests?sort=oldest", "requests", 4)
    newest = await walk(operator, "/v1/admin/card-requests?sort=newest", "requests", 3)
    assert oldest == newest[::-1]
    assert [row["requestId"] for row in oldest] == sorted(row["requestId"] for row in oldest)


async def test_only_the_operators_requests_have_a_total_and_it_is_the_filters_on_every_page(ties: tuple[World, Person]) -> None:
    _, operator = ties
    cursor: Any = ""
    for _ in range(3):
        page = (await operator.get(f"/v1/admin/card-requests?status=rejected&limit=4&cursor={cursor}")).body["pagination"]
        assert (set(page), page["totalCount"]) == ({"nextCursor", "hasMore", "totalCount"}, 10)
        cursor = page["nextCursor"]
    assert cursor is None
    for path in ("/v1/admin/users", "/v1/admin/audit-logs?actorId=x"):
        assert set((await operator.get(path)).body["pagination"]) == {"nextCursor", "hasMore"}


@pytest.mark.parametrize("status", ["open", "PENDING", "pending,approved", "%00", "pending%20"])
async def test_an_unknown_status_of_requests_is_400(ties: tuple[World, Person], status: str) -> None:
    _, operator = ties
    reply = await operator.get(f"/v1/admin/card-requests?status={status}")
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


async def test_an_operators_cursor_serves_its_operator_route_filters_and_sort_only(ties: tuple[World, Person]) -> None:
    opened, operator = ties
    other = await opened.stranger(admin=True)
    audit = f"/v1/admin/audit-logs?actorId={operator.ecosystem_id}"
    about = "/v1/admin/audit-logs?targetType=user&targetId=tied"
    queue = "/v1/admin/card-requests?status=pending"
    for path, strangers in (
        ("/v1/admin/users?", [queue, audit]),
        (f"{queue}&", ["/v1/admin/card-requests?status=rejected", f"{queue}&sort=newest", "/v1/admin/users?", audit]),
        (f"{audit}&", [about, "/v1/admin/audit-logs?actorId=somebody", queue]),
        (f"{about}&", [audit, "/v1/admin/audit-logs?targetType=user&targetId=other-1", f"{about}&actorId=x"]),
    ):
        cursor = (await operator.get(f"{path}limit=3")).body["pagination"]["nextCursor"]
        assert (await operator.get(f"{path}limit=7&cursor={cursor}")).status == 200
        refused = [await operator.get(f"{stranger}&cursor={cursor}") for stranger in strangers]
        refused.append(await other.get(f"{path}cursor={cursor}"))
        assert [(reply.status, reply.code) for reply in refused] == [(400, "VALIDATION_ERROR")] * len(refused), path


async def test_a_default_that_is_spelt_out_is_the_same_query(ties: tuple[World, Person]) -> None:
    _, operator = ties
    cursor = (await operator.get("/v1/admin/card-requests?limit=3")).body["pagination"]["nextCursor"]
    for same in ("status=pending", "status=", "sort=oldest", "sort=", "utm=x", "limit=99"):
        assert (await operator.get(f"/v1/admin/card-requests?{same}&cursor={cursor}")).status == 200, same


async def test_an_empty_cursor_is_the_first_page(ties: tuple[World, Person]) -> None:
    _, operator = ties
    for path in ("/v1/admin/users?", "/v1/admin/card-requests?", f"/v1/admin/audit-logs?actorId={operator.ecosystem_id}&"):
        assert (await operator.get(f"{path}cursor=")).body == (await operator.get(path)).body


async def test_a_row_that_is_gone_does_not_break_the_cursor_that_stands_on_it(ties: tuple[World, Person]) -> None:
    opened, operator = ties
    whole = await walk(operator, "/v1/admin/users", "users", 100)
    first = await operator.get("/v1/admin/users?limit=5")
    last = first.body["users"][-1]["ecosystemId"]
    kept = await row(opened, USERS, last)
    await opened.services.database.call(
        "DeleteItem", {"TableName": opened.services.database.physical_name(USERS), "Key": USERS.key_item((last,))}
    )
    rest = await operator.get(f"/v1/admin/users?limit=100&cursor={first.body['pagination']['nextCursor']}")
    await seed(opened, USERS, **kept)
    assert rest.body["users"] == whole[5:]
