"""What the provider says became of a message."""

import itertools
import json
import uuid

import pytest
from structlog.testing import capture_logs

from tazco.notifications.commands import deliver, deliver_due, take_status
from tazco.notifications.model import DeliveryStatus
from tazco.platform.whatsapp.incoming import StatusUpdate
from tazco.platform.whatsapp.messages import Question, Template
from tazco.platform.wire import Reply
from tests.contract.seeds import with_policy
from tests.notifications.messenger import PHONE, Desk, desk_in, without_parameters
from tests.platform.faults import Faulty
from tests.stage import Stage
from tests.world import World, open_world

ONLY_TEMPLATES = 131047
LATER = 131000
NEVER = 131026
OUR_FAULT = 131042


def word(status: str, message_id: str, reference: str | None = None, code: int | None = None) -> StatusUpdate:
    """A status as a webhook brings it."""
    return StatusUpdate(message_id=message_id, reference=reference, status=status, error_code=code)


async def plain_desk(world: World) -> Desk:
    """A desk without templates, whatever tests before this one have set."""
    await with_policy(world, whatsapp__approvalTemplate="card_request")
    await without_parameters(world, "whatsapp/approvalTemplate")
    return await desk_in(world)


async def sent(desk: Desk) -> tuple[str, str]:
    """A notification that was sent: its id, and the provider's."""
    told = await desk.put()
    await deliver(desk.services, told)
    provider_message_id = (await desk.read(told)).provider_message_id
    assert provider_message_id is not None
    return told, provider_message_id


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "read"])), ids=" ".join)
async def test_in_whatever_order_statuses_come_the_furthest_one_stands(world: World, order: tuple[str, ...]) -> None:
    desk = await plain_desk(world)
    told, message_id = await sent(desk)
    for status in order * 2:
        await take_status(desk.services, word(status, message_id, told))
    found = await desk.read(told)
    assert (found.delivery_status, found.provider_message_id) == (DeliveryStatus.READ, message_id)
    assert desk.services.metrics.deliveries.labels("read")._value.get() >= 1


@pytest.mark.parametrize("reference", [None, "somebody-elses"])
async def test_a_status_finds_its_notification_by_the_providers_id_too(world: World, reference: str | None) -> None:
    desk = await plain_desk(world)
    told, message_id = await sent(desk)
    await take_status(desk.services, word("delivered", message_id, reference))
    assert await desk.status(told) is DeliveryStatus.DELIVERED


async def test_an_index_that_is_behind_moves_no_other_notification(stage: Stage) -> None:
    faulty = Faulty()
    async with open_world(stage, transport=faulty) as world:
        desk = await plain_desk(world)
        told, message_id = await sent(desk)
        named = {"notificationId": {"S": told}, "providerMessageId": {"S": "wamid.before"}}
        faulty.strike("Query", Reply(200, {}, json.dumps({"Items": [named], "Count": 1}).encode()))
        await take_status(desk.services, word("read", "wamid.before"))
        assert await desk.status(told) is DeliveryStatus.SENT
        await take_status(desk.services, word("read", message_id))
        assert await desk.status(told) is DeliveryStatus.READ


@pytest.mark.parametrize("reference", [None, "unknown"])
async def test_a_status_of_a_message_that_is_not_ours_changes_nothing(world: World, reference: str | None) -> None:
    desk = await plain_desk(world)
    told, _ = await sent(desk)
    before = await desk.read(told)
    await take_status(desk.services, word("read", "wamid.unknown", reference))
    await take_status(desk.services, word("failed", "wamid.unknown", reference, NEVER))
    assert await desk.read(told) == before


async def test_a_failure_that_may_pass_is_tried_again_on_schedule(world: World) -> None:
    desk = await plain_desk(world)
    told, message_id = await sent(desk)
    for _ in range(3):
        await take_status(desk.services, word("failed", message_id, told, LATER))
    found = await desk.read(told)
    assert (found.delivery_status, found.retry_count) == (DeliveryStatus.FAILED, 1)
    world.clock.pass_time(seconds=60)
    assert await deliver_due(desk.services) == 1
    again = await desk.read(told)
    assert again.delivery_status is DeliveryStatus.SENT
    assert again.provider_message_id != message_id
    await take_status(desk.services, word("failed", message_id, told, LATER))
    assert await desk.status(told) is DeliveryStatus.SENT


@pytest.mark.parametrize(("code", "event"), [(NEVER, "notification.failed"), (OUR_FAULT, "notification.alarm")])
async def test_a_failure_that_stays_is_a_dead_letter(world: World, code: int, event: str) -> None:
    desk = await plain_desk(world)
    told, message_id = await sent(desk)
    with capture_logs() as logs:
        await take_status(desk.services, word("failed", message_id, told, code))
    found = await desk.read(told)
    assert (found.delivery_status, found.next_attempt_at, found.last_error) == (DeliveryStatus.DEAD_LETTER, None, str(code))
    assert [entry["event"] for entry in logs] == [event]


async def test_what_was_delivered_does_not_fail_any_more(world: World) -> None:
    desk = await plain_desk(world)
    told, message_id = await sent(desk)
    await take_status(desk.services, word("delivered", message_id, told))
    await take_status(desk.services, word("failed", message_id, told, NEVER))
    assert await desk.status(told) is DeliveryStatus.DELIVERED


async def test_outside_of_the_window_it_goes_out_at_once_as_a_template(world: World) -> None:
    desk = await desk_in(world, whatsapp__approvalTemplate="card_request")
    await desk.hear_from(PHONE)
    told, message_id = await sent(desk)
    assert await take_status(desk.services, word("failed", message_id, told, ONLY_TEMPLATES)) == told
    await deliver(desk.services, told)
    assert [type(content) for _, content, _ in desk.messenger.sent] == [Question, Template]
    found = await desk.read(told)
    assert (found.delivery_status, found.as_template) == (DeliveryStatus.SENT, True)
    assert found.provider_message_id is not None
    assert await take_status(desk.services, word("failed", found.provider_message_id, told, ONLY_TEMPLATES)) is None
    assert await desk.status(told) is DeliveryStatus.DEAD_LETTER
    assert len(desk.messenger.sent) == 2


async def test_outside_of_the_window_and_without_a_template_it_is_given_up(world: World) -> None:
    desk = await plain_desk(world)
    told, message_id = await sent(desk)
    await take_status(desk.services, word("failed", message_id, told, ONLY_TEMPLATES))
    assert await desk.status(told) is DeliveryStatus.DEAD_LETTER
    assert len(desk.messenger.sent) == 1


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
async def test_a_status_that_is_faster_than_our_own_record_stands(world: World, status: str) -> None:
    desk = await plain_desk(world)
    told = await desk.put()

    async def word_comes(reference: str, message_id: str) -> None:
        await take_status(desk.services, word(status, message_id, reference))

    desk.messenger.meanwhile = word_comes
    await deliver(desk.services, told)
    found = await desk.read(told)
    assert found.delivery_status is DeliveryStatus(status)
    assert found.provider_message_id is not None
    assert found.sent_at is not None
    assert found.next_attempt_at is None


async def test_a_failure_that_is_faster_than_our_own_record_stands(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()

    async def word_comes(reference: str, message_id: str) -> None:
        await take_status(desk.services, word("failed", message_id, reference, LATER))

    desk.messenger.meanwhile = word_comes
    await deliver(desk.services, told)
    found = await desk.read(told)
    assert (found.delivery_status, found.retry_count) == (DeliveryStatus.FAILED, 1)
    assert found.next_attempt_at is not None


async def test_a_message_whose_answer_got_lost_is_not_sent_again_once_it_is_known_to_have_arrived(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [TimeoutError()]
    await deliver(desk.services, told)
    assert await desk.status(told) is DeliveryStatus.FAILED
    await take_status(desk.services, word("delivered", f"wamid.{uuid.uuid4()}", told))
    world.clock.pass_time(minutes=5)
    assert await deliver_due(desk.services) == 0
    assert await desk.status(told) is DeliveryStatus.DELIVERED
    assert len(desk.messenger.sent) == 1


async def test_the_content_keeps_no_more_than_the_text_needs(world: World) -> None:
    desk = await plain_desk(world)
    told, _ = await sent(desk)
    assert set(json.loads((await desk.read(told)).content)) == {"customer", "tier", "score", "code"}
