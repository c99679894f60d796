"""The owner's cards, §2.6 and §3.7."""

import asyncio

from tazco.cards.store import CARDS
from tazco.users.store import USERS
from tests.contract.seeds import events, row, seed_card
from tests.world import World

DETAIL_KEYS = {
    "cardId",
    "type",
    "status",
    "limit",
    "balance",
    "availableCredit",
    "minimumPayment",
    "nearLimit",
    "nextDueDate",
    "createdAt",
    "activatedAt",
    "approvedBy",
    "scoreAtApproval",
}


async def test_no_cards_come_with_a_suggestion_also_for_someone_unregistered(world: World) -> None:
    for person in (await world.person(), await world.stranger()):
        reply = await person.get("/v1/cards")
        assert (reply.status, reply.body["cards"]) == (200, [])
        assert "/v1/offers" in reply.body["suggestion"]


async def test_the_list_filters_and_suggests_when_a_filter_leaves_nothing(world: World) -> None:
    ada, card_id = await world.cardholder()
    whole = await ada.get("/v1/cards")
    assert set(whole.body) == {"cards"}
    assert [card["cardId"] for card in whole.body["cards"]] == [card_id]
    assert (await ada.get("/v1/cards?status=active&type=credit-card")).body == whole.body
    filtered = await ada.get("/v1/cards?status=cancelled")
    assert filtered.body["cards"] == []
    assert "/v1/offers" in filtered.body["suggestion"]


async def test_unknown_filters_are_refused_naming_the_valid_ones(world: World) -> None:
    ada = await world.person()
    status = await ada.get("/v1/cards?status=frozen")
    assert (status.status, status.code) == (400, "VALIDATION_ERROR")
    assert all(word in status.message for word in ("active", "suspended", "cancelled"))
    kind = await ada.get("/v1/cards?type=debit-card")
    assert (kind.status, kind.code) == (400, "VALIDATION_ERROR")
    assert "credit-card" in kind.message


async def test_a_card_in_full(world: World) -> None:
    ada, card_id = await world.cardholder()
    card = (await ada.get(f"/v1/cards/{card_id}")).body["card"]
    assert set(card) == DETAIL_KEYS
    assert (card["approvedBy"], card["scoreAtApproval"], card["status"], card["type"]) == ("auto", 720, "active", "credit-card")
    assert card["activatedAt"] == card["createdAt"] < card["nextDueDate"]


async def test_someone_elses_card_is_not_found(world: World) -> None:
    _, card_id = await world.cardholder()
    other, stranger = await world.person(), await world.stranger()
    for person in (other, stranger):
        for reply in (
            await person.get(f"/v1/cards/{card_id}"),
            await person.post(f"/v1/cards/{card_id}/cancel"),
            await person.get(f"/v1/cards/{card_id}/transactions"),
        ):
            assert (reply.status, reply.code) == (404, "NOT_FOUND")


async def test_ids_are_opaque_and_keep_their_case(world: World) -> None:
    ada = await world.person()
    odd = await seed_card(world, ada, cardId="Card#1:a/B")
    assert (await ada.get("/v1/CARDS/Card%231%3Aa%2FB/")).body["card"]["cardId"] == odd
    assert (await ada.get("/v1/cards/card%231%3Aa%2FB")).status == 404


async def test_the_owner_cancels_with_or_without_a_reason(world: World) -> None:
    for body, reason in ((None, None), ({}, None), ({"reason": None}, None), ({"reason": " x "}, "x")):
        ada, card_id = await world.cardholder()
        reply = await ada.post(f"/v1/cards/{card_id}/cancel", body)
        card = reply.body["card"]
        assert (reply.status, card["status"], card.get("statusReason")) == (200, "cancelled", reason)
        assert "cancelledAt" in card
        assert "activeCardId" not in await row(world, USERS, ada.ecosystem_id)


async def test_an_owners_reason_is_checked(world: World) -> None:
    ada, card_id = await world.cardholder()
    for reason in ("", "   ", "x" * 501, 5):
        reply = await ada.post(f"/v1/cards/{card_id}/cancel", {"reason": reason})
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert (await ada.post(f"/v1/cards/{card_id}/cancel", {"reason": "x" * 500})).status == 200


async def test_a_card_with_a_balance_is_not_cancelled(world: World) -> None:
    ada, card_id = await world.cardholder()
    await ada.buy(card_id, 0.01)
    reply = await ada.post(f"/v1/cards/{card_id}/cancel")
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert "balance" in reply.message
    await ada.pay(card_id, 0.01)
    assert (await ada.post(f"/v1/cards/{card_id}/cancel")).status == 200


async def test_a_second_cancel_changes_nothing(world: World) -> None:
    ada, card_id = await world.cardholder()
    first = await ada.post(f"/v1/cards/{card_id}/cancel", {"reason": "one"})
    before = await row(world, CARDS, ada.ecosystem_id, card_id)
    second = await ada.post(f"/v1/cards/{card_id}/cancel", {"reason": "two"})
    assert (second.status, second.body) == (200, first.body)
    assert "idempotent-replayed" not in second.headers
    assert await row(world, CARDS, ada.ecosystem_id, card_id) == before
    assert [each["eventType"] for each in await events(world, card_id)] == ["card.approved", "card.cancelled"]


async def test_the_key_header_comes_before_body_and_existence(world: World) -> None:
    ada = await world.person()
    for key in ("", "x" * 65):
        reply = await ada.post("/v1/cards/nothing/cancel", {"reason": 5}, key=key)
        assert (reply.status, "Idempotency-Key" in reply.message) == (400, True)
    assert (await ada.post("/v1/cards/nothing/cancel", {"reason": 5}, key="x" * 64)).status == 400
    assert (await ada.post("/v1/cards/nothing/cancel", key="x" * 64)).status == 404


async def test_a_cancelled_card_frees_the_way_to_the_next(world: World) -> None:
    ada, card_id = await world.cardholder()
    assert (await ada.ask_for_card()).code == "CARD_ALREADY_EXISTS"
    await ada.post(f"/v1/cards/{card_id}/cancel")
    assert (await ada.ask_for_card()).status == 201


async def test_two_seeded_active_cards_both_show_and_both_work(world: World) -> None:
    ada = await world.person()
    old = await seed_card(world, ada, createdAt="2021-01-01T00:00:00.000Z", balance=10_000)
    new = await seed_card(world, ada, createdAt="2022-01-01T00:00:00.000Z")
    assert [card["cardId"] for card in (await ada.get("/v1/cards")).body["cards"]] == [new, old]
    assert (await ada.buy(new, 5)).status == 201
    assert (await ada.pay(old, 100)).status == 201
    assert (await ada.post(f"/v1/cards/{old}/cancel")).status == 200
    assert (await ada.ask_for_card()).code == "CARD_ALREADY_EXISTS"
    assert [each["sequence"] for each in await events(world, old)] == [1, 2]


async def test_a_purchase_racing_with_a_cancel_never_leaves_a_balance_on_a_cancelled_card(world: World) -> None:
    for _ in range(5):
        ada, card_id = await world.cardholder()
        bought, cancelled = await asyncio.gather(ada.buy(card_id, 10), ada.post(f"/v1/cards/{card_id}/cancel"))
        card = (await ada.get(f"/v1/cards/{card_id}")).body["card"]
        expected = ("active", 10) if bought.status == 201 else ("cancelled", 0)
        assert (card["status"], card["balance"]) == expected
        assert (bought.status, cancelled.status) in ((201, 400), (400, 200))
