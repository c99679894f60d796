"""After an import the programme goes on as if it had always been here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tazco.kernel.ids import Subject
from tazco.migration.commands.exporting import export
from tazco.migration.model import Collection
from tazco.platform.database import Database
from tazco.users.store import binding, user
from tests.contract.seeds import events
from tests.migration.exports import Document, Folder, checked, imported, made_up
from tests.stage import Stage
from tests.world import Person, World, open_world

BUYER, WAITING, TURNED_DOWN = "person-0000000", "person-0000011", "person-0000012"


@pytest.fixture
async def moved_in(empty_stage: Stage, tmp_path: Path) -> AsyncIterator[tuple[World, Folder, dict[str, Person]]]:
    """A world that took over twenty people, three of whom have tokens of the pool."""
    async with open_world(empty_stage) as world:
        folder = made_up(tmp_path / "export")
        people = {each: await world.stranger() for each in (BUYER, WAITING, TURNED_DOWN)}
        for ecosystem_id, person in people.items():
            folder.change(Collection.USERS, _is(ecosystem_id), firebaseUid=person.subject, email=person.email)
        assert (await imported(world.services.database, folder)).exact
        yield world, folder, people


def _is(ecosystem_id: str) -> "_Whose":
    return _Whose(ecosystem_id)


class _Whose:
    def __init__(self, ecosystem_id: str) -> None:
        self.ecosystem_id = ecosystem_id

    def __call__(self, document: Document) -> bool:
        return bool(document["ecosystemId"] == self.ecosystem_id)


def _only(folder: Folder, collection: Collection, ecosystem_id: str) -> Document:
    (document,) = (each for each in folder.documents(collection) if each["ecosystemId"] == ecosystem_id)
    return document


async def test_people_sign_in_buy_and_pay_and_operators_see_all_of_it(
    moved_in: tuple[World, Folder, dict[str, Person]],
) -> None:
    world, folder, people = moved_in
    buyer, before = people[BUYER], _only(folder, Collection.CARDS, BUYER)
    card_id, history = (
        before["cardId"],
        [each for each in folder.documents(Collection.TRANSACTIONS) if each["cardId"] == before["cardId"]],
    )
    signed_in = await buyer.register()
    assert (signed_in.status, signed_in.body["created"]) == (200, False)
    assert signed_in.body["user"]["ecosystemId"] == BUYER
    bought = await buyer.buy(card_id, 1.5)
    assert bought.body["card"]["balance"] == before["balance"] + bought.body["transaction"]["amount"]
    paid = await buyer.pay(card_id, 1)
    assert paid.status == 201
    ledger = (await buyer.get(f"/v1/cards/{card_id}/transactions?limit=100")).body["transactions"]
    assert [each["transactionId"] for each in ledger[2:]] == [each["transactionId"] for each in reversed(history)]
    operator = await world.operator()
    seen = (await operator.get(f"/v1/admin/users/{BUYER}/score")).body["history"]
    steps = [each for each in folder.documents(Collection.SCORES) if each["ecosystemId"] == BUYER]
    assert seen[1]["timestamp"] == steps[-1]["timestamp"]
    logs = (await operator.get(f"/v1/admin/audit-logs?targetType=user&targetId={BUYER}")).body["auditLogs"]
    assert logs[0]["action"] == "score.adjusted"
    assert [each["sequence"] for each in await events(world, card_id)] == [1, 2]


async def test_a_person_holds_the_card_the_request_and_the_subject(moved_in: tuple[World, Folder, dict[str, Person]]) -> None:
    """What keeps two commands at one moment from giving a second one; without them no single command would notice."""
    world, folder, people = moved_in
    buyer, waiting = await world.services.database.read(user(BUYER), user(WAITING))
    assert buyer is not None
    assert waiting is not None
    assert (buyer.active_card_id, buyer.open_request_id) == (_only(folder, Collection.CARDS, BUYER)["cardId"], None)
    assert (waiting.active_card_id, waiting.open_request_id) == (
        None,
        _only(folder, Collection.CARD_REQUESTS, WAITING)["requestId"],
    )
    (bound,) = await world.services.database.read(binding(Subject(people[BUYER].subject)))
    assert bound is not None
    assert bound.bound_to == BUYER


async def test_a_second_card_or_request_is_refused_as_for_anybody(moved_in: tuple[World, Folder, dict[str, Person]]) -> None:
    _, folder, people = moved_in
    assert (await people[BUYER].ask_for_card()).code == "CARD_ALREADY_EXISTS"
    refused = await people[WAITING].ask_for_card()
    assert refused.code == "CARD_REQUEST_EXISTS"
    assert refused.body["error"]["details"]["existingRequestId"] == _only(folder, Collection.CARD_REQUESTS, WAITING)["requestId"]


async def test_a_request_that_waited_is_granted_and_the_card_given_back(moved_in: tuple[World, Folder, dict[str, Person]]) -> None:
    world, folder, people = moved_in
    operator = await world.operator()
    waiting = (await operator.get("/v1/admin/card-requests")).body
    assert {each["user"]["ecosystemId"] for each in waiting["requests"]} == {"person-0000001", WAITING}
    request_id = _only(folder, Collection.CARD_REQUESTS, WAITING)["requestId"]
    granted = await operator.post(f"/v1/admin/card-requests/{request_id}/approve", {"creditLimit": 300, "reason": "fine"})
    assert granted.status == 200, granted.body
    card_id = granted.body["card"]["cardId"]
    assert (await people[WAITING].post(f"/v1/cards/{card_id}/cancel", {})).status == 200
    assert (await people[WAITING].ask_for_card()).status == 201


async def test_who_was_here_before_gives_the_card_back_and_asks_for_another(
    moved_in: tuple[World, Folder, dict[str, Person]],
) -> None:
    _, folder, people = moved_in
    buyer, card = people[BUYER], _only(folder, Collection.CARDS, BUYER)
    assert (await buyer.pay(card["cardId"], card["balance"])).status == 201
    assert (await buyer.post(f"/v1/cards/{card['cardId']}/cancel", {})).status == 200
    assert (await buyer.ask_for_card()).status == 201


async def test_newcomers_do_not_clash_with_those_who_moved_in(moved_in: tuple[World, Folder, dict[str, Person]]) -> None:
    world, _, people = moved_in
    newcomer = await world.stranger()
    assert (await newcomer.register()).body["created"]
    again = await people[TURNED_DOWN].register()
    assert (again.body["created"], people[TURNED_DOWN].ecosystem_id) == (False, TURNED_DOWN)


async def test_a_number_that_consumers_have_seen_is_gone_on_from(empty_stage: Stage, tmp_path: Path) -> None:
    async with open_world(empty_stage) as world:
        folder, person = made_up(tmp_path / "export"), await world.stranger()
        folder.change(Collection.USERS, _is(BUYER), firebaseUid=person.subject, email=person.email)
        folder.change(Collection.CARDS, _is(BUYER), sequence=41)
        assert (await imported(world.services.database, folder)).exact
        card_id = _only(folder, Collection.CARDS, BUYER)["cardId"]
        assert (await person.buy(card_id, 1)).status == 201
        assert [each["sequence"] for each in await events(world, card_id)] == [42]


async def _a_busy_day(world: World) -> None:
    """Something of everything that leaves a row behind."""
    operator = await world.operator()
    buyer, card_id = await world.cardholder()
    await buyer.buy(card_id, 20.05)
    await buyer.buy(card_id, 999_999)
    await buyer.pay(card_id, 5)
    turned_down, waiting, closed = await world.person(430), await world.person(430), await world.person()
    request = (await turned_down.ask_for_card()).body["request"]["requestId"]
    await operator.post(f"/v1/admin/card-requests/{request}/reject", {"reason": "Income"})
    await waiting.ask_for_card()
    await operator.post(f"/v1/admin/users/{closed.ecosystem_id}/disable", {"reason": "Fraud"})
    former, former_card = await world.cardholder()
    await former.post(f"/v1/cards/{former_card}/cancel", {})
    await operator.post(f"/v1/admin/cards/{buyer.ecosystem_id}/{card_id}/suspend", {"reason": "Lost"})


async def test_a_programme_of_ours_moves_to_other_tables(world: World, database: Database, tmp_path: Path) -> None:
    await _a_busy_day(world)
    there, here = Folder(tmp_path / "there"), Folder(tmp_path / "here")
    await export(world.services.database, there.path, lambda _: None, force=False)
    assert not checked(there).findings.oddities
    assert (await imported(database, there)).exact
    await export(database, here.path, lambda _: None, force=False)
    assert here.contents() == there.contents()
    assert {each["status"] for each in here.documents(Collection.CARDS)} == {"suspended", "cancelled"}
    assert max(each["sequence"] for each in here.documents(Collection.CARDS)) == 5
