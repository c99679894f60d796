"""POST /v1/admin/cleanup, §2.11; it empties the stage, so each test brings its own people."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tazco.audit.store import AUDIT_LOGS
from tazco.kernel.clock import from_text
from tazco.platform.leases import MAINTENANCE
from tazco.slices import TABLES
from tests.contract.seeds import TIMESTAMP, events, seed_request
from tests.stage import Stage
from tests.world import Person, Reply, World, open_world

CLEANUP = "/v1/admin/cleanup"
PUBLIC = {"users", "cards", "transactions", "cardRequests", "events"}
ALL = PUBLIC | {"scores", "idempotencyRecords", "notifications", "inboundMessages", "approvalTrackers"}


async def fresh_operator(world: World) -> Person:
    """An operator of this test alone, registered."""
    operator = await world.stranger(admin=True)
    await operator.register()
    return operator


async def confirm(operator: Person, token: Any) -> Reply:
    """The second step."""
    return await operator.post(CLEANUP, {"confirmationToken": token}, key="")


async def clean(operator: Person) -> Reply:
    """Both steps."""
    return await confirm(operator, (await operator.post(CLEANUP, key="")).body["confirmationToken"])


async def test_the_first_step_is_a_400_of_its_own_shape(world: World) -> None:
    operator = await fresh_operator(world)
    for body in (None, {}, {"other": 1}):
        reply = await operator.post(CLEANUP, body, key="")
        assert reply.status == 400
        assert set(reply.body) == {"message", "confirmationToken", "expiresAt"}
        assert re.fullmatch(TIMESTAMP, reply.body["expiresAt"])
        left = from_text(reply.body["expiresAt"]) - world.clock()
        assert timedelta(minutes=4, seconds=50) < left <= timedelta(minutes=5)
        rows = json.dumps([await world.rows(table) for table in TABLES])
        assert reply.body["confirmationToken"] not in rows
    assert (await operator.get("/v1/dashboard")).status == 200


@pytest.mark.parametrize("token", [None, "", "   ", "unknown", 5, True, [], {}, "\u00e9", "x" * 5000])
async def test_a_token_that_is_none_is_refused_in_the_usual_envelope(world: World, token: Any) -> None:
    reply = await confirm(await fresh_operator(world), token)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert "requestId" in reply.body["meta"]


async def test_a_token_lives_five_minutes_and_serves_its_admin_only(world: World) -> None:
    one, other = await fresh_operator(world), await fresh_operator(world)
    token = (await one.post(CLEANUP, key="")).body["confirmationToken"]
    assert (await confirm(other, token)).status == 400
    world.clock.pass_time(minutes=5)
    assert (await confirm(one, token)).status == 400
    assert (await one.get("/v1/dashboard")).status == 200


async def test_everything_but_the_audit_goes_with_real_counts(world: World) -> None:
    await clean(await fresh_operator(world))
    operator = await fresh_operator(world)
    ada = await world.stranger()
    await ada.register()
    path = f"/v1/admin/users/{ada.ecosystem_id}/score"
    await operator.call("PATCH", path, {"score": 720, "reason": "x"})
    card_id = (await ada.ask_for_card()).body["request"]["card"]["cardId"]
    await ada.buy(card_id, 10, key="k")
    await ada.pay(card_id, 10)
    await ada.buy(card_id, 99_999)
    await asyncio.gather(*(seed_request(world, f"owner-{number}") for number in range(40)))
    announced = len(await events(world, "cleanup", "system"))
    told = len([row for table in TABLES if table.name == "outbox" for row in await world.rows(table)]) - announced
    audited = len(await world.rows(AUDIT_LOGS))
    reply = await clean(operator)
    assert (reply.status, set(reply.body), reply.body["status"]) == (200, {"status", "deletedCounts", "duration"}, "completed")
    assert re.fullmatch(r"\d+\.\ds", reply.body["duration"])
    assert reply.body["deletedCounts"] == {"users": 2, "cards": 1, "transactions": 3, "cardRequests": 41, "events": told}
    left = {table.name: len(await world.rows(table)) for table in TABLES}
    assert left.pop("audit-logs") == audited + 1
    assert left.pop("outbox") == announced + 1
    left.pop("outbox-sequences")
    assert set(left.values()) == {0}, left


async def test_it_is_told_and_audited_last_and_its_stream_goes_on(world: World) -> None:
    first = await fresh_operator(world)
    reply = await clean(first)
    event = (await events(world, "cleanup", "system"))[-1]
    second = await fresh_operator(world)
    reply = await clean(second)
    later = (await events(world, "cleanup", "system"))[-1]
    assert later["sequence"] == event["sequence"] + 1
    assert (later["eventType"], later["ecosystemId"], later["aggregateId"]) == ("system.cleanup", "system", "cleanup")
    payload = later["payload"]
    assert set(payload) == {"adminId", "adminEmail", "deletedCounts", "timestamp"}
    assert (payload["adminId"], payload["adminEmail"]) == (second.ecosystem_id, second.email)
    assert set(payload["deletedCounts"]) == ALL
    assert {name: payload["deletedCounts"][name] for name in PUBLIC} == reply.body["deletedCounts"]
    listed = (await second.get("/v1/admin/audit-logs?targetType=system&targetId=cleanup")).body["auditLogs"]
    newest = listed[0]
    assert (newest["action"], newest["actorId"], newest["adminEmail"]) == ("system.cleanup", second.ecosystem_id, second.email)


async def test_what_an_earlier_cleanup_has_still_to_tell_survives_the_next_one(world: World) -> None:
    """Its stream is not restarted: without the earlier event consumers would wait for a number that never comes."""
    for _ in range(3):
        await clean(await fresh_operator(world))
    told = await events(world, "cleanup", "system")
    assert [each["sequence"] for each in told] == list(range(1, len(told) + 1))
    assert len(told) >= 3


async def test_registering_again_works_at_once_and_starts_anew(world: World) -> None:
    operator, ada = await fresh_operator(world), await world.stranger()
    await ada.register()
    asked = await ada.post("/v1/cards/requests", {"productId": "basic"}, key="k")
    assert asked.status == 201
    await clean(operator)
    assert (await ada.get("/v1/dashboard")).status == 404
    assert (await ada.get("/v1/cards")).body["cards"] == []
    assert (await ada.register()).body["created"] is True
    again = await ada.post("/v1/cards/requests", {"productId": "basic"}, key="k")
    assert (again.status, again.body["request"]["requestId"] != asked.body["request"]["requestId"]) == (201, True)
    assert [each["sequence"] for each in await events(world, ada.ecosystem_id)] == [1]
    assert (await operator.register()).body["created"] is True


async def test_nothing_remembered_of_a_person_survives(world: World) -> None:
    operator, ada = await fresh_operator(world), await world.stranger()
    await ada.register()
    await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "x"})
    world.clock.pass_time(seconds=11)
    assert (await ada.get("/v1/dashboard")).code == "ACCOUNT_DISABLED"
    await clean(operator)
    assert (await ada.register()).body["created"] is True
    assert (await ada.get("/v1/dashboard")).status == 200


async def test_a_token_works_once(world: World) -> None:
    operator = await fresh_operator(world)
    token = (await operator.post(CLEANUP, key="")).body["confirmationToken"]
    assert (await confirm(operator, token)).status == 200
    assert (await confirm(operator, token)).status == 400


async def test_while_one_runs_a_second_gets_409_and_others_writes_503(world: World) -> None:
    operator, ada = await fresh_operator(world), await world.stranger()
    await ada.register()
    leases = world.services.leases
    assert await leases.take(MAINTENANCE, "somebody else", timedelta(seconds=60))
    world.clock.pass_time(seconds=2)
    token = (await operator.post(CLEANUP, key="")).body["confirmationToken"]
    refused = await confirm(operator, token)
    assert (refused.status, refused.code) == (409, "CLEANUP_IN_PROGRESS")
    assert (await confirm(operator, token)).status == 400  # it was used, although in vain
    world.clock.pass_time(seconds=2)
    for reply in (await ada.ask_for_card(), await ada.post("/v1/users", {})):
        assert (reply.status, reply.code) == (503, "SERVICE_UNAVAILABLE")
        assert int(reply.headers["retry-after"]) > 0
    assert (await ada.get("/v1/dashboard")).status == 200
    assert (await operator.call("PATCH", f"/v1/admin/users/{ada.ecosystem_id}/score", {"score": 5, "reason": "x"})).status == 200
    world.clock.pass_time(seconds=61)
    assert (await ada.ask_for_card()).status == 201


async def test_of_two_cleanups_at_once_none_is_half_done(world: World) -> None:
    one, other = await fresh_operator(world), await fresh_operator(world)
    replies = await asyncio.gather(clean(one), clean(other))
    assert {reply.status for reply in replies} <= {200, 400, 409}
    assert 200 in {reply.status for reply in replies}


async def test_only_operators_and_only_where_it_is_switched_on(world: World, stage: Stage) -> None:
    ada = await world.stranger()
    assert (await ada.post(CLEANUP)).code == "FORBIDDEN"
    operator = await fresh_operator(world)
    async with open_world(stage, cleanup_enabled=False) as closed:
        headers = {"authorization": f"Bearer {operator.access_token}"}
        for body in (None, {"confirmationToken": "x"}):
            reply = await closed.call("POST", CLEANUP, body, headers)
            assert (reply.status, reply.code) == (403, "FORBIDDEN")
