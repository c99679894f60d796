"""The loop under the simulation: whose instruction is next, what time it is, and what death means."""

import asyncio
import random

import pytest

from tests.simulation.loop import Stuck, VirtualLoop, cancel_all
from tests.simulation.run import Options


def run(loop: VirtualLoop, work: object) -> None:
    """Until it is done, in the name of the world."""
    loop.run_until_complete(loop.create_task(work, context=loop.world.context))  # type: ignore[arg-type]  # a coroutine
    loop.close()


def order(seed: int) -> list[str]:
    """In which order two processes of three steps each go."""
    loop, seen = VirtualLoop(random.Random(seed)), list[str]()

    async def steps(name: str) -> None:
        for number in range(20):
            seen.append(f"{name}{number}")
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(*(loop.start(loop.actor(name), steps(name)) for name in "ab"))

    run(loop, both())
    return seen


def test_the_seed_decides_between_processes_and_inside_of_one_the_order_stays() -> None:
    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(5)}) > 1
    for name in "ab":
        assert [each for each in order(3) if each[0] == name] == [f"{name}{number}" for number in range(20)]


def test_an_hour_passes_at_once_and_by_the_loops_own_clock() -> None:
    loop = VirtualLoop(random.Random(0))

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await asyncio.sleep(7_200)

    run(loop, wait())
    assert loop.now == 3_600


def test_a_killed_process_runs_no_finally_until_the_run_is_over() -> None:
    loop, seen = VirtualLoop(random.Random(0)), list[str]()

    async def victim() -> None:
        try:
            await asyncio.sleep(1)
            seen.append("went on")
        finally:
            seen.append("cleaned up")

    async def scene() -> None:
        actor = loop.actor("victim")
        loop.start(actor, victim())
        await asyncio.sleep(0.5)
        loop.kill(actor)
        await asyncio.sleep(10)
        assert seen == []
        await cancel_all(loop, asyncio.current_task())

    run(loop, scene())
    assert seen == ["cleaned up"]


def test_a_stopped_process_goes_on_where_it_was() -> None:
    loop, seen = VirtualLoop(random.Random(0)), list[float]()

    async def sleeper() -> None:
        await asyncio.sleep(1)
        seen.append(loop.now)

    async def scene() -> None:
        actor = loop.actor("sleeper")
        task = loop.start(actor, sleeper())
        await asyncio.sleep(0.5)
        actor.paused_until = 30
        await task

    run(loop, scene())
    assert seen == [30]


def test_where_everything_waits_for_nothing_the_run_ends() -> None:
    loop = VirtualLoop(random.Random(0))

    async def for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        loop.run_until_complete(loop.create_task(for_ever(), context=loop.world.context))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
    loop.close()


def test_the_command_that_replays_a_run_names_what_is_not_usual() -> None:
    assert Options(seed=17).command == "python -m tests.simulation --seed 17"
    assert Options(seed=17, days=1, rate=0.0).command == "python -m tests.simulation --seed 17 --days 1 --rate 0.0"
