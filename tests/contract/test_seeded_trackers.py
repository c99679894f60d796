"""Trackers that another program wrote: only what the contract says of them is there, and they can be decided all the same."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tazco.card_requests.store import REQUEST_BY_ID
from tazco.platform.aws import Call, over_the_wire
from tazco.platform.wire import Pool, Reply
from tazco.trackers.store import TRACKERS
from tests.approvals.desk import Desk, open_desk
from tests.contract.seeds import ago, row, seed, seed_request
from tests.stage import Stage

NOT_FOUND = {"ok": True, "action": "ignored", "reason": "request_not_found"}


@pytest.fixture(scope="module")
async def desk(stage: Stage) -> AsyncIterator[Desk]:
    """One desk for all."""
    async with open_desk(stage) as opened:
        yield opened


async def seeded(desk: Desk, code: str, **attributes: Any) -> tuple[Any, str]:
    """A pending request and its tracker, with no row for the code and no date of its making."""
    person = await desk.world.person(430)
    request_id = await seed_request(desk.world, person.ecosystem_id)
    given = {"status": "pending", "statusShard": "pending#0", "expiresAt": ago(desk.world, hours=-5), **attributes}
    await seed(desk.world, TRACKERS, requestId=request_id, ecosystemId=person.ecosystem_id, code=code, **given)
    return person, request_id


async def test_a_tracker_without_a_row_for_its_code_is_found_by_its_code(desk: Desk) -> None:
    _, request_id = await seeded(desk, "7K3M9QX1")
    assert await desk.says("y 7k3m9qxl") == {"ok": True, "action": "approved", "requestId": request_id}
    assert (await row(desk.world, TRACKERS, request_id))["status"] == "approved"


async def test_an_expired_one_is_expired_and_a_decided_one_already_processed(desk: Desk) -> None:
    await seeded(desk, "7K3M9QX2", status="expired", statusShard=None)
    assert (await desk.says("y 7K3M9QX2"))["reason"] == "expired"
    _, request_id = await seeded(desk, "7K3M9QX3", status="rejected", statusShard=None)
    assert await desk.says("y 7K3M9QX3") == {
        "ok": True,
        "action": "ignored",
        "reason": "already_processed",
        "requestId": request_id,
    }


async def test_of_several_with_one_code_the_open_one_counts(desk: Desk) -> None:
    await seeded(desk, "7K3M9QX4", status="approved", statusShard=None, expiresAt=ago(desk.world, hours=-9))
    _, request_id = await seeded(desk, "7K3M9QX4")
    assert (await desk.says("n 7K3M9QX4"))["requestId"] == request_id


async def test_of_several_open_ones_none_counts_and_there_is_an_alarm(desk: Desk) -> None:
    for _ in range(2):
        await seeded(desk, "7K3M9QX5")
    with capture_logs() as logs:
        assert await desk.says("y 7K3M9QX5") == NOT_FOUND
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["approvals.code_of_several_requests"]


@pytest.mark.parametrize(("verb", "body"), [("approve", {"creditLimit": 200}), ("reject", {"reason": "no"})])
async def test_a_decision_over_http_closes_it_too(desk: Desk, verb: str, body: dict[str, Any]) -> None:
    _, request_id = await seeded(desk, "7K3M9QX6")
    operator = await desk.world.operator()
    assert (await operator.post(f"/v1/admin/card-requests/{request_id}/{verb}", body)).status == 200
    assert (await row(desk.world, TRACKERS, request_id))["status"] == {"approve": "approved", "reject": "rejected"}[verb]


async def test_a_code_row_is_no_tracker_whoever_asks_for_it(desk: Desk) -> None:
    waiting = await desk.asked()
    assert (await desk.says(f"y code#{waiting.code}"))["reason"] == "invalid_command"


async def test_a_tap_needs_no_index(stage: Stage) -> None:
    """The tracker names the owner: the index that lags behind a request of this moment is not asked."""
    asked: list[Call] = []

    async def blind(call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        if call.operation == "Query" and REQUEST_BY_ID.name.encode() in call.body:
            asked.append(call)
            return Reply(200, {}, b'{"Items":[],"Count":0,"ScannedCount":0}')
        return await over_the_wire(call, pool, request, timeout_seconds)

    async with open_desk(stage, transport=blind) as desk:
        for verb, action in (("approve", "approved"), ("reject", "rejected")):
            waiting = await desk.asked()
            assert (await desk.taps(f"{verb}:{waiting.code}"))["action"] == action
    assert not asked
