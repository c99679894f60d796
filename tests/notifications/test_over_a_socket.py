"""The same over a real socket: our client of the Cloud API, and the stand-in for the provider."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tazco.local.stand_in.phones import Kind as BubbleKind
from tazco.notifications.commands import deliver, deliver_due
from tazco.notifications.model import DeliveryStatus
from tazco.notifications.reactions import ask_approvers
from tazco.platform.whatsapp.choosing import messenger_for
from tests.contract.seeds import with_policy
from tests.notifications.messenger import PHONE, TWO_APPROVERS, USER_ID, Desk, desk_in, without_parameters
from tests.stage import Stage
from tests.stand_in import Fault, RunningStandIn, stand_in_running
from tests.world import World, open_world

ONLY_TEMPLATES = 131047
RETRIED = (4, 80007, 130429, 131000, 131016, 131048, 131056, 131057, 135000, 999_999)
GIVEN_UP = (131021, 131026, 131030, 131049, 131050, 131062)
OURS = (0, 3, 10, 100, 190, 200, 299, 368, 131008, 131009, 131031, 131042, 131045, 131051, 132000, 132999)


@pytest.fixture(scope="module")
async def stand_in() -> AsyncIterator[RunningStandIn]:
    """A provider that sends no webhooks unless a test wants them."""
    async with stand_in_running() as running:
        yield running


@pytest.fixture(scope="module")
async def world(stage: Stage, stand_in: RunningStandIn) -> AsyncIterator[World]:
    """A world whose settings name the stand-in."""
    async with open_world(stage, **stand_in.settings) as opened:
        yield opened


@pytest.fixture
async def desk(world: World, stand_in: RunningStandIn) -> AsyncIterator[Desk]:
    """A desk whose messages go out over the wire, to phones that are empty; an approval has a template."""
    stand_in.phones.forget()
    stand_in.send_webhooks_to(None)
    messenger = messenger_for(world.settings, world.clock)
    assert messenger is not None
    desk = await desk_in(world, whatsapp__approvalTemplate="card_request")
    desk.services = replace(world.services, messenger=messenger)
    yield desk
    await messenger.close()


async def test_a_card_request_rings_on_every_approvers_phone_once(desk: Desk, stand_in: RunningStandIn) -> None:
    await with_policy(desk.world, whatsapp__approvers=TWO_APPROVERS)
    await desk.hear_from(PHONE)
    ada = await desk.world.person(430)
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    event = await desk.event_of(request_id, "card.requested")
    await asyncio.gather(*(ask_approvers(desk.services, event) for _ in range(10)))
    (on_phone,) = stand_in.received(PHONE)
    (by_id,) = stand_in.received(USER_ID)
    first, second = await desk.about(request_id)
    assert on_phone.kind is BubbleKind.QUESTION
    assert on_phone.text.startswith("[CARD REQUEST] #")
    assert [button.title for button in on_phone.buttons] == ["Approve", "Reject"]
    assert by_id.kind is BubbleKind.TEMPLATE
    assert (first.provider_message_id, second.provider_message_id) == (on_phone.id, by_id.id)
    assert {on_phone.reference, by_id.reference} == {first.notification_id, second.notification_id}


async def test_the_providers_own_webhooks_move_it_on(desk: Desk, stand_in: RunningStandIn) -> None:
    stand_in.send_webhooks_to(desk.world.http)
    told = await desk.put()
    await deliver(desk.services, told)
    async with asyncio.timeout(10):
        while await desk.status(told) is not DeliveryStatus.DELIVERED:
            await asyncio.sleep(0.01)
    stand_in.behind.read(stand_in.phone(PHONE))
    async with asyncio.timeout(10):
        while await desk.status(told) is not DeliveryStatus.READ:
            await asyncio.sleep(0.01)
    assert (await desk.read(told)).sent_at is not None


async def test_outside_of_the_window_it_arrives_as_a_template(desk: Desk, stand_in: RunningStandIn) -> None:
    await desk.hear_from(PHONE)
    stand_in.plan(PHONE, Fault(code=ONLY_TEMPLATES))
    told = await desk.put()
    await deliver(desk.services, told)
    (bubble,) = stand_in.received(PHONE)
    assert bubble.kind is BubbleKind.TEMPLATE
    assert [button.id for button in bubble.buttons] == ["approve:7K3M9QXD", "reject:7K3M9QXD"]
    assert await desk.status(told) is DeliveryStatus.SENT


async def test_outside_of_the_window_and_without_a_template_it_is_given_up(desk: Desk, stand_in: RunningStandIn) -> None:
    await without_parameters(desk.world, "whatsapp/approvalTemplate")
    stand_in.plan(PHONE, Fault(code=ONLY_TEMPLATES))
    told = await desk.put()
    await deliver(desk.services, told)
    assert stand_in.received(PHONE) == []
    assert await desk.status(told) is DeliveryStatus.DEAD_LETTER


@pytest.mark.parametrize(
    "fault", [*(Fault(code=code) for code in RETRIED), Fault(status=503)], ids=lambda fault: str(fault.code or fault.status)
)
async def test_what_may_pass_is_tried_again(desk: Desk, stand_in: RunningStandIn, fault: Fault) -> None:
    stand_in.plan(PHONE, fault)
    told = await desk.put()
    await deliver(desk.services, told)
    assert await desk.status(told) is DeliveryStatus.FAILED
    assert stand_in.received(PHONE) == []
    desk.world.clock.pass_time(seconds=60)
    assert await deliver_due(desk.services) == 1
    assert await desk.status(told) is DeliveryStatus.SENT
    assert len(stand_in.received(PHONE)) == 1


@pytest.mark.parametrize("code", [*GIVEN_UP, *OURS])
async def test_what_does_not_pass_is_given_up(desk: Desk, stand_in: RunningStandIn, code: int) -> None:
    stand_in.plan(PHONE, Fault(code=code))
    told = await desk.put()
    await deliver(desk.services, told)
    found = await desk.read(told)
    assert found.delivery_status is DeliveryStatus.DEAD_LETTER
    assert found.last_error is not None
    assert found.last_error.startswith(f"{code}: ")
    desk.world.clock.pass_time(seconds=60)
    assert await deliver_due(desk.services) == 0
