"""The relay among rows that nobody can read, a database that hangs, and a signal while it still starts."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from tazco.platform.aws import Call
from tazco.platform.outbox import OUTBOX, SHARDS
from tazco.platform.publishing import STEP_EVENTS_MAX, STEP_SECONDS_MAX
from tazco.platform.wire import Pool, Reply, WireFailure
from tests.platform.relay_rig import Rig, stream
from tests.processes import Process

STOP_SECONDS_MAX = 14
GIVE_UP_SECONDS_MAX = 5


async def test_a_row_that_cannot_be_read_is_told_once_and_blocks_nobody_else(rig: Rig) -> None:
    relay = await rig.settled()
    first, follower = stream("card-1", 2, rig.services)
    others = [stream(f"card-{number}", 1, rig.services)[0] for number in range(2, 60)]
    item = OUTBOX.item(first)
    del item["sequence"]
    await rig.services.database.call("PutItem", {"TableName": rig.services.database.physical_name(OUTBOX), "Item": item})
    await rig.write(follower, *others)
    assert first.pending_shard in {other.pending_shard for other in others}, "somebody shares its shard"
    with capture_logs() as logs:
        for _ in range(2):
            for number in range(SHARDS):
                await relay.step(f"pending#{number}")
    accepted = {each["eventId"] for each in rig.seam.accepted}
    assert accepted == {other.event_id for other in others}, "its follower waits, everybody else has left"
    assert [entry["event_id"] for entry in logs if entry["event"] == "relay.unreadable"] == [first.event_id]


async def test_under_a_steady_stream_of_nudges_a_step_ends_in_time_for_the_next_look(rig: Rig) -> None:
    relay = await rig.settled()
    nudges = iter([stream(f"card-{number}", 1, rig.services)[0] for number in range(5_000)])
    shard = "pending#5"

    async def one_more() -> None:
        relay.nudge([next(each for each in nudges if each.pending_shard == shard)])
        await asyncio.sleep(0.03)

    rig.seam.before_put = one_more
    await one_more()
    began = time.monotonic()
    step = await relay.step(shard, look=False)
    assert STEP_SECONDS_MAX <= time.monotonic() - began < 2 * STEP_SECONDS_MAX
    assert 1 < step.published < STEP_EVENTS_MAX


async def test_it_stops_in_time_although_the_database_hangs(rig: Rig) -> None:
    relay, stop = rig.relay(), asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    async with asyncio.timeout(20):
        while len(relay.shards.held) < SHARDS:
            await asyncio.sleep(0.02)
    hanging = asyncio.Event()

    async def hangs(call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        if call.service != "dynamodb":
            return await rig.seam(call, pool, request, timeout_seconds)
        hanging.set()
        await asyncio.sleep(timeout_seconds)
        raise WireFailure("no answer", sent=True)

    rig.services.aws.transport = hangs
    try:
        await asyncio.wait_for(hanging.wait(), 10)
        began = time.monotonic()
        stop.set()
        await running
        assert time.monotonic() - began < STOP_SECONDS_MAX
    finally:
        rig.services.aws.transport = rig.seam


@pytest.mark.parametrize("command", ["relay", "worker"])
async def test_a_signal_while_it_starts_is_not_ignored(rig: Rig, command: str) -> None:
    arrived = asyncio.Event()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        while await reader.read(65_536):
            pass
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    process = Process(command, rig.stage.environment_at(url))
    await process.start()
    try:
        await asyncio.wait_for(arrived.wait(), 20)
        began = time.monotonic()
        assert await process.stop() == 0, process.log.read_text()[-2000:]
        assert time.monotonic() - began < GIVE_UP_SECONDS_MAX
    finally:
        if not process.ended:
            await process.kill()
        server.close()
        await server.wait_closed()
