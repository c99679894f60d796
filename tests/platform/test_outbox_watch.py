"""Readiness tells of what is stuck: warnings that come and go, and never make anything unhealthy."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.outbox import DEAD_LETTERS, OUTBOX, shard_of
from tazco.platform.outbox_watch import OutboxWatch
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.contract.seeds import ago, amend
from tests.contract.test_admin_events import seed_dead_letter, seed_event
from tests.platform.faults import Faulty, error
from tests.stage import AnyCloud, Stage, new_stage
from tests.world import World, open_world

LATE = "outbox_backlog: warning"


@pytest.fixture
async def quiet(embedded_cloud: AnyCloud) -> AsyncIterator[World]:
    """A world in which nothing has happened yet."""
    async with open_world(new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)) as world:
        yield world


async def warnings(world: World) -> list[str] | None:
    """What readiness warns of now; None where it has no such key."""
    world.services.health._seen = None
    reply = await world.call("GET", "/health/readiness")
    assert (reply.status, reply.body["status"]) == (200, "healthy")
    found: list[str] | None = reply.body.get("warnings")
    return found


async def test_an_event_that_waits_for_more_than_five_minutes_is_a_warning_until_it_has_left(quiet: World) -> None:
    event_id = await seed_event(quiet, createdAt=ago(quiet))
    assert await warnings(quiet) is None
    quiet.clock.pass_time(minutes=4, seconds=55)
    assert await warnings(quiet) is None
    quiet.clock.pass_time(seconds=6)
    assert await warnings(quiet) == [LATE]
    await quiet.services.database.delete_all(OUTBOX, [(event_id,)])
    assert await warnings(quiet) is None


async def test_dead_letters_are_counted_and_are_no_backlog(quiet: World) -> None:
    dead = [await seed_dead_letter(quiet, createdAt=ago(quiet, days=2)) for _ in range(3)]
    assert await warnings(quiet) == ["outbox_dead_letter: 3"]
    for event_id in dead[:2]:
        await quiet.services.database.delete_all(OUTBOX, [(event_id,)])
    assert await warnings(quiet) == ["outbox_dead_letter: 1"]


async def test_what_a_dead_letter_holds_back_is_backlog(quiet: World) -> None:
    first = await seed_dead_letter(quiet, aggregateId="card-1", createdAt=ago(quiet, minutes=7))
    second = await seed_event(quiet, aggregateId="card-1", sequence=2, createdAt=ago(quiet, minutes=6), previousEventId=first)
    assert await warnings(quiet) == [LATE, "outbox_dead_letter: 1"]
    await quiet.services.database.delete_all(OUTBOX, [(second,)])
    await amend(quiet, OUTBOX, (first,), pendingShard=shard_of("card", "card-1"))
    assert await warnings(quiet) == [LATE]


async def test_a_look_is_remembered_for_five_seconds(quiet: World) -> None:
    assert await warnings(quiet) is None
    await seed_dead_letter(quiet)
    assert "warnings" not in (await quiet.call("GET", "/health/readiness")).body


async def test_a_look_moves_the_gauges(quiet: World) -> None:
    metrics = quiet.services.metrics
    watch = OutboxWatch(quiet.services.database, quiet.clock, metrics)
    await seed_event(quiet, aggregateId="b", createdAt=ago(quiet, seconds=30))
    await seed_event(quiet, aggregateId="c", createdAt=ago(quiet, seconds=90))
    await seed_dead_letter(quiet, createdAt=ago(quiet, days=1))
    seen = await watch.look()
    assert (seen.dead_letters, timedelta(seconds=90) <= seen.age < timedelta(seconds=100)) == (1, True)
    assert metrics.registry.get_sample_value("tazco_outbox_age_seconds") == seen.age.total_seconds()
    assert metrics.registry.get_sample_value("tazco_outbox_dead_letters") == 1


async def test_an_event_from_a_clock_ahead_of_ours_has_no_negative_age(quiet: World) -> None:
    await seed_event(quiet, createdAt=ago(quiet, minutes=-3))
    seen = await OutboxWatch(quiet.services.database, quiet.clock, quiet.services.metrics).look()
    assert seen.age == timedelta()


async def test_a_look_that_fails_is_no_sickness(stage: Stage) -> None:
    faulty = Faulty()
    async with open_world(stage, transport=faulty) as world:
        faulty.strike("Query", error(400, "AccessDeniedException"))
        assert await warnings(world) is None
        assert faulty.plan["Query"] == []


async def test_a_look_that_hangs_is_given_up_after_two_seconds(stage: Stage) -> None:
    async def hanging(call: Call, *rest: Any) -> Any:
        if call.operation == "Query" and DEAD_LETTERS.encode() in call.body:
            await asyncio.Event().wait()
        return await over_the_wire(call, *rest)

    async with open_world(stage, transport=hanging) as world:
        began = asyncio.get_running_loop().time()
        assert await warnings(world) is None
        assert 1.5 < asyncio.get_running_loop().time() - began < 3
