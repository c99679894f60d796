"""Way in: messages and time. Events from the queues meet their reactions, and timers look after what is due."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from tazco.platform.consumer import Consumer
from tazco.platform.messaging import every_queue
from tazco.platform.outbox_watch import MEASURED, OutboxWatch
from tazco.platform.queues import Queue
from tazco.platform.reactions import Reactions, Timer
from tazco.platform.services import Services
from tazco.platform.timers import run_timers
from tazco.slices import REACTIONS, TIMERS
from tazco.wiring import run_process

MEASURE_EVERY: Final = timedelta(seconds=15)

log = structlog.get_logger()


def worker(*, with_parent: bool) -> int:
    """Work until SIGTERM or SIGINT, then let what is in hand finish; the exit code, and what is raised, as `run_process` says."""
    return run_process(_work, with_parent=with_parent)


async def _work(running: Services, stop: asyncio.Event) -> None:
    await work(running, REACTIONS, TIMERS, stop)


async def work(running: Services, reactions: Sequence[Reactions], timers: Sequence[Timer], stop: asyncio.Event) -> None:
    """Consume every queue and fire every timer until `stop` is set; it takes at most 25 seconds more."""
    measure = Timer(name="measure", every=MEASURE_EVERY, run=partial(_measure, reactions))
    log.info("worker.started", queues=[each.queue for each in reactions], timers=[each.name for each in timers])
    async with asyncio.TaskGroup() as group:
        for each in reactions:
            group.create_task(Consumer.of(running, each).run(stop), name=f"consumer {each.queue}")
        group.create_task(run_timers((*timers, measure), running, stop), name="timers")
    log.info("worker.stopped")


async def _measure(reactions: Sequence[Reactions], running: Services) -> int:
    """Put the depth of every queue and of all dead letters into the metrics, and what waits in the outbox; that goes to the log too."""
    for name, _ in every_queue(running.settings, [each.subscription for each in reactions]):
        depth = await Queue(running.aws, name).depth()
        running.metrics.queue_depth.labels(name).set(depth.waiting)
    waiting = await OutboxWatch(running.database, running.clock, running.metrics).look()
    log.info(MEASURED, age_seconds=round(waiting.age.total_seconds(), 3), dead_letters=waiting.dead_letters)
    return 0
