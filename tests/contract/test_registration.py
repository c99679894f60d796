"""POST /v1/users and health."""

import asyncio
import uuid
from typing import Any

import pytest

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.outbox import OUTBOX
from tazco.platform.wire import Reply
from tazco.users.store import BINDINGS, USERS
from tests.stage import Stage
from tests.world import Person, World, open_world


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


async def test_the_call_right_after_a_201_works_though_the_index_has_not_caught_up(stage: Stage) -> None:
    asked: list[str] = []

    async def stale_index(call: Call, *rest: Any) -> Reply:
        reply = await over_the_wire(call, *rest)
        if b"UserByFirebaseUid" not in call.body:
            return reply
        asked.append(call.operation)
        return Reply(reply.status, {}, b'{"Items":[],"Count":0,"ScannedCount":0}')

    async with open_world(stage, transport=stale_index) as late:
        for attributes in ({}, {"custom:ecosystemId": f"eco-{uuid.uuid4()}"}):
            ada = await late.stranger(attributes=attributes)
            if attributes:
                ada.access_token = ada.id_token
            assert (await register(ada, {"email": ada.email})).status == 201
            late.services.gate.directory.forget()
            assert (await ada.get("/v1/dashboard")).status == 200
            assert (await ada.ask_for_card()).status == 201
            again = await register(ada, {"email": ada.email})
            assert (again.status, again.body["created"]) == (200, False)
    assert set(asked) == {"Query"}


async def test_a_miss_is_never_remembered(world: World) -> None:
    ada = await world.stranger()
    for _ in range(3):
        assert (await ada.get("/v1/dashboard")).status == 404
    assert (await ada.register()).status == 201
    assert (await ada.get("/v1/dashboard")).status == 200


async def test_a_claimed_id_is_no_way_to_someone_elses_account_before_or_after(world: World) -> None:
    ada, card = await world.cardholder()
    thief = await world.stranger(attributes={"custom:ecosystemId": ada.ecosystem_id})
    for token in (thief.id_token, thief.access_token):
        thief.access_token = token
        assert (await thief.get(f"/v1/cards/{card}")).status == 404
        assert (await thief.get("/v1/cards")).body["cards"] == []
        assert (await thief.get("/v1/dashboard")).status == 404
    assert (await register(thief, {}, id_token=True)).status == 403
    assert (await register(thief, {"email": thief.email})).body["user"]["ecosystemId"] == thief.subject
    assert (await register(thief, {}, id_token=True)).body["user"]["ecosystemId"] == thief.subject
    assert (await ada.get(f"/v1/cards/{card}")).status == 200


async def test_a_claim_on_the_subject_of_somebody_registered_is_403_too(world: World) -> None:
    ada = await world.person()
    for claimed in (ada.ecosystem_id, ada.subject):
        thief = await world.stranger(attributes={"custom:ecosystemId": claimed})
        assert (await register(thief, {"email": thief.email}, id_token=True)).code == "FORBIDDEN"


async def test_of_parallel_claims_on_one_id_by_many_people_one_is_given(world: World) -> None:
    people = [await world.stranger(attributes={"custom:ecosystemId": "eco-shared"}) for _ in range(6)]
    replies = await asyncio.gather(*(register(person, None, id_token=True) for person in people))
    assert sorted(reply.status for reply in replies) == [201] + [403] * 5
    (kept,) = [row for row in await world.rows(USERS) if row["ecosystemId"]["S"] == "eco-shared"]
    winner = next(person for person, reply in zip(people, replies, strict=True) if reply.status == 201)
    assert kept["firebaseUid"]["S"] == winner.subject


@pytest.mark.parametrize(
    "email", ["@", "a@b", " a@b ", "a b@c", "A@B.C", "\u00e9@\U0001f600", "a@" + "b" * 252, " " * 300 + "a@b" + " " * 300]
)
async def test_an_email_only_needs_an_at_and_is_kept_trimmed(world: World, email: str) -> None:
    ada = await world.stranger()
    reply = await register(ada, {"email": email})
    assert (reply.status, reply.body["user"]["email"]) == (201, email.strip())


async def test_only_role_and_email_move_updated_at(world: World) -> None:
    ada = await world.stranger()
    first = (await register(ada, {"email": "old@example.com"})).body["user"]
    world.clock.pass_time(seconds=1)
    same = (await register(ada, {"email": "new@example.com"})).body["user"]
    assert (same["email"], same["updatedAt"]) == ("old@example.com", first["updatedAt"])
    world.clock.pass_time(seconds=1)
    fresh = (await register(ada, None, id_token=True)).body["user"]
    assert (fresh["email"], fresh["updatedAt"] > first["updatedAt"], fresh["createdAt"]) == (ada.email, True, first["createdAt"])
    world.clock.pass_time(seconds=1)
    again = (await register(ada, None, id_token=True)).body["user"]
    assert (again["updatedAt"], again["lastLoginAt"] > fresh["lastLoginAt"]) == (fresh["updatedAt"], True)


async def test_signing_in_again_leaves_the_dashboards_etag_alone(world: World) -> None:
    ada = await world.person()
    before = await ada.get("/v1/dashboard")
    world.clock.pass_time(seconds=30)
    await register(ada, {})
    after = await ada.get("/v1/dashboard")
    assert before.headers["etag"] == after.headers["etag"]
    assert before.body["lastUpdated"] == after.body["lastUpdated"]


async def test_nothing_but_the_email_of_the_body_counts(world: World) -> None:
    ada = await world.stranger()
    lies = {
        "email": ada.email,
        "ecosystemId": "mine",
        "role": "admin",
        "currentScore": 999,
        "status": "disabled",
        "firebaseUid": "x",
    }
    user = (await register(ada, lies)).body["user"]
    assert (user["ecosystemId"], user["firebaseUid"], user["role"]) == (ada.subject, ada.subject, "user")
    assert (user["currentScore"], user["status"]) == (500, "active")


async def test_a_registration_needs_no_key_and_ignores_one(world: World) -> None:
    ada = await world.stranger()
    for status, key in ((201, "k" * 300), (200, ""), (200, "k" * 300)):
        reply = await ada.post("/v1/users", {"email": ada.email}, key=key)
        assert (reply.status, "idempotent-replayed" in reply.headers) == (status, False)


async def test_a_refused_registration_leaves_nothing_behind(world: World) -> None:
    ada = await world.stranger()
    for body in ({}, {"email": "nobody"}, b"{"):
        assert (await register(ada, body)).status == 400
    assert not [row for row in await world.rows(USERS) if row["firebaseUid"]["S"] == ada.subject]
    assert not [row for row in await world.rows(OUTBOX) if row["aggregateId"]["S"] == ada.subject]
    assert not [row for row in await world.rows(BINDINGS) if ada.subject in str(row)]
