"""Health, §2.3: liveness touches nothing, readiness really looks, warnings never change the status."""

import asyncio
import re
from typing import Any

import pytest

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.outbox import SHARDS
from tests.contract.seeds import TIMESTAMP
from tests.stage import Stage
from tests.world import World, open_world

HEALTHY = {"database": "healthy", "message_stream": "healthy", "auth_provider": "healthy"}


async def test_liveness_says_ok_and_when_with_or_without_a_token(world: World) -> None:
    for headers in ({}, {"authorization": "Bearer x"}):
        reply = await world.call("GET", "/health/liveness", headers=headers)
        assert (reply.status, set(reply.body), reply.body["status"]) == (200, {"status", "timestamp"}, "ok")
        assert re.fullmatch(TIMESTAMP, reply.body["timestamp"])


async def test_readiness_is_exact_and_has_no_key_warnings_when_there_are_none(world: World) -> None:
    reply = await world.call("GET", "/health/readiness")
    assert (reply.status, reply.body) == (200, {"status": "healthy", "dependencies": HEALTHY})


@pytest.mark.parametrize(
    ("settings", "sick"),
    [
        ({"table_prefix": "nobody-"}, "database"),
        ({"event_bus": "nobody"}, "message_stream"),
        ({"cognito_jwks_url": "http://127.0.0.1:9/keys"}, "auth_provider"),
    ],
)
async def test_a_sick_dependency_is_named_and_makes_it_503_while_liveness_stays(
    stage: Stage, settings: dict[str, Any], sick: str
) -> None:
    async with open_world(stage, **settings) as world:
        reply = await world.call("GET", "/health/readiness")
        alive = await world.call("GET", "/health/liveness")
    assert (reply.status, alive.status) == (503, 200)
    assert reply.body == {"status": "unhealthy", "dependencies": {**HEALTHY, sick: "unhealthy"}}


async def test_a_dependency_that_hangs_is_unhealthy_after_2_seconds_and_holds_up_no_other(stage: Stage) -> None:
    async def bus_hangs(call: Call, *rest: Any) -> Any:
        if call.service == "events":
            await asyncio.Event().wait()
        return await over_the_wire(call, *rest)

    async with open_world(stage, transport=bus_hangs) as world:
        began = asyncio.get_running_loop().time()
        reply = await world.call("GET", "/health/readiness")
        assert 1.5 < asyncio.get_running_loop().time() - began < 3
    assert (reply.status, reply.body["dependencies"]) == (503, {**HEALTHY, "message_stream": "unhealthy"})


async def test_liveness_and_a_repeated_readiness_ask_nobody(stage: Stage) -> None:
    asked: list[str] = []

    async def noting(call: Call, *rest: Any) -> Any:
        asked.append(call.service)
        return await over_the_wire(call, *rest)

    async with open_world(stage, transport=noting) as world:
        asked.clear()
        await world.call("GET", "/health/liveness")
        assert asked == []
        await asyncio.gather(*(world.call("GET", "/health/readiness") for _ in range(10)))
        assert sorted(asked) == [*["dynamodb"] * (1 + SHARDS + 1), "events"], (
            "a row, each shard of the outbox, dead letters; the bus"
        )


async def test_a_refused_policy_is_a_warning_and_no_sickness(world: World) -> None:
    world.set_parameter("limits/lowTier", "99999999999")
    await world.services.policies.refresh()
    world.services.health._seen = None
    reply = await world.call("GET", "/health/readiness")
    world.set_parameter("limits/lowTier", "500")
    await world.services.policies.refresh()
    assert (reply.status, reply.body["status"], reply.body["dependencies"]) == (200, "healthy", HEALTHY)
    (warning,) = reply.body["warnings"]
    assert warning.startswith("policy: ")
    assert "limits/lowTier" in warning


async def test_no_inside_is_shown_of_a_sick_dependency(stage: Stage) -> None:
    async with open_world(stage, table_prefix="nobody-") as world:
        reply = await world.call("GET", "/health/readiness")
    assert "nobody" not in str(reply.body)
    assert "ResourceNotFound" not in str(reply.body)
