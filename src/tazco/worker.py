"""Way in: messages and time. Events from the queues meet their reactions, and timers look after what is due."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from tazco.platform.cloud import Cloud
from tazco.platform.consumer import Consumer
from tazco.platform.logs import configure_logs
from tazco.platform.messaging import dead_letter_name, queue_name, undelivered_name
from tazco.platform.outbox_watch import OutboxWatch
from tazco.platform.queues import Queue
from tazco.platform.reactions import Reactions, Timer
from tazco.platform.running import run_until_told
from tazco.platform.services import Services
from tazco.platform.settings import Settings, load_settings
from tazco.platform.timers import run_timers
from tazco.slices import REACTIONS, TIMERS
from tazco.wiring import started_unless_stopped

MEASURE_EVERY: Final = timedelta(seconds=15)

log = structlog.get_logger()


def worker(*, with_parent: bool) -> int:
    """Work until SIGTERM or SIGINT, then let what is in hand finish; the exit code. `with_parent` also ends it with its parent.

    Raise `BadSettings`, `CloudMisconfigured` or `NoPolicy` before any work is begun.
    """
    cloud = Cloud.from_environment()
    settings = load_settings(cloud)
    configure_logs(settings.log_level)
    asyncio.run(run_until_told(partial(_run, settings, cloud), with_parent=with_parent))
    return 0


async def _run(settings: Settings, cloud: Cloud, stop: asyncio.Event) -> None:
    async with started_unless_stopped(settings, cloud, stop) as running:
        if running is not None:
            await work(running, REACTIONS, TIMERS, stop)


async def work(running: Services, reactions: Sequence[Reactions], timers: Sequence[Timer], stop: asyncio.Event) -> None:
    """Consume every queue and fire every timer until `stop` is set; it takes at most 25 seconds more."""
    measure = Timer(name="queue depth", every=MEASURE_EVERY, run=partial(_measure, reactions))
    log.info("worker.started", queues=[each.queue for each in reactions], timers=[each.name for each in timers])
    async with asyncio.TaskGroup() as group:
        for each in reactions:
            group.create_task(Consumer.of(running, each).run(stop), name=f"consumer {each.queue}")
        group.create_task(run_timers((*timers, measure), running, stop), name="timers")
    log.info("worker.stopped")


async def _measure(reactions: Sequence[Reactions], running: Services) -> int:
    """Put the depth of every queue and of all dead letters into the metrics, and what waits in the outbox."""
    settings = running.settings
    names = [undelivered_name(settings)]
    for each in reactions:
        names += [queue_name(settings, each.subscription), dead_letter_name(settings, each.subscription)]
    for name in names:
        depth = await Queue(running.aws, name).depth()
        running.metrics.queue_depth.labels(name).set(depth.waiting)
    await OutboxWatch(running.database, running.clock, running.metrics).look()
    return 0
