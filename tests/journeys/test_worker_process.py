"""The worker as a process: it reads its queues, tells how deep they are, and ends in time."""

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import Sequence
from datetime import timedelta

import httpx

from tazco.platform.messaging import dead_letter_name, queue_name, undelivered_name
from tazco.platform.queues import Queue
from tazco.platform.reactions import Envelope, Reactions, Timer
from tazco.platform.services import Services
from tazco.slices import REACTIONS
from tazco.worker import work
from tests.contract.test_admin_events import seed_dead_letter
from tests.platform.subscribed import event, eventually, subscribe
from tests.processes import Process, free_port, program
from tests.stage import Stage
from tests.world import World

(NOTIFICATIONS, *_) = REACTIONS


async def scraped(port: int) -> str:
    """What Prometheus would read; nothing while nobody serves."""
    async with httpx.AsyncClient() as http:
        with contextlib.suppress(httpx.TransportError):
            return (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    return ""


async def test_the_worker_reacts_fires_and_measures_until_it_is_told_to_stop(stage: Stage, world: World) -> None:
    own = subscribe(stage, world.services.aws)
    seen: list[str] = []
    fired = asyncio.Event()

    async def react(_: Services, envelope: Envelope) -> None:
        seen.append(envelope.event_id)

    async def fire(_: Services) -> int:
        fired.set()
        return 0

    reactions = [Reactions(queue=own.subscription.queue, react=dict.fromkeys(own.subscription.event_types, react))]
    timers: Sequence[Timer] = [Timer(name="mine", every=timedelta(hours=1), run=fire)]
    await own.dead_letters.send(["left from yesterday"] * 3)
    await seed_dead_letter(world)
    stop, only = asyncio.Event(), event()
    working = asyncio.create_task(work(world.services, reactions, timers, stop))
    own.put(only)

    def depth(name: str) -> float | None:
        return world.services.metrics.registry.get_sample_value("tazco_queue_messages", {"queue": name})

    await eventually(lambda: seen == [only["eventId"]] and fired.is_set())
    await eventually(lambda: depth(own.dead_letters.name) == 3 and depth(own.queue.name) is not None)
    await eventually(lambda: depth(undelivered_name(stage.names)) == 0)
    await eventually(lambda: (world.services.metrics.registry.get_sample_value("tazco_outbox_dead_letters") or 0) == 1)
    await eventually(own.empty)
    stop.set()
    async with asyncio.timeout(5):
        await working


async def test_tazco_worker_works_serves_its_metrics_and_ends_cleanly(stage: Stage, world: World) -> None:
    queue = Queue(world.services.aws, queue_name(stage.names, NOTIFICATIONS.subscription))
    letters = Queue(world.services.aws, dead_letter_name(stage.names, NOTIFICATIONS.subscription))
    port, poison = free_port(), f"poison {uuid.uuid4()}"
    async with program("worker", {**stage.environment, "TAZCO_METRICS_PORT": str(port)}) as worker:
        await queue.send([poison])

        async def dead() -> bool:
            assert not worker.ended, worker.log.read_text()[-2000:]
            return (await letters.depth()).waiting == 1

        async def measured() -> bool:
            return f'tazco_queue_messages{{queue="{queue.name}"}}' in await scraped(port)

        await eventually(dead, seconds=30)
        await eventually(measured)
        assert 'tazco_reactions_total{event_type="unknown",outcome="poison"} 5.0' in await scraped(port)
        async with asyncio.timeout(25):
            assert await worker.stop() == 0
        log = worker.log.read_text()
    assert "consumer.dead_letter" in log
    assert poison not in log


async def test_a_worker_whose_metrics_have_no_port_says_so_and_does_not_start(stage: Stage) -> None:
    port = free_port()
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    worker = Process("worker", {**stage.environment, "TAZCO_METRICS_PORT": str(port)})
    await worker.start()
    await eventually(lambda: worker.ended, seconds=30)
    assert await worker.stop() != 0
    listener.close()
    await listener.wait_closed()
    assert f"TAZCO_METRICS_PORT: 127.0.0.1:{port} cannot be listened on" in worker.log.read_text().replace("\n", " ")
    worker.log.unlink()


async def test_a_worker_ends_with_whoever_started_it(stage: Stage) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tazco", "worker", "--with-parent"),
        env={"PATH": os.environ["PATH"], **stage.environment},
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stderr is not None
    async with asyncio.timeout(30):
        while b"worker.started" not in await child.stderr.readline():
            assert child.returncode is None
        child.stdin.close()
        assert await child.wait() == 0
