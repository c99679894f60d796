"""What a timeline needs to be written down while things happen, and what that costs."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from tazco.kernel.clock import system_clock
from tazco.notifications.commands import deliver, take_status
from tazco.notifications.model import DeliveryStatus
from tazco.notifications.reactions import announce_payment
from tazco.notifications.store import NOTIFICATIONS
from tazco.platform.aws import AwsUnreachable, Call, over_the_wire
from tazco.platform.consumer import Consumer
from tazco.platform.outbox import OUTBOX
from tazco.platform.reactions import Envelope, Reactions
from tazco.platform.relaying import Relay
from tazco.platform.services import Services
from tazco.platform.settings import Settings
from tazco.platform.tables import Get
from tazco.platform.whatsapp.incoming import StatusUpdate
from tazco.platform.wire import Pool, Reply
from tazco.timeline.store.gathering import left_events_of
from tests.notifications.messenger import Desk, desk_in
from tests.platform.relay_rig import stream
from tests.platform.subscribed import event, eventually, subscribe
from tests.platform.test_consumer import QUICK, consuming
from tests.platform.test_row_sizes import WRITE_UNIT_BYTES, size_of
from tests.stage import Stage
from tests.world import MovableClock, World, open_services


@pytest.fixture
async def desk(world: World) -> Desk:
    """A desk with one approver."""
    return await desk_in(world)


async def sent(desk: Desk) -> StatusUpdate:
    """Word that a message which was just sent has been delivered."""
    told = await desk.put()
    await deliver(desk.services, told)
    provider_message_id = (await desk.read(told)).provider_message_id
    assert provider_message_id is not None
    return StatusUpdate(message_id=provider_message_id, reference=told, status="delivered")


async def test_a_status_is_kept_with_the_instant_that_the_provider_names(desk: Desk) -> None:
    update = await sent(desk)
    desk.world.clock.pass_time(seconds=30)
    delivered, read = (desk.services.clock() - timedelta(seconds=seconds) for seconds in (20, 10))
    await take_status(desk.services, replace(update, at=delivered))
    await take_status(desk.services, replace(update, status="read", at=read))
    row = await desk.read(update.reference or "")
    assert (row.delivery_status, row.delivered_at, row.read_at) == (DeliveryStatus.READ, delivered, read)


async def test_a_status_without_an_instant_or_from_the_future_has_come_now(desk: Desk) -> None:
    update = await sent(desk)
    before = desk.services.clock()
    await take_status(desk.services, update)
    await take_status(desk.services, replace(update, status="read", at=before + timedelta(days=1)))
    row = await desk.read(update.reference or "")
    assert row.delivered_at is not None
    assert row.read_at is not None
    assert before <= row.delivered_at <= row.read_at <= desk.services.clock()


async def test_what_was_delivered_in_the_second_in_which_it_was_sent_was_not_delivered_before(desk: Desk) -> None:
    update = await sent(desk)
    row = await desk.read(update.reference or "")
    assert row.sent_at is not None
    await take_status(desk.services, replace(update, at=row.sent_at.replace(microsecond=0)))
    assert (await desk.read(update.reference or "")).delivered_at == row.sent_at


async def test_a_notification_knows_when_the_queue_got_its_event_and_how_often_it_came(desk: Desk) -> None:
    ada, card_id = await desk.world.cardholder()
    await ada.buy(card_id, 50)
    transaction_id = (await ada.pay(card_id, 20)).body["transaction"]["transactionId"]
    event = await desk.event_of(card_id, "transaction.payment")
    queued_at = desk.services.clock() - timedelta(seconds=18)
    await announce_payment(desk.services, replace(event, queued_at=queued_at, receives=3))
    (row,) = await desk.about(transaction_id)
    assert (row.queued_at, row.receives) == (queued_at, 3)


async def test_a_notification_with_all_its_instants_costs_one_write_unit(desk: Desk) -> None:
    update = await sent(desk)
    await take_status(desk.services, update)
    await take_status(desk.services, replace(update, status="read"))
    row = replace(await desk.read(update.reference or ""), queued_at=desk.services.clock(), receives=5, last_error="x" * 200)
    assert None not in (row.delivered_at, row.read_at, row.sent_at)
    assert size_of(NOTIFICATIONS.item(row)) < WRITE_UNIT_BYTES


async def test_a_reaction_learns_when_the_queue_got_the_event_and_that_it_came_before(stage: Stage, world: World) -> None:
    own, seen = subscribe(stage, world.services.aws), list[Envelope]()

    async def fail_once(_: Services, envelope: Envelope) -> None:
        seen.append(envelope)
        if len(seen) == 1:
            raise AwsUnreachable("planned")

    before = system_clock() - timedelta(seconds=1)
    await own.send(event())
    reactions = Reactions(queue=own.subscription.queue, react={"card.requested": fail_once})
    async with consuming(Consumer(own.queue, reactions, world.services, QUICK)):
        await eventually(own.empty)
    first, again = seen
    assert first.queued_at is not None
    assert before <= first.queued_at <= system_clock()
    assert (first.receives, again.receives, again.queued_at) == (1, 2, first.queued_at)


@dataclass(slots=True)
class Marks:
    """A transport that writes down what each mark of a published event cost."""

    units: dict[str, float] = field(default_factory=dict)

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        """Pass the call on."""
        reply = await over_the_wire(call, pool, request, timeout_seconds)
        if call.operation == "UpdateItem" and b"publishedAt" in call.body:
            event_id = json.loads(call.body)["Key"]["eventId"]["S"]
            self.units[event_id] = json.loads(reply.body)["ConsumedCapacity"]["CapacityUnits"]
        return reply


@pytest.mark.parametrize(("traced", "units"), [(False, 2), (True, 3)])
async def test_an_event_that_has_left_is_found_by_its_correlation_id_for_a_write_unit_more(
    stage: Stage,
    traced: bool,  # noqa: FBT001  # a case
    units: float,
) -> None:
    marks = Marks()
    async with open_services(stage, MovableClock(), transport=marks, report_capacity=True, trace_events=traced) as services:
        (row,) = (replace(each, request_id=f"r-{traced}") for each in stream(f"card-{traced}", 1, services))
        await services.database.write(OUTBOX, row, condition="attribute_not_exists(#p)")
        relay = Relay.of(services)
        await relay.settle()
        for shard in relay.shards.held:
            await relay.step(shard)
        await relay.shards.leave()
        left, found = await services.database.read(left_events_of(row.request_id), Get(OUTBOX, (row.event_id,)))
    assert found is not None
    assert found.published_at is not None
    assert [entry["eventId"] for entry in left] == ([row.event_id] if traced else [])
    assert marks.units[row.event_id] == units


async def test_nobody_traces_events_unless_told_to() -> None:
    assert Settings.model_fields["trace_events"].default is False
