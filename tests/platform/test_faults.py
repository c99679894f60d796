"""What the money does when AWS does not answer, refuses, or answers twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tazco.cards.store import CARDS
from tazco.platform.jsontext import encode
from tazco.platform.outbox import OUTBOX
from tazco.platform.wire import Reply
from tazco.transactions.store import TRANSACTIONS
from tazco.users.store import USERS
from tests.contract.seeds import amend
from tests.platform.faults import COMMIT, Faulty, cancelled, error
from tests.stage import Stage
from tests.world import Person, World, open_world
from tests.world import Reply as Answer


@pytest.fixture(scope="module")
def faulty() -> Faulty:
    """The transport of this module's world."""
    return Faulty()


@pytest.fixture(scope="module")
async def shaky(stage: Stage, faulty: Faulty) -> AsyncIterator[World]:
    """A world behind that transport."""
    async with open_world(stage, transport=faulty) as opened:
        yield opened


@pytest.fixture
async def holder(shaky: World) -> tuple[Person, str]:
    """Somebody with a card of 3000, whom the process knows."""
    ada, card = await shaky.cardholder()
    await ada.get("/v1/cards")
    return ada, card


async def books(world: World, card_id: str) -> tuple[int, int, list[int]]:
    """Balance in cents, number of ledger rows, and the sequence numbers of the card's events."""
    balance = next(int(row["balance"]["N"]) for row in await world.rows(CARDS) if row["cardId"]["S"] == card_id)
    entries = sum(row["cardId"]["S"] == card_id for row in await world.rows(TRANSACTIONS))
    events = sorted(int(row["sequence"]["N"]) for row in await world.rows(OUTBOX) if row["aggregateId"]["S"] == card_id)
    return balance, entries, events


@pytest.mark.parametrize(
    "faults",
    [
        ["lost before"],
        ["lost after"],
        ["lost after", "lost before", "lost after"],
        [error(500, "InternalServerError")],
        [error(503, "ServiceUnavailable")],
        [error(400, "TransactionInProgressException")],
        [error(400, "ThrottlingException")],
        [error(400, "ProvisionedThroughputExceededException"), "lost after"],
    ],
    ids=str,
)
async def test_a_fault_that_passes_is_not_seen_and_acts_once(
    shaky: World, faulty: Faulty, holder: tuple[Person, str], faults: list[Any]
) -> None:
    ada, card = holder
    faulty.strike(COMMIT, *faults)
    assert (await ada.buy(card, 10)).status == 201
    assert not faulty.plan[COMMIT]
    assert await books(shaky, card) == (1_000, 1, [1, 2])


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
async def test_a_cancelled_commit_is_decided_again(shaky: World, faulty: Faulty, holder: tuple[Person, str], code: str) -> None:
    ada, card = holder
    faulty.strike(COMMIT, cancelled("None", code, "None", "None"), cancelled("None", code, "None", "None"))
    assert (await ada.buy(card, 10)).status == 201
    assert await books(shaky, card) == (1_000, 1, [1, 2])


async def test_answers_that_are_all_lost_are_503_and_the_same_key_finds_what_was_done(
    shaky: World, faulty: Faulty, holder: tuple[Person, str]
) -> None:
    ada, card = holder
    key = str(uuid.uuid4())
    faulty.strike(COMMIT, *["lost after"] * 4)
    lost = await ada.buy(card, 10, key=key)
    assert (lost.status, lost.code, lost.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
    again = await ada.buy(card, 10, key=key)
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert await books(shaky, card) == (1_000, 1, [1, 2])


async def test_throttling_that_goes_on_is_503_with_retry_after_and_nothing_is_written(
    shaky: World, faulty: Faulty, holder: tuple[Person, str]
) -> None:
    ada, card = holder
    key = str(uuid.uuid4())
    faulty.strike(COMMIT, *[cancelled("None", "ThrottlingError", "None", "None")] * 6)
    refused = await ada.buy(card, 10, key=key)
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "1")
    assert await books(shaky, card) == (0, 0, [1])
    assert (await ada.buy(card, 10, key=key)).status == 201


async def test_a_version_lost_six_times_is_409_with_the_versions(shaky: World, faulty: Faulty, holder: tuple[Person, str]) -> None:
    ada, card = holder
    row = next(row for row in await shaky.rows(CARDS) if row["cardId"]["S"] == card)
    moved = {**row, "version": {"N": "9"}}
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": moved}, {"Code": "None"}, {"Code": "None"}]
    faulty.strike(COMMIT, *[error(400, "TransactionCanceledException", CancellationReasons=reasons)] * 6)
    before = faulty.count(COMMIT)
    refused = await ada.buy(card, 10)
    assert (refused.status, refused.code) == (409, "VERSION_CONFLICT")
    assert refused.body["error"]["details"] == {"cardId": card, "expectedVersion": 9, "actualVersion": 9}
    assert faulty.count(COMMIT) - before == 6
    assert await books(shaky, card) == (0, 0, [1])


async def test_a_bug_is_500_and_shows_nothing_of_the_inside(shaky: World, faulty: Faulty, holder: tuple[Person, str]) -> None:
    ada, card = holder
    faulty.strike(COMMIT, error(400, "ValidationException", table="tazco-cards"))
    broken = await ada.buy(card, 10)
    assert (broken.status, broken.code) == (500, "INTERNAL_ERROR")
    assert "tazco-cards" not in str(broken.body)
    assert "Validation" not in str(broken.body)
    assert await books(shaky, card) == (0, 0, [1])


async def test_a_client_that_goes_away_in_the_middle_of_the_commit_finds_its_answer_later(
    shaky: World, faulty: Faulty, holder: tuple[Person, str]
) -> None:
    ada, card = holder
    key = str(uuid.uuid4())
    faulty.strike(COMMIT, "hangs after")
    gone = asyncio.create_task(ada.buy(card, 10, key=key))
    await faulty.reached.wait()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert (await ada.buy(card, 10, key=key)).status == 200
    assert await books(shaky, card) == (1_000, 1, [1, 2])


async def test_reads_that_fail_for_good_are_503_and_change_nothing(
    shaky: World, faulty: Faulty, holder: tuple[Person, str]
) -> None:
    ada, card = holder
    reads: list[Callable[[], Awaitable[Answer]]] = [lambda: ada.buy(card, 10), lambda: ada.get(f"/v1/cards/{card}")]
    for read in reads:
        faulty.strike("BatchGetItem", *["lost after"] * 4)
        refused = await read()
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert await books(shaky, card) == (0, 0, [1])


async def test_keys_that_a_batch_leaves_unread_are_asked_for_again(
    shaky: World, faulty: Faulty, holder: tuple[Person, str]
) -> None:
    ada, card = holder
    name = shaky.services.database.physical_name(CARDS)
    key = {"ecosystemId": {"S": ada.ecosystem_id}, "cardId": {"S": card}}
    left = {"Responses": {}, "UnprocessedKeys": {name: {"ConsistentRead": True, "Keys": [key]}}}
    faulty.strike("BatchGetItem", Reply(200, {}, encode(left)))
    assert (await ada.get(f"/v1/cards/{card}")).status == 200


async def test_two_identical_commands_of_which_one_reads_between_do_not_contradict_each_other(shaky: World, faulty: Faulty) -> None:
    """BatchGet is no snapshot: the slower twin may see the card that its own twin was granted, and must replay all the same."""
    for _ in range(5):
        somebody = await shaky.person(score=720)
        key = str(uuid.uuid4())
        replies = await asyncio.gather(*(somebody.post("/v1/cards/requests", {"productId": "p"}, key=key) for _ in range(4)))
        assert sorted(reply.status for reply in replies) == [200, 200, 200, 201]
    assert faulty.calls


NOTHING_YET = Reply(200, {}, b'{"Items":[],"Count":0,"ScannedCount":0}')


async def test_a_card_granted_between_two_reads_of_one_decision_is_not_missed(
    shaky: World, faulty: Faulty, holder: tuple[Person, str]
) -> None:
    """Row and list are read side by side: the list was a moment older, and a second card was granted (found by simulation)."""
    ada, _ = holder
    faulty.strike("Query", NOTHING_YET)
    refused = await ada.ask_for_card()
    assert (refused.status, refused.code) == (409, "CARD_ALREADY_EXISTS")
    assert sum(row["ecosystemId"]["S"] == ada.ecosystem_id for row in await shaky.rows(CARDS)) == 1


async def test_a_request_made_between_two_reads_of_one_decision_is_not_missed(shaky: World, faulty: Faulty) -> None:
    ben = await shaky.person(500)
    first = (await ben.ask_for_card()).body["request"]["requestId"]
    faulty.strike("Query", NOTHING_YET, NOTHING_YET)
    refused = await ben.ask_for_card()
    assert (refused.status, refused.code) == (409, "CARD_REQUEST_EXISTS")
    assert refused.body["error"]["details"] == {"existingRequestId": first}


async def test_a_card_that_nobody_has_any_more_stands_in_nobodys_way(shaky: World) -> None:
    eve = await shaky.person(720)
    await amend(shaky, USERS, (eve.ecosystem_id,), activeCardId="gone", openRequestId="gone")
    assert (await eve.ask_for_card()).status == 201
