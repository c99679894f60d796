"""Timers: again and again, each for itself, whatever became of the last time."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import structlog

from tazco.kernel.errors import Unavailable
from tazco.platform import timers
from tazco.platform.reactions import Timer
from tazco.platform.services import Services
from tazco.platform.timers import fire, run_timers
from tests.platform.subscribed import eventually, heard
from tests.world import World

OFTEN = timedelta(milliseconds=5)


@dataclass(slots=True)
class Job:
    """Counts its runs; each raises the next of `failures`, if any is left."""

    failures: list[Exception] = field(default_factory=list)
    runs: int = 0

    async def __call__(self, _: Services) -> int:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.runs


def timer(job: Job, every: timedelta = OFTEN, name: str = "job") -> Timer:
    return Timer(name=name, every=every, run=job)


@asynccontextmanager
async def running(world: World, *some: Timer, rng: random.Random | None = None) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_timers(some, world.services, stop, rng or random.SystemRandom()))
    try:
        yield
    finally:
        stop.set()
        await task


@dataclass
class Drawing(random.Random):
    """Draws the least, and remembers the bounds."""

    asked: list[tuple[float, float]] = field(default_factory=list)

    def uniform(self, a: float, b: float) -> float:
        self.asked.append((a, b))
        return a


async def test_a_timer_fires_again_and_again(world: World) -> None:
    job = Job()
    async with running(world, timer(job)):
        await eventually(lambda: job.runs >= 5)


async def test_a_timer_that_fails_goes_on_and_so_do_the_others(world: World) -> None:
    shaky, steady = Job([Unavailable("not now"), KeyError("x"), TimeoutError()]), Job()
    with heard([structlog.contextvars.merge_contextvars]) as logs:
        async with running(world, timer(shaky, name="shaky"), timer(steady, name="steady")):
            await eventually(lambda: shaky.runs >= 5 and steady.runs >= 5)
    assert [(entry["event"], entry["timer"], entry["log_level"], entry["reason"]) for entry in logs] == [
        ("timer.failed", "shaky", "warning", "Unavailable: not now"),
        ("timer.failed", "shaky", "error", "KeyError: 'x'"),
        ("timer.failed", "shaky", "warning", "TimeoutError"),
    ]
    assert ["exc_info" in entry for entry in logs] == [False, True, False]


async def test_firing_tells_how_much_there_was_to_do_and_nothing_after_a_failure(world: World) -> None:
    job = Job([KeyError("x")])
    with heard():
        assert await fire(timer(job), world.services) is None
    assert await fire(timer(job), world.services) == 2


async def test_a_hanging_timer_holds_up_no_other_and_does_not_run_twice_at_once(world: World) -> None:
    begun: list[int] = []

    async def hang(_: Services) -> int:
        begun.append(1)
        await asyncio.Event().wait()
        return 0

    steady, stop = Job(), asyncio.Event()
    hanging = Timer(name="hanging", every=OFTEN, run=hang)
    task = asyncio.create_task(run_timers([hanging, timer(steady)], world.services, stop))
    await eventually(lambda: steady.runs >= 20 and bool(begun))
    assert len(begun) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_run_that_hangs_is_ended_by_its_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "RUN_SECONDS_MIN", 0.05)

    async def hang(_: Services) -> int:
        await asyncio.Event().wait()
        return 0

    with heard() as logs:
        assert await fire(Timer(name="hanging", every=OFTEN, run=hang), world.services) is None
    assert logs[0]["reason"] == "TimeoutError: not finished in 0.05 s"


async def test_stopping_lets_a_run_finish(world: World) -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(_: Services) -> int:
        begun.set()
        await go_on.wait()
        done.set()
        return 1

    stop = asyncio.Event()
    task = asyncio.create_task(run_timers([Timer(name="slow", every=OFTEN, run=wait)], world.services, stop))
    await begun.wait()
    stop.set()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    await task
    assert done.is_set()


async def test_stopping_ends_what_does_not_finish_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "FINISH_SECONDS_MAX", 0.05)
    begun = asyncio.Event()

    async def hang(_: Services) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    stop = asyncio.Event()
    task = asyncio.create_task(run_timers([Timer(name="hanging", every=OFTEN, run=hang)], world.services, stop))
    await begun.wait()
    stop.set()
    async with asyncio.timeout(5):
        await task


async def test_stopping_does_not_wait_for_the_next_time(world: World) -> None:
    job = Job()
    async with asyncio.timeout(10), running(world, timer(job, timedelta(hours=1)), rng=Drawing()):
        await eventually(lambda: job.runs == 1)
    assert job.runs == 1


async def test_the_first_time_is_within_a_second_and_the_others_a_tenth_around_their_pace(world: World) -> None:
    rng, job, rare = Drawing(), Job(), Job()
    async with running(world, timer(job), timer(rare, timedelta(minutes=10)), rng=rng):
        await eventually(lambda: job.runs >= 2 and rare.runs == 1)
    assert sorted(rng.asked[:2]) == [(0, 0.005), (0, 1.0)]
    assert set(rng.asked[2:]) == {(0.9, 1.1)}


async def test_no_timers_are_no_reason_to_end(world: World) -> None:
    async with running(world):
        pass
