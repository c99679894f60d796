"""A cleanup while others write, in this process and in another."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.outbox import OUTBOX, STREAMS
from tazco.platform.wire import Pool, Reply, WireFailure
from tazco.slices import TABLES
from tests.stage import Stage
from tests.world import Person, World, open_world


class Halting:
    """A transport that halts the first scan of one table until it is told to go on, and loses commits that speak of a cleanup."""

    def __init__(self) -> None:
        self.table = ""
        self.lose = 0
        self.halted, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        if self.table and call.operation == "Scan" and self.table.encode() in call.body:
            self.table = ""
            self.halted.set()
            await self.go_on.wait()
        if self.lose and call.operation == "TransactWriteItems" and b"system.cleanup" in call.body:
            self.lose -= 1
            raise WireFailure("lost", sent=False)
        return await over_the_wire(call, pool, request, timeout_seconds)


@pytest.fixture
def transport() -> Halting:
    return Halting()


@pytest.fixture
async def cleaning(stage: Stage, transport: Halting) -> AsyncIterator[World]:
    """The world that cleans up."""
    async with open_world(stage, transport=transport) as opened:
        yield opened


async def clean_up(operator: Person) -> int:
    """Both steps; the status of the second."""
    asked = await operator.post("/v1/admin/cleanup")
    return (await operator.post("/v1/admin/cleanup", {"confirmationToken": asked.body["confirmationToken"]})).status


async def test_nobody_registers_anywhere_while_a_cleanup_runs_and_nothing_is_left_behind(
    world: World, cleaning: World, transport: Halting
) -> None:
    operator = await cleaning.operator()
    ada, card = await world.cardholder()
    assert (await ada.buy(card, 9)).status == 201
    stranger, other_operator = await world.stranger(), await world.stranger(admin=True)
    transport.table = world.services.database.physical_name(STREAMS)
    running = asyncio.create_task(clean_up(operator))
    await transport.halted.wait()

    for somebody in (stranger, other_operator):
        refused = await somebody.post("/v1/users", {"email": somebody.email})
        assert (refused.status, refused.code) == (503, "SERVICE_UNAVAILABLE")
    assert (await ada.buy(card, 9)).status in (404, 503)
    assert (await ada.ask_for_card()).status in (404, 503)

    transport.go_on.set()
    assert await running == 200
    left = {table.name: len(await world.rows(table)) for table in TABLES if table.wiped_as and table.wiped_as != "sequences"}
    assert left == dict.fromkeys(left, 0) | {"outbox": 1}
    assert [row["eventType"]["S"] for row in await world.rows(OUTBOX)] == ["system.cleanup"]

    world.clock.pass_time(seconds=11)
    assert (await ada.register()).body["created"] is True
    assert (await ada.get("/v1/cards")).body["cards"] == []


async def test_the_end_of_a_cleanup_is_told_even_if_the_database_is_away_for_a_moment(cleaning: World, transport: Halting) -> None:
    operator = await cleaning.stranger(admin=True)
    transport.lose = 5
    assert await clean_up(operator) == 200
    logs = (await operator.get("/v1/admin/audit-logs?targetType=system&targetId=cleanup")).body["auditLogs"]
    assert logs[0]["action"] == "system.cleanup"
    assert logs[0]["actorId"] == operator.subject
