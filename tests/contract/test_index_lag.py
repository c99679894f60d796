"""Indexes lag: what was written a moment ago is found all the same."""

import json
from collections.abc import AsyncIterator

import pytest

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.wire import Pool, Reply
from tests.stage import Stage
from tests.world import World, open_world


class Lagging:
    """A transport whose answers from one index are empty, or stale, a number of times."""

    def __init__(self) -> None:
        self.index, self.times, self.items = "", 0, list[dict[str, object]]()

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        if self.times and call.operation == "Query" and json.loads(call.body).get("IndexName") == self.index:
            self.times -= 1
            return Reply(200, {}, json.dumps({"Items": self.items, "Count": len(self.items)}).encode())
        return await over_the_wire(call, pool, request, timeout_seconds)


@pytest.fixture
def lagging() -> Lagging:
    return Lagging()


@pytest.fixture
async def late(stage: Stage, lagging: Lagging) -> AsyncIterator[World]:
    async with open_world(stage, transport=lagging) as opened:
        yield opened


async def test_a_request_made_a_moment_ago_can_be_approved(late: World, lagging: Lagging) -> None:
    operator, ben = await late.operator(), await late.person(score=430)
    request_id = (await ben.ask_for_card()).body["request"]["requestId"]
    lagging.index, lagging.times = "RequestById", 2
    assert (await operator.post(f"/v1/admin/card-requests/{request_id}/approve", {"creditLimit": 300})).status == 200
    assert lagging.times == 0


async def test_an_unknown_request_is_404_after_a_few_looks(late: World) -> None:
    operator = await late.operator()
    assert (await operator.post("/v1/admin/card-requests/unknown/approve", {"creditLimit": 300})).status == 404


@pytest.mark.parametrize("items", [[], [{"firebaseUid": {"S": "x"}, "ecosystemId": {"S": "gone-1"}}]], ids=["empty", "stale"])
async def test_a_person_is_registered_once_whatever_the_index_says(
    late: World, lagging: Lagging, items: list[dict[str, object]]
) -> None:
    ada = await late.stranger(attributes={"custom:ecosystemId": f"eco-{len(items)}"})
    first = await late.call("POST", "/v1/users", {}, {"authorization": f"Bearer {ada.id_token}"})
    assert first.status == 201
    lagging.index, lagging.times, lagging.items = "UserByFirebaseUid", 10, items
    late.services.gate.directory.forget()
    again = await ada.post("/v1/users", {"email": ada.email})
    lagging.times = 0
    assert (again.status, again.body["user"]["ecosystemId"]) == (200, f"eco-{len(items)}")
    assert (await ada.get("/v1/dashboard")).body["user"]["ecosystemId"] == f"eco-{len(items)}"
