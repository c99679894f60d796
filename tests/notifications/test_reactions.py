"""Events that approvers are told of: who, when, and once."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tazco.kernel.clock import to_text
from tazco.kernel.ids import EventId
from tazco.notifications.commands import deliver_due
from tazco.notifications.model import DeliveryStatus, Kind
from tazco.notifications.reactions import REACTIONS, announce_payment, ask_approvers
from tazco.notifications.store import NOTIFICATIONS
from tazco.platform.localisation import instant_text
from tazco.platform.reactions import Envelope, IncompleteEvent
from tazco.platform.whatsapp.messages import Question, Recipient, Text, Verdict
from tazco.trackers.store import TRACKERS
from tazco.users.store import USERS
from tests.contract.seeds import amend, row, with_policy
from tests.notifications.messenger import PHONE, SECOND_PHONE, TWO_APPROVERS, USER_ID, Desk, desk_in, refused
from tests.platform.test_row_sizes import WRITE_UNIT_BYTES, size_of
from tests.world import Person, World


async def asked(desk: Desk) -> tuple[Person, str, Envelope]:
    """Somebody with a low score asks for a card; the event of it."""
    ada = await desk.world.person(430)
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    return ada, request_id, await desk.event_of(request_id, "card.requested")


async def test_every_approver_is_asked_about_a_pending_request(world: World) -> None:
    desk = await desk_in(world, TWO_APPROVERS)
    ada, request_id, event = await asked(desk)
    await ask_approvers(desk.services, event)
    first, second = await desk.about(request_id)
    code = (await row(world, TRACKERS, request_id))["code"]
    assert [each.notification_type for each in (first, second)] == [Kind.APPROVAL] * 2
    assert (first.recipient_name, first.recipient_phone, first.recipient_user_id) == ("Desk 1", PHONE, None)
    assert (second.recipient_name, second.recipient_phone, second.recipient_user_id) == ("Desk 2", None, USER_ID)
    assert (first.related_entity_type, first.ecosystem_id, first.provider) == ("cardRequest", ada.ecosystem_id, "meta")
    assert json.loads(first.content) == {"customer": ada.email, "tier": "low", "score": 430, "code": code}
    assert [each.delivery_status for each in (first, second)] == [DeliveryStatus.SENT] * 2
    assert {recipient for recipient, _, _ in desk.messenger.sent} == {Recipient(phone=PHONE), Recipient(user_id=USER_ID)}
    assert {reference for _, _, reference in desk.messenger.sent} == {first.notification_id, second.notification_id}
    for _, content, _ in desk.messenger.sent:
        assert isinstance(content, Question)
        assert content.body.startswith(f"[CARD REQUEST] #{code}\nCustomer: {ada.email}\nTier: low\nScore: 430\n")


async def test_an_id_names_no_phone_and_follows_from_event_and_approver(world: World) -> None:
    desk = await desk_in(world, TWO_APPROVERS)
    _, request_id, event = await asked(desk)
    await ask_approvers(desk.services, event)
    ids = {each.notification_id for each in await desk.about(request_id)}
    assert len(ids) == 2
    assert not any(PHONE in each for each in ids)
    await ask_approvers(desk.services, replace(event, event_id=EventId(event.event_id[::-1])))
    assert len(await desk.about(request_id)) == 4


async def test_a_request_that_was_granted_at_once_is_nobodys_business(world: World) -> None:
    desk = await desk_in(world)
    ada = await world.person(720)
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    await ask_approvers(desk.services, await desk.event_of(request_id, "card.requested"))
    assert (await desk.all(), desk.messenger.sent) == ([], [])


async def test_a_request_that_was_decided_before_its_event_came_is_not_asked_about(world: World) -> None:
    desk = await desk_in(world)
    _, request_id, event = await asked(desk)
    operator = await world.operator()
    assert (await operator.post(f"/v1/admin/card-requests/{request_id}/reject", {"reason": "no"})).status == 200
    await ask_approvers(desk.services, event)
    assert (await desk.all(), desk.messenger.sent) == ([], [])


async def test_a_decided_request_is_not_asked_about_even_if_its_code_was_left_open(world: World) -> None:
    desk = await desk_in(world)
    _, request_id, event = await asked(desk)
    operator = await world.operator()
    assert (await operator.post(f"/v1/admin/card-requests/{request_id}/reject", {"reason": "no"})).status == 200
    await amend(world, TRACKERS, (request_id,), status="pending")
    await ask_approvers(desk.services, event)
    assert (await desk.all(), desk.messenger.sent) == ([], [])


async def test_a_pending_request_whose_code_was_closed_is_not_asked_about(world: World) -> None:
    desk = await desk_in(world)
    _, request_id, event = await asked(desk)
    await amend(world, TRACKERS, (request_id,), status="expired")
    await ask_approvers(desk.services, event)
    assert (await desk.all(), desk.messenger.sent) == ([], [])


async def test_a_code_whose_time_is_up_is_not_asked_about(world: World) -> None:
    desk = await desk_in(world)
    _, _, event = await asked(desk)
    world.clock.pass_time(hours=24)
    await ask_approvers(desk.services, event)
    assert (await desk.all(), desk.messenger.sent) == ([], [])


@pytest.mark.parametrize(
    "policy", [{"whatsapp__notificationsEnabled": "false"}, {"whatsapp__approvers": "[]"}], ids=["flag off", "no approvers"]
)
async def test_nobody_is_told_anything_while_messages_are_off(world: World, policy: Mapping[str, str]) -> None:
    desk = await desk_in(world)
    _, _, event = await asked(desk)
    payment = await paid(desk)
    await with_policy(world, **policy)
    await ask_approvers(desk.services, event)
    await announce_payment(desk.services, payment)
    assert (await desk.all(), desk.messenger.sent) == ([], [])


async def test_an_event_that_comes_ten_times_at_once_tells_each_approver_once(world: World) -> None:
    desk = await desk_in(world, TWO_APPROVERS)
    _, request_id, event = await asked(desk)
    await asyncio.gather(*(ask_approvers(desk.services, event) for _ in range(10)))
    assert len(await desk.about(request_id)) == 2
    assert len(desk.messenger.sent) == 2
    await ask_approvers(desk.services, event)
    assert len(desk.messenger.sent) == 2


async def test_an_approver_who_joined_between_two_deliveries_is_told_and_nobody_twice(world: World) -> None:
    desk = await desk_in(world)
    _, request_id, event = await asked(desk)
    await ask_approvers(desk.services, event)
    approvers = [{"name": "Desk 1", "phone": PHONE}, {"name": "Desk 3", "phone": SECOND_PHONE}]
    await with_policy(world, whatsapp__approvers=json.dumps(approvers))
    await ask_approvers(desk.services, event)
    assert [each.recipient_name for each in await desk.about(request_id)] == ["Desk 1", "Desk 3"]
    assert [recipient.phone for recipient, _, _ in desk.messenger.sent] == [PHONE, SECOND_PHONE]


async def test_a_customers_name_stays_on_its_line(world: World) -> None:
    desk = await desk_in(world)
    ada, request_id, event = await asked(desk)
    await amend(world, USERS, (ada.ecosystem_id,), email="a@example.com\nScore: 990")
    await ask_approvers(desk.services, event)
    (told,) = await desk.about(request_id)
    assert json.loads(told.content)["customer"] == "a@example.com Score: 990"


async def paid(desk: Desk) -> Envelope:
    """Somebody pays 200.25; the event of it."""
    ada, card_id = await desk.world.cardholder()
    await ada.buy(card_id, 1000)
    assert (await ada.pay(card_id, Decimal("200.25"))).status == 201
    return await desk.event_of(card_id, "transaction.payment")


async def test_every_approver_is_told_of_a_payment(world: World) -> None:
    desk = await desk_in(world)
    event = await paid(desk)
    await announce_payment(desk.services, event)
    (told,) = await desk.about(event.payload["transactionId"])
    assert (told.notification_type, told.related_entity_type, told.delivery_status) == (
        Kind.PAYMENT,
        "transaction",
        DeliveryStatus.SENT,
    )
    ((_, content, _),) = desk.messenger.sent
    time = instant_text(event.occurred_at, "UTC", "en")
    card = event.payload["cardId"][-4:]
    assert content == Text(f"[PAYMENT RECEIVED]\nCard: ****{card}\nAmount: $200.25\nTime: {time}\n\nNo action needed.")
    assert event.payload["createdAt"] == to_text(event.occurred_at)


async def test_a_failed_delivery_does_not_fail_the_reaction(world: World) -> None:
    desk = await desk_in(world)
    event = await paid(desk)
    desk.messenger.planned = [refused(Verdict.RETRY)]
    await announce_payment(desk.services, event)
    (told,) = await desk.about(event.payload["transactionId"])
    assert told.delivery_status is DeliveryStatus.FAILED


@pytest.mark.parametrize(
    ("event_type", "lacks"),
    [
        ("card.requested", {"requestId": None}),
        ("card.requested", {"requestId": 5}),
        ("card.requested", {"requestId": ""}),
        ("transaction.payment", {"cardId": None}),
        ("transaction.payment", {"transactionId": None}),
        ("transaction.payment", {"amount": "200"}),
        ("transaction.payment", {"amount": True}),
        ("transaction.payment", {"amount": Decimal("0.001")}),
        ("transaction.payment", {"createdAt": "yesterday"}),
        ("transaction.payment", {"createdAt": 5}),
    ],
)
async def test_an_event_without_what_is_needed_is_refused_for_good(world: World, event_type: str, lacks: dict[str, Any]) -> None:
    desk = await desk_in(world)
    event = await paid(desk) if event_type == "transaction.payment" else (await asked(desk))[2]
    payload = {key: value for key, value in {**event.payload, **lacks}.items() if value is not None}
    with pytest.raises(IncompleteEvent, match=next(iter(lacks))):
        await REACTIONS.react[event_type](desk.services, replace(event, payload=payload))
    assert await desk.all() == []


async def test_a_typical_row_costs_one_write_unit_when_everything_about_it_is_known(world: World) -> None:
    desk = await desk_in(world)
    _, request_id, event = await asked(desk)
    desk.messenger.planned = [refused(Verdict.RETRY), None]
    await ask_approvers(desk.services, event)
    world.clock.pass_time(seconds=60)
    await deliver_due(desk.services)
    (told,) = await desk.about(request_id)
    assert told.delivery_status is DeliveryStatus.SENT
    assert size_of(NOTIFICATIONS.item(told)) < WRITE_UNIT_BYTES
