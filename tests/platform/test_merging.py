"""One list out of many shards: every row once, in order, whatever the index still says."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.merging import Merged, Position
from tazco.platform.outbox import OUTBOX, PENDING_EVENTS, OutboxRow
from tazco.platform.tables import EntriesOf, Range
from tazco.platform.wire import Reply
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.platform.faults import Faulty
from tests.stage import AnyCloud, Stage, new_stage
from tests.world import World, open_world

SHARDS = 16
START = datetime(2031, 4, 5, 6, 7, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def stage(embedded_cloud: AnyCloud) -> Stage:
    """A stage whose outbox has nothing but what these tests put there."""
    return new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)


def row_of(number: int, *, shard: int, second: int) -> OutboxRow:
    """An event in a shard of the test's choice."""
    return OutboxRow(
        event_id=f"e-{number:04}",
        event_type="card.suspended",
        aggregate_type="card",
        aggregate_id=f"card-{number}",
        sequence=1,
        schema_version=1,
        ecosystem_id="ada",
        occurred_at=START,
        request_id="r",
        payload="{}",
        pending_shard=f"list#{shard}",
        created_at=START + timedelta(seconds=second),
    )


def listing(*, newest_first: bool = False, hidden: Sequence[str] = ()) -> Merged[OutboxRow]:
    """All shards as one list, without the rows that have left it."""

    def questions(start: str | None) -> tuple[EntriesOf, ...]:
        bounds = Range(at_most=start, newest_first=True) if newest_first else Range(at_least=start)
        return tuple(EntriesOf(OUTBOX, PENDING_EVENTS, f"list#{shard}", bounds) for shard in range(SHARDS))

    return Merged(
        table=OUTBOX,
        questions=questions,
        time="createdAt",
        keep=lambda row: row.event_id not in hidden,
        newest_first=newest_first,
    )


@pytest.fixture(scope="module")
async def order(world: World) -> list[str]:
    """Sixty events, five at a time in the same instant, of which three are in one shard; put in the reverse of their order."""
    rows = [
        row_of(number, shard=number // 5 if number % 5 < 3 else number * 7 % SHARDS, second=number // 5) for number in range(60)
    ]
    for row in reversed(rows):
        assert await world.services.database.write(OUTBOX, row, condition="attribute_not_exists(#p)")
    return [row.event_id for row in rows]


async def pages(world: World, merged: Merged[OutboxRow], size: int) -> list[list[str]]:
    """The list page by page."""
    found: list[list[str]] = []
    after: Position | None = None
    while True:
        page, after = await merged.page(world.services.database, after, size)
        found.append([row.event_id for row in page])
        if after is None:
            return found


@pytest.mark.parametrize("size", [1, 3, 5, 7, 59, 60, 61])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_every_row_comes_once_in_order_and_only_the_last_page_is_short(
    world: World, order: list[str], size: int, *, newest_first: bool
) -> None:
    found = await pages(world, listing(newest_first=newest_first), size)
    assert [each for page in found for each in page] == (order[::-1] if newest_first else order)
    assert {len(page) for page in found[:-1]} <= {size}
    assert found[-1], "a page promised more, and there was none"


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_an_index_may_name_rows_of_one_instant_in_any_order(
    stage: Stage, order: list[str], size: int, *, newest_first: bool
) -> None:
    async def ties_turned(call: Call, *rest: Any) -> Reply:
        reply = await over_the_wire(call, *rest)
        if call.operation != "Query":
            return reply
        body = json.loads(reply.body)
        ties = [list(tied) for _, tied in groupby(body["Items"], key=lambda item: item["createdAt"]["S"])]
        body["Items"] = [item for tied in ties for item in reversed(tied)]
        return Reply(reply.status, reply.headers, json.dumps(body).encode())

    async with open_world(stage, transport=ties_turned) as world:
        found = await pages(world, listing(newest_first=newest_first), size)
    assert [each for page in found for each in page] == (order[::-1] if newest_first else order)


@pytest.mark.parametrize("size", [1, 4, 20])
async def test_rows_that_left_drop_out_and_pages_are_full_all_the_same(world: World, order: list[str], size: int) -> None:
    hidden = [*order[:17], *order[30:45], order[-1]]
    found = await pages(world, listing(hidden=hidden), size)
    assert [each for page in found for each in page] == [each for each in order if each not in hidden]
    assert {len(page) for page in found[:-1]} <= {size}
    assert found[-1]


async def test_a_list_that_everybody_left_has_no_next_page(world: World, order: list[str]) -> None:
    assert await pages(world, listing(hidden=order), 7) == [[]]


async def test_no_question_asks_for_more_than_a_page_needs(stage: Stage, order: list[str]) -> None:
    faulty = Faulty()
    async with open_world(stage, transport=faulty) as world:
        faulty.calls.clear()
        await listing().page(world.services.database, None, 9)
        bodies = [call.body for call in faulty.calls if call.operation == "Query"]
    assert len(bodies) == SHARDS
    assert len(order) > SHARDS
    assert all(b'"Limit":11' in body for body in bodies), "the page, one more to know that there is more, one to see a tie"
    assert faulty.count("BatchGetItem") == 1
