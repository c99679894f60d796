"""POST /v1/users and health."""

import asyncio
from typing import Any

import pytest

from tazco.platform.outbox import OUTBOX
from tazco.users.store import USERS
from tests.world import Person, World


async def register(person: Person, body: Any = None, *, id_token: bool = False) -> Any:
    """Sign in with one of the two tokens."""
    headers = {"authorization": f"Bearer {person.id_token if id_token else person.access_token}"}
    return await person.world.call("POST", "/v1/users", body, headers)


async def test_the_first_sign_in_is_201_with_the_start_values_and_the_next_200(world: World) -> None:
    ada = await world.stranger()
    first = await register(ada, {"email": ada.email})
    assert first.status == 201
    user = first.body["user"]
    assert first.body["created"] is True
    assert user == {
        "ecosystemId": ada.subject,
        "firebaseUid": ada.subject,
        "email": ada.email,
        "role": "user",
        "status": "active",
        "currentScore": 500,
        "tier": "medium",
        "createdAt": user["createdAt"],
        "updatedAt": user["createdAt"],
        "lastLoginAt": user["createdAt"],
    }
    world.clock.pass_time(seconds=5)
    again = await register(ada, {})
    assert (again.status, again.body["created"]) == (200, False)
    assert again.body["user"]["updatedAt"] == user["updatedAt"]
    assert again.body["user"]["lastLoginAt"] > user["lastLoginAt"]


async def test_the_call_right_after_a_201_works(world: World) -> None:
    ada = await world.stranger()
    await register(ada, {"email": ada.email})
    assert (await ada.get("/v1/dashboard")).status == 200


async def test_an_id_token_brings_its_email_and_its_ecosystem_id(world: World) -> None:
    ada = await world.stranger(attributes={"custom:ecosystemId": "eco-7"})
    reply = await register(ada, id_token=True)
    assert reply.status == 201
    assert (reply.body["user"]["ecosystemId"], reply.body["user"]["email"]) == ("eco-7", ada.email)
    assert (await ada.get("/v1/dashboard")).body["user"]["ecosystemId"] == "eco-7"
    assert (await register(ada, {"email": "x@example.com"})).body["created"] is False


async def test_an_ecosystem_id_that_belongs_to_another_is_403(world: World) -> None:
    ada = await world.stranger(attributes={"custom:ecosystemId": "eco-8"})
    await register(ada, id_token=True)
    thief = await world.stranger(attributes={"custom:ecosystemId": "eco-8"})
    reply = await register(thief, id_token=True)
    assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert (await register(thief, {"email": thief.email})).body["user"]["ecosystemId"] == thief.subject


@pytest.mark.parametrize(
    ("body", "id_token", "status"),
    [
        (None, False, 400),
        ({}, False, 400),
        ({"email": ""}, False, 400),
        ({"email": "no-at"}, False, 400),
        ({"email": "a@" + "b" * 253}, False, 400),
        ({"email": 5}, False, 400),
        (b"[]", False, 400),
        ({"email": "other@example.com"}, True, 400),
        ({"email": ""}, True, 201),
        (None, True, 201),
        ({"email": "a@" + "b" * 252}, False, 201),
    ],
)
async def test_an_email_is_needed_and_must_not_contradict_the_token(world: World, body: Any, id_token: bool, status: int) -> None:  # noqa: FBT001 - a parameter
    ada = await world.stranger()
    assert (await register(ada, body, id_token=id_token)).status == status
    assert len([row for row in await world.rows(USERS) if row["ecosystemId"]["S"] == ada.subject]) == (status == 201)


async def test_of_ten_parallel_registrations_one_creates(world: World) -> None:
    ada = await world.stranger()
    replies = await asyncio.gather(*(register(ada, {"email": ada.email}) for _ in range(10)))
    assert sorted(reply.status for reply in replies) == [200] * 9 + [201]
    created = [row for row in await world.rows(OUTBOX) if row["aggregateId"]["S"] == ada.subject]
    assert [row["eventType"]["S"] for row in created] == ["user.created"]


async def test_registering_with_both_tokens_at_once_makes_one_person(world: World) -> None:
    ada = await world.stranger(attributes={"custom:ecosystemId": "eco-both"})
    replies = await asyncio.gather(*(register(ada, {"email": ada.email}, id_token=number % 2 == 0) for number in range(10)))
    assert sorted(reply.status for reply in replies) == [200] * 9 + [201]
    assert len({reply.body["user"]["ecosystemId"] for reply in replies}) == 1


async def test_the_role_follows_the_group_and_is_informative_only(world: World) -> None:
    operator = await world.stranger(admin=True)
    assert (await register(operator, {"email": operator.email})).body["user"]["role"] == "admin"


async def test_liveness_touches_nothing_and_readiness_names_each_dependency(world: World) -> None:
    alive = await world.call("GET", "/health/liveness")
    assert (alive.status, alive.body["status"], len(alive.body["timestamp"])) == (200, "ok", 24)
    ready = await world.call("GET", "/health/readiness")
    assert ready.status == 200
    assert ready.body == {
        "status": "healthy",
        "dependencies": {"database": "healthy", "message_stream": "healthy", "auth_provider": "healthy"},
    }
