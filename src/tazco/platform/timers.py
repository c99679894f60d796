"""Timers: every worker does each of them every so often, whatever became of the last time, and of the others."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import structlog

from tazco.platform.reactions import Timer
from tazco.platform.running import tell_failure, unless_stopped, within
from tazco.platform.services import Services

FIRST_SECONDS_MAX: Final = 1.0
JITTER: Final = 0.1
RUN_SECONDS_MIN: Final = 30.0
FINISH_SECONDS_MAX: Final = 20.0

log = structlog.get_logger()


async def run_timers(
    timers: Sequence[Timer],
    services: Services,
    stop: asyncio.Event,
    rng: random.Random = random.SystemRandom(),  # noqa: B008  # it has no state to share
) -> None:
    """Fire all of them until `stop` is set; then what is running gets 20 seconds to finish."""
    tasks = [asyncio.create_task(_keep_firing(timer, services, stop, rng), name=f"timer {timer.name}") for timer in timers]
    try:
        await stop.wait()
        if tasks:
            await asyncio.wait(tasks, timeout=FINISH_SECONDS_MAX)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_firing(timer: Timer, services: Services, stop: asyncio.Event, rng: random.Random) -> None:
    every = timer.every.total_seconds()
    pause = rng.uniform(0, min(FIRST_SECONDS_MAX, every))  # several workers that start together should not act together
    while True:
        await unless_stopped(stop, asyncio.sleep(pause))
        if stop.is_set():
            return
        await fire(timer, services)
        pause = every * rng.uniform(1 - JITTER, 1 + JITTER)


async def fire(timer: Timer, services: Services) -> int | None:
    """Do it once: how much there was to do, None if it failed. A failure is told, never raised: there is a next time."""
    seconds_max = max(RUN_SECONDS_MIN, timer.every.total_seconds())
    with structlog.contextvars.bound_contextvars(timer=timer.name):
        try:
            done = await within(seconds_max, timer.run(services))
        except Exception as error:  # noqa: BLE001  # told with its traceback where it is a bug; the timer goes on
            tell_failure("timer.failed", error)
            return None
        if done:
            log.info("timer.done", count=done)
        return done
