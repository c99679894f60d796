"""Questions to the approvers, §6.2: opened with a request, closed with its decision, each with a code of its own."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from functools import partial
from typing import Any, TypeVar

import pytest

from tazco.card_requests.commands import RequestCard, request_card
from tazco.cards.store import CARDS
from tazco.kernel.ids import CorrelationId, EcosystemId, Subject
from tazco.notifications.store import INBOUND_MESSAGES
from tazco.platform.caller import Caller, Origin
from tazco.trackers.model import ALPHABET, CODE_BYTES, code_from
from tazco.trackers.store import TRACKERS
from tests.approvals.desk import DEFAULTS, ONE, TWO, Desk, Waiting, open_desk
from tests.contract.seeds import events, seed_user, with_policy
from tests.platform.faults import COMMIT, Faulty
from tests.stage import Stage
from tests.world import Person

REQUESTS = 200
AT_ONCE = 25
R = TypeVar("R")


@pytest.fixture(scope="module")
async def faulty() -> Faulty:
    """The seam to AWS, for looking at the commits that went out."""
    return Faulty()


@pytest.fixture(scope="module")
async def desk(stage: Stage, faulty: Faulty) -> AsyncIterator[Desk]:
    """Approvers."""
    async with open_desk(stage, transport=faulty) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _usual_policy(desk: Desk) -> None:
    await with_policy(desk.world, **DEFAULTS)


async def test_a_tracker_is_opened_in_the_commit_of_a_pending_request(desk: Desk, faulty: Faulty) -> None:
    person = await desk.world.person(430)
    before = faulty.count(COMMIT)
    request_id = (await person.ask_for_card()).body["request"]["requestId"]
    assert faulty.count(COMMIT) == before + 1
    tracker = await desk.tracker(request_id)
    assert (tracker["status"], tracker["ecosystemId"]) == ("pending", person.ecosystem_id)
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{8}", tracker["code"])
    assert await desk.tracker(f"code#{tracker['code']}") == {"requestId": f"code#{tracker['code']}", "pointsTo": request_id}


async def test_a_request_that_is_granted_at_once_has_no_tracker(desk: Desk) -> None:
    person = await desk.world.person(720)
    assert await desk.tracker((await person.ask_for_card()).body["request"]["requestId"]) == {}


@pytest.mark.parametrize("silence", [{"whatsapp__notificationsEnabled": "false"}, {"whatsapp__approvers": "[]"}])
async def test_where_nobody_is_to_be_asked_there_is_no_tracker_and_no_code(desk: Desk, silence: dict[str, str]) -> None:
    await with_policy(desk.world, **silence)
    before = len(await desk.world.rows(TRACKERS))
    person = await desk.world.person(430)
    reply = await person.ask_for_card()
    assert (reply.status, reply.body["request"]["status"]) == (201, "pending")
    assert len(await desk.world.rows(TRACKERS)) == before


@pytest.mark.parametrize(("verb", "body"), [("approve", {"creditLimit": 200}), ("reject", {"reason": "no"})])
async def test_a_decision_over_http_closes_the_tracker_in_its_own_commit(
    desk: Desk, faulty: Faulty, verb: str, body: dict[str, Any]
) -> None:
    waiting, operator = await desk.asked(), await desk.world.operator()
    before = faulty.count(COMMIT)
    assert (await operator.post(f"/v1/admin/card-requests/{waiting.request_id}/{verb}", body)).status == 200
    assert faulty.count(COMMIT) == before + 1
    tracker = await desk.tracker(waiting.request_id)
    assert tracker["status"] == {"approve": "approved", "reject": "rejected"}[verb]
    assert (tracker["respondedBy"], "statusShard" in tracker) == (operator.ecosystem_id, False)


async def test_a_code_that_is_taken_is_not_given_again(desk: Desk) -> None:
    waiting = await desk.asked()
    taken = _bits_of(waiting.code)
    commands, drawn = desk.world.services.commands, iter([taken, taken, b"\x01\x02\x03\x04\x05"])
    usual = commands.random_bytes
    commands.random_bytes = lambda size: next(drawn) if size == CODE_BYTES else usual(size)
    try:
        other = await desk.asked()
    finally:
        commands.random_bytes = usual
    assert other.code == code_from(b"\x01\x02\x03\x04\x05") != waiting.code
    assert (await desk.says(f"y {waiting.code}"))["requestId"] == waiting.request_id
    assert await desk.status(other) == "pending"


def _bits_of(code: str) -> bytes:
    number = 0
    for character in code:
        number = number << 5 | ALPHABET.index(character)
    return number.to_bytes(CODE_BYTES)


async def test_the_code_of_a_closed_question_is_not_given_again_either(desk: Desk) -> None:
    waiting = await desk.asked()
    assert (await desk.says(f"n {waiting.code}"))["action"] == "rejected"
    assert (await desk.tracker(f"code#{waiting.code}"))["pointsTo"] == waiting.request_id


async def test_two_hundred_requests_at_once_have_two_hundred_codes_and_each_approves_its_own(desk: Desk) -> None:
    """People are seeded, so that all requests fall into the same moment; ids made then share their beginning."""
    crowd = [await _somebody(desk) for _ in range(REQUESTS)]
    waiting = await _in_parallel([_ask(desk, ecosystem_id) for ecosystem_id in crowd])
    assert len({each.code for each in waiting}) == REQUESTS
    heads = Counter(each.request_id[:8] for each in waiting)
    assert len(heads) < REQUESTS
    taps = [desk.taps(f"approve:{each.code}", sender=(ONE, TWO)[number % 2]) for number, each in enumerate(waiting)]
    outcomes = await _in_parallel(taps)
    assert [outcome["requestId"] for outcome in outcomes] == [each.request_id for each in waiting]
    assert {outcome["action"] for outcome in outcomes} == {"approved"}
    granted = {item["ecosystemId"]["S"]: item["requestId"]["S"] for item in await desk.world.rows(CARDS)}
    assert [granted[owner] for owner in crowd] == [each.request_id for each in waiting]


async def test_a_cleanup_counts_a_tracker_once_and_leaves_no_code_behind(desk: Desk) -> None:
    waiting = await desk.asked()
    await desk.says(f"y {waiting.code}")
    trackers = [item for item in await desk.world.rows(TRACKERS) if not item["requestId"]["S"].startswith("code#")]
    messages, operator = len(await desk.world.rows(INBOUND_MESSAGES)), await desk.world.operator()
    token = (await operator.post("/v1/admin/cleanup", key="")).body["confirmationToken"]
    assert (await operator.post("/v1/admin/cleanup", {"confirmationToken": token}, key="")).status == 200
    (event,) = await events(desk.world, "cleanup", "system")
    counts = event["payload"]["deletedCounts"]
    assert (counts["approvalTrackers"], counts["inboundMessages"]) == (len(trackers), messages)
    assert (await desk.world.rows(TRACKERS), await desk.world.rows(INBOUND_MESSAGES)) == ([], [])


async def _somebody(desk: Desk) -> str:
    return await seed_user(desk.world, currentScore=430)


async def _ask(desk: Desk, ecosystem_id: str) -> Waiting:
    services = desk.world.services
    origin = Origin(
        caller=Caller(subject=Subject(ecosystem_id), ecosystem_id=EcosystemId(ecosystem_id)), correlation_id=CorrelationId("c")
    )
    command = RequestCard(ecosystem_id=EcosystemId(ecosystem_id), product_id="basic")
    decided = await services.commands.run(origin, partial(request_card, command), lane=f"user#{ecosystem_id}")
    request_id = decided.request.request_id
    return Waiting(Person(desk.world, ecosystem_id, "", "", ""), request_id, (await desk.tracker(request_id))["code"])


async def _in_parallel(tasks: Iterable[Awaitable[R]]) -> list[R]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(task: Awaitable[R]) -> R:
        async with places:
            return await task

    return list(await asyncio.gather(*map(one, tasks)))
