"""The relay as it runs: its tasks, its pauses, its end."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import structlog
from structlog.testing import capture_logs

from tazco.platform import outage, relaying
from tazco.platform.commands import nobody
from tazco.platform.relaying import Relay
from tazco.platform.shards import LEASE_LENGTH, ROUND_SECONDS
from tazco.platform.wire import Reply
from tests.platform.faults import error
from tests.platform.relay_rig import Everything, Rig, stream
from tests.world import open_world

DOWN: list[str | Reply] = [error(400, "AccessDeniedException")]


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.02)


async def all_left(rig: Rig) -> bool:
    """Nothing is pending."""
    return not await rig.pending()


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Relay]:
    """A relay at work, stopped on leaving."""
    async with relaying.relaying(rig.services) as relay:
        await until(lambda: len(relay.shards.held) > 0)
        yield relay


@pytest.fixture
def open_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers that have not cached where they write, so that a test can listen."""
    for module in (outage, relaying):
        monkeypatch.setattr(module, "log", structlog.get_logger())


async def test_a_purchase_is_on_the_bus_right_after_its_commit_without_a_look(rig: Rig) -> None:
    async with open_world(rig.stage, transport=rig.seam) as world, relaying.relaying(world.services) as relay:
        await until(lambda: len(relay.shards.held) == 16)
        rig.seam.hidden = Everything()
        ada, card = await world.cardholder()
        assert (await ada.buy(card, 10)).status == 201
        await until(lambda: rig.seam.order(card) == [1, 2])
        await until(lambda: all_left(rig))
        delay = world.services.metrics.registry.get_sample_value("tazco_publish_delay_seconds_bucket", {"le": "0.5"})
        assert delay == world.services.metrics.registry.get_sample_value("tazco_publish_delay_seconds_count")
    assert world.services.commands.committed is nobody


async def test_what_nobody_was_told_of_is_found_by_looking(rig: Rig) -> None:
    async with running(rig):
        await rig.write(*stream("card-1", 3, rig.services), *stream("card-2", 3, rig.services))
        await until(lambda: all_left(rig))
    assert rig.seam.order("card-1") == rig.seam.order("card-2") == [1, 2, 3]


async def test_a_relay_that_stops_gives_its_shards_back_at_once(rig: Rig) -> None:
    async with running(rig) as relay:
        await until(lambda: len(relay.shards.held) == 16)
    assert relay.shards.held == ()
    successor = rig.relay()
    await successor.settle()
    assert len(successor.shards.held) == 16


async def test_a_stop_lets_what_is_under_way_finish_and_begins_nothing_more(rig: Rig) -> None:
    rows = stream("card-1", 2, rig.services)
    await rig.write(*rows)
    stop, reached, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        reached.set()
        await go_on.wait()

    rig.seam.before_put = slowly
    relay = rig.relay()
    task = asyncio.create_task(relay.run(stop))
    await reached.wait()
    stop.set()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    await task
    assert [event["sequence"] for event in rig.seam.accepted] == [1]
    assert await rig.pending() == [rows[1].event_id], "what was sent is marked, what was not waits"


async def test_two_relays_share_the_work_and_one_that_is_killed_is_taken_over(rig: Rig) -> None:
    async with running(rig) as survivor:
        doomed = rig.relay()
        task = asyncio.create_task(doomed.run(asyncio.Event()))
        await until(lambda: len(doomed.shards.held) == len(survivor.shards.held) == 8)
        kill(doomed, task)
        rows = [stream(f"card-{number}", 1, rig.services)[0] for number in range(40)]
        await rig.write(*rows)
        await until(lambda: len(rig.seam.accepted) > 0)
        assert len(await rig.pending()) > 0, "its shards wait for its leases to end"
        rig.clock.pass_time(seconds=LEASE_LENGTH.total_seconds())
        await until(lambda: all_left(rig), seconds=ROUND_SECONDS + 1)
    assert {event["eventId"] for event in rig.seam.accepted} == {row.event_id for row in rows}


def kill(relay: Relay, task: asyncio.Task[None]) -> None:
    """End a relay as SIGKILL would: it gives nothing back."""
    relay.shards._held.clear()
    for one in (task, *relay._tasks.values()):
        one.cancel()


async def test_an_outage_is_told_once_at_its_beginning_and_once_at_its_end(rig: Rig, open_logs: None) -> None:
    assert open_logs is None
    rig.seam.whole = DOWN * 3
    rows = stream("card-1", 3, rig.services)
    await rig.write(*rows)
    with capture_logs() as lines:
        async with running(rig):
            await until(lambda: all_left(rig))
    told = [line["event"] for line in lines if line["event"].startswith("outage")]
    assert told == ["outage.began", "outage.ended"]
    assert rig.seam.order("card-1") == [1, 2, 3]
    kept = [await rig.read(row) for row in rows]
    assert all(row is not None and row.retry_count == 0 for row in kept)


async def test_a_relay_that_starts_before_its_database_begins_as_soon_as_it_can(rig: Rig) -> None:
    rig.seam.lose["BatchGetItem"] = ["lost before"] * 8
    await rig.write(*stream("card-1", 1, rig.services))
    async with running(rig):
        await until(lambda: all_left(rig))


class Longest(random.Random):
    """Chance that always draws the longest."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002  # the lower end
        """The upper end."""
        return b


async def test_pauses_grow_to_ten_seconds_and_several_failures_at_once_are_one() -> None:
    now = [0.0]
    away = outage.Outage("it", Longest(), lambda: now[0])
    pauses = []
    for _ in range(7):
        away.note(ValueError())
        away.note(ValueError())
        pauses.append(away.pause_seconds)
        now[0] += away.pause_seconds
    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]
    away.over()
    assert away.pause_seconds == 0


async def test_a_bug_in_a_step_is_told_and_the_shard_goes_on(rig: Rig, open_logs: None) -> None:
    assert open_logs is None
    poison = Reply(200, {}, b'{"Items":[{"unexpected":{"S":"row"}}]}')
    rig.seam.lose["Query"] = [poison]
    await rig.write(*(stream(f"card-{number}", 1, rig.services)[0] for number in range(40)))
    with capture_logs() as lines:
        async with running(rig):
            await until(lambda: all_left(rig))
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["relay.unexpected"]


async def test_a_bug_in_the_sharing_is_told_and_the_relay_goes_on(rig: Rig, open_logs: None) -> None:
    assert open_logs is None
    rig.seam.lose["BatchGetItem"] = [Reply(200, {}, b'{"unexpected":1}')]
    await rig.write(*stream("card-1", 1, rig.services))
    with capture_logs() as lines:
        async with running(rig):
            await until(lambda: all_left(rig))
    assert "relay.unexpected" in [line["event"] for line in lines]


async def test_a_database_that_does_not_answer_for_a_while_stops_nothing_for_good(rig: Rig, open_logs: None) -> None:
    assert open_logs is None
    with capture_logs() as lines:
        async with running(rig):
            rig.seam.lose["Query"] = ["lost before"] * 64
            rig.seam.lose["UpdateItem"] = ["lost before"] * 8
            await rig.write(*stream("card-1", 3, rig.services))
            await until(lambda: all_left(rig))
            await until(lambda: {"outage.began", "outage.ended"} <= {line["event"] for line in lines})
    assert rig.seam.order("card-1") == [1, 2, 3]


async def test_a_nudge_neither_waits_nor_raises_whatever_it_is_told(rig: Rig) -> None:
    rows = stream("card-1", 1, rig.services)
    rig.relay().nudge([replace(row, pending_shard=None) for row in rows])
    rig.relay().nudge([])
