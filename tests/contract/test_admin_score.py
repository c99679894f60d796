"""The operators' view of a score, §2.8."""

import json
import re

import pytest

from tazco.users.store import USERS
from tests.contract.seeds import TIMESTAMP, events, row, seed_user
from tests.contract.test_admin_users import audit_of
from tests.world import Reply, World


async def adjust(world: World, ecosystem_id: str, body: object, **headers: str) -> Reply:
    """Set a score as the operator."""
    operator = await world.operator()
    return await operator.call("PATCH", f"/v1/admin/users/{ecosystem_id}/score", body, **headers)


async def test_a_new_person_has_an_empty_history(world: World) -> None:
    ada, operator = await world.person(), await world.operator()
    reply = await operator.get(f"/v1/admin/users/{ada.ecosystem_id}/score")
    user = {"ecosystemId": ada.ecosystem_id, "email": ada.email, "currentScore": 500, "tier": "medium"}
    assert (reply.status, reply.body) == (200, {"user": user, "history": []})


async def test_setting_a_score_answers_like_reading_it(world: World) -> None:
    ada, operator = await world.person(), await world.operator()
    await adjust(world, ada.ecosystem_id, {"score": 640, "reason": "first"})
    reply = await adjust(world, ada.ecosystem_id, {"score": 720, "reason": " Income verified "})
    assert reply.status == 200
    assert reply.body["user"]["currentScore"] == 720
    assert reply.body["user"]["tier"] == "high"
    newest, oldest = reply.body["history"]
    assert re.fullmatch(TIMESTAMP, newest.pop("timestamp"))
    assert newest == {"value": 720, "previousValue": 640, "delta": 80, "reason": "Income verified", "source": "admin"}
    assert (oldest["value"], oldest["previousValue"]) == (640, 500)
    read = (await operator.get(f"/v1/admin/users/{ada.ecosystem_id}/score")).body
    assert read["user"] == reply.body["user"]
    assert [step["value"] for step in read["history"]] == [720, 640]


async def test_the_same_value_again_still_writes_history_deed_and_event(world: World) -> None:
    ada = await world.person()
    for _ in range(2):
        reply = await adjust(world, ada.ecosystem_id, {"score": 500, "reason": "x"})
    assert [(step["delta"], step["value"]) for step in reply.body["history"]] == [(0, 500), (0, 500)]
    deeds = await audit_of(world, ada.ecosystem_id)
    assert [each["action"] for each in deeds] == ["score.adjusted"] * 2
    assert json.loads(str(deeds[0]["newValue"])) == {"score": 500, "tier": "medium"}
    assert [each["eventType"] for each in await events(world, ada.ecosystem_id)] == [
        "user.created",
        "score.changed",
        "score.changed",
    ]


async def test_the_history_holds_the_ten_newest(world: World) -> None:
    ada, operator = await world.person(), await world.operator()
    for score in range(12):
        reply = await adjust(world, ada.ecosystem_id, {"score": score, "reason": "x"})
    assert [step["value"] for step in reply.body["history"]] == list(range(11, 1, -1))
    read = (await operator.get(f"/v1/admin/users/{ada.ecosystem_id}/score")).body
    assert read["history"] == reply.body["history"]


@pytest.mark.parametrize("score", ["0", "1000", "650.0", "6.5e2"])
async def test_a_whole_number_by_value_is_a_score(world: World, score: str) -> None:
    ada = await world.person()
    assert (await adjust(world, ada.ecosystem_id, b'{"reason":"x","score":' + score.encode() + b"}")).status == 200


@pytest.mark.parametrize("score", ["-1", "1001", "650.5", '"650"', "true", "null", "1e999999999", "1e-999999999", "-1e99999", "[]"])
async def test_anything_else_is_refused_before_the_person_is_looked_up(world: World, score: str) -> None:
    reply = await adjust(world, "nobody", b'{"reason":"x","score":' + score.encode() + b"}")
    assert (reply.status, reply.code, "score" in reply.message) == (400, "VALIDATION_ERROR", True)


@pytest.mark.parametrize(
    "body", [{"reason": "x"}, {"score": 5}, {"score": 5, "reason": " "}, {"score": 5, "reason": "x" * 501}, None, [], "x"]
)
async def test_score_and_reason_are_both_needed(world: World, body: object) -> None:
    assert (await adjust(world, "nobody", body)).status == 400


async def test_the_order_is_header_body_person(world: World) -> None:
    assert "Idempotency-Key" in (await adjust(world, "nobody", {}, key="")).message
    assert (await adjust(world, "nobody", {})).status == 400
    assert (await adjust(world, "nobody", {"score": 5, "reason": "x"})).code == "NOT_FOUND"


async def test_a_repetition_is_a_replay(world: World) -> None:
    ada = await world.person()
    key = "adjust-0190f2a0-1111-7abc-8def-0123456789ab-1933221228000-ab12cd3"
    first = await adjust(world, ada.ecosystem_id, {"score": 5, "reason": "x"}, key=key)
    again = await adjust(world, ada.ecosystem_id, b'{"score":5.0,"reason":" x ","more":1}', key=key)
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, first.body, "true")
    assert (await adjust(world, ada.ecosystem_id, {"score": 6, "reason": "x"}, key=key)).status == 422
    ben = await world.person()
    assert (await adjust(world, ben.ecosystem_id, {"score": 5, "reason": "x"}, key=key)).status == 409


async def test_a_seeded_tier_does_not_reach_event_or_audit(world: World) -> None:
    ecosystem_id = await seed_user(world, tier="low", currentScore=500)
    reply = await adjust(world, ecosystem_id, {"score": 700, "reason": "x"})
    assert reply.status == 200
    (event,) = await events(world, ecosystem_id)
    assert (event["sequence"], event["payload"]["previousTier"], event["payload"]["newTier"]) == (1, "medium", "high")
    (deed,) = await audit_of(world, ecosystem_id)
    assert json.loads(str(deed["previousValue"])) == {"score": 500, "tier": "medium"}
    assert (await row(world, USERS, ecosystem_id))["tier"] == "high"
