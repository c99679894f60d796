"""The operators' hold on a card's life, §2.8 and §3.7."""

import asyncio

import pytest

from tazco.cards.store import CARDS
from tazco.users.store import USERS
from tests.contract.seeds import events, row, seed_card
from tests.contract.test_admin_users import audit_of
from tests.contract.test_cards import DETAIL_KEYS
from tests.world import Reply, World

EVENTS = {"suspend": "card.suspended", "reactivate": "card.reactivated", "cancel": "card.cancelled"}


async def move(world: World, ecosystem_id: str, card_id: str, step: str, reason: str = "why") -> Reply:
    """Suspend, reactivate or cancel as the operator."""
    operator = await world.operator()
    return await operator.post(f"/v1/admin/cards/{ecosystem_id}/{card_id}/{step}", {"reason": reason})


async def test_suspending_and_reactivating_is_told_and_audited(world: World) -> None:
    ada, card_id = await world.cardholder()
    operator = await world.operator()
    for step, status in (("suspend", "suspended"), ("reactivate", "active")):
        reply = await move(world, ada.ecosystem_id, card_id, step, f" {step} it ")
        card = reply.body["card"]
        assert (reply.status, set(reply.body), set(card)) == (200, {"card"}, DETAIL_KEYS | {"statusReason"})
        assert (card["status"], card["statusReason"]) == (status, f"{step} it")
    _, suspended, reactivated = await events(world, card_id)
    assert suspended["payload"] == {
        "ecosystemId": ada.ecosystem_id,
        "cardId": card_id,
        "reason": "suspend it",
        "adminId": operator.ecosystem_id,
        "previousStatus": "active",
    }
    assert (reactivated["eventType"], reactivated["payload"]["previousStatus"]) == ("card.reactivated", "suspended")
    deeds = await audit_of(world, card_id)
    assert [(deed["action"], deed["targetType"], deed["targetEcosystemId"]) for deed in deeds] == [
        ("card.suspended", "card", ada.ecosystem_id),
        ("card.reactivated", "card", ada.ecosystem_id),
    ]
    assert (deeds[0]["previousValue"], deeds[0]["newValue"]) == ('{"status":"active"}', '{"status":"suspended"}')


@pytest.mark.parametrize("status", ["active", "suspended", "cancelled"])
@pytest.mark.parametrize(("step", "target"), [("suspend", "suspended"), ("reactivate", "active"), ("cancel", "cancelled")])
async def test_every_step_from_every_status(world: World, status: str, step: str, target: str) -> None:
    ada = await world.person()
    card_id = await seed_card(world, ada, status=status)
    before = await row(world, CARDS, ada.ecosystem_id, card_id)
    reply = await move(world, ada.ecosystem_id, card_id, step)
    if status == target:
        assert (reply.status, reply.body["card"]["status"]) == (200, status)
    elif status == "cancelled":
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    else:
        assert (reply.status, reply.body["card"]["status"]) == (200, target)
        assert [each["eventType"] for each in await events(world, card_id)] == [EVENTS[step]]
        assert len(await audit_of(world, card_id)) == 1
        return
    assert await row(world, CARDS, ada.ecosystem_id, card_id) == before
    assert (await events(world, card_id), await audit_of(world, card_id)) == ([], [])


async def test_a_card_with_a_balance_is_not_cancelled(world: World) -> None:
    ada = await world.person()
    for status in ("active", "suspended"):
        card_id = await seed_card(world, ada, status=status, balance=1)
        reply = await move(world, ada.ecosystem_id, card_id, "cancel")
        assert (reply.status, reply.code, "balance" in reply.message) == (400, "VALIDATION_ERROR", True)


async def test_cancelling_frees_the_owner_and_says_who_did_it(world: World) -> None:
    ada, card_id = await world.cardholder()
    operator = await world.operator()
    reply = await move(world, ada.ecosystem_id, card_id, "cancel", "fraud")
    assert set(reply.body["card"]) == DETAIL_KEYS | {"statusReason", "cancelledAt"}
    assert "activeCardId" not in await row(world, USERS, ada.ecosystem_id)
    assert (await events(world, card_id))[-1]["payload"] == {
        "ecosystemId": ada.ecosystem_id,
        "cardId": card_id,
        "reason": "fraud",
        "requestedBy": "admin",
        "adminId": operator.ecosystem_id,
        "previousStatus": "active",
        "finalBalance": 0,
    }
    assert (await ada.ask_for_card()).status == 201


async def test_cancelling_an_old_seeded_card_leaves_the_newer_ones_guard(world: World) -> None:
    ada, card_id = await world.cardholder()
    old = await seed_card(world, ada)
    assert (await move(world, ada.ecosystem_id, old, "cancel")).status == 200
    assert (await row(world, USERS, ada.ecosystem_id))["activeCardId"] == card_id
    assert (await ada.ask_for_card()).code == "CARD_ALREADY_EXISTS"


async def test_a_card_without_an_owner_can_still_be_moved(world: World) -> None:
    ada = await world.person()
    card_id = await seed_card(world, ada)
    await world.services.database.delete_all(USERS, [(ada.ecosystem_id,)])
    for step in ("suspend", "reactivate", "cancel"):
        assert (await move(world, ada.ecosystem_id, card_id, step)).status == 200


async def test_the_wrong_owner_or_card_is_not_found(world: World) -> None:
    ada, card_id = await world.cardholder()
    for ecosystem_id, card in ((ada.ecosystem_id, "nothing"), ("nobody", card_id), (ada.ecosystem_id, card_id.upper())):
        assert (await move(world, ecosystem_id, card, "suspend")).code == "NOT_FOUND"


async def test_the_same_state_is_stored_as_an_answer(world: World) -> None:
    ada, card_id = await world.cardholder()
    operator = await world.operator()
    path = f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}"
    first = await operator.post(f"{path}/reactivate", {"reason": "x"}, key="k")
    await operator.post(f"{path}/suspend", {"reason": "x"})
    again = await operator.post(f"{path}/reactivate", {"reason": "x"}, key="k")
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, first.body, "true")
    assert (await operator.post(f"{path}/suspend", {"reason": "x"}, key="k")).status == 409


async def test_parallel_steps_are_each_told_once_and_numbered_without_gaps(world: World) -> None:
    ada, card_id = await world.cardholder()
    steps = ["suspend", "reactivate"] * 6
    replies = await asyncio.gather(*(move(world, ada.ecosystem_id, card_id, step) for step in steps))
    assert {reply.status for reply in replies} == {200}
    told = await events(world, card_id)
    assert [each["sequence"] for each in told] == list(range(1, len(told) + 1))
    kinds = [each["eventType"] for each in told[1:]]
    assert kinds == [["card.suspended", "card.reactivated"][i % 2] for i in range(len(kinds))]
    assert len(await audit_of(world, card_id)) == len(kinds)
