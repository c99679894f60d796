"""Sending: every way in which it can end, and when it is tried again."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from tazco.kernel.clock import to_text
from tazco.notifications.commands import DUE_MAX, SENDS_AT_ONCE, claim, deliver, deliver_due
from tazco.notifications.model import DeliveryStatus, Kind
from tazco.notifications.reactions import TIMERS
from tazco.notifications.store import NOTIFICATIONS
from tazco.platform.whatsapp.messages import Question, Template, Text, Verdict
from tests.contract.seeds import amend, plain, with_policy
from tests.notifications.messenger import PHONE, USER_ID, Desk, desk_in, refused, without_parameters
from tests.stage import Stage
from tests.world import World, open_world

TEMPLATES = {"whatsapp__approvalTemplate": "card_request", "whatsapp__paymentTemplate": "payment"}
APPROVER_BY_ID = json.dumps([{"name": "Desk 2", "userId": USER_ID}])


async def with_templates(world: World, approvers: str | None = None) -> Desk:
    return await desk_in(world, **TEMPLATES, **({"approvers": approvers} if approvers else {}))


async def plain_desk(world: World) -> Desk:
    """A desk without templates, whatever tests before this one have set."""
    await with_policy(world, **TEMPLATES)
    await without_parameters(world, *(name.replace("__", "/") for name in TEMPLATES))
    return await desk_in(world)


async def due_again(desk: Desk, notification_id: str) -> float:
    """Seconds until the next attempt."""
    at = (await desk.read(notification_id)).next_attempt_at
    assert at is not None
    return (at - desk.services.clock()).total_seconds()


async def test_a_message_that_is_taken_is_sent(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    before = desk.services.clock()
    await deliver(desk.services, told)
    found = await desk.read(told)
    ((recipient, content, reference),) = desk.messenger.sent
    assert (recipient.phone, reference) == (PHONE, told)
    assert isinstance(content, Question)
    assert (found.delivery_status, found.retry_count, found.next_attempt_at, found.last_error) == (
        DeliveryStatus.SENT,
        0,
        None,
        None,
    )
    assert found.provider_message_id is not None
    assert found.sent_at is not None
    assert found.sent_at >= before
    assert desk.services.metrics.deliveries.labels("sent")._value.get() >= 1


async def test_a_failure_is_tried_again_after_one_minute_then_after_two_then_never(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [refused(Verdict.RETRY)] * 3
    await deliver(desk.services, told)
    for failures, wait in ((1, 60), (2, 120)):
        found = await desk.read(told)
        assert (found.delivery_status, found.retry_count, found.last_error) == (DeliveryStatus.FAILED, failures, "131000: planned")
        assert wait - 2 < await due_again(desk, told) <= wait
        world.clock.pass_time(seconds=wait - 3)
        assert await deliver_due(desk.services) == 0
        world.clock.pass_time(seconds=3)
        assert await deliver_due(desk.services) == 1
        assert len(desk.messenger.sent) == failures + 1
    found = await desk.read(told)
    assert (found.delivery_status, found.next_attempt_at, found.retry_count) == (DeliveryStatus.DEAD_LETTER, None, 2)
    world.clock.pass_time(days=2)
    assert await deliver_due(desk.services) == 0
    assert len(desk.messenger.sent) == 3


async def test_a_failure_that_goes_away_ends_as_sent(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [refused(Verdict.RETRY, "timeout")]
    await deliver(desk.services, told)
    world.clock.pass_time(seconds=60)
    await deliver_due(desk.services)
    found = await desk.read(told)
    assert (found.delivery_status, found.retry_count) == (DeliveryStatus.SENT, 1)


@pytest.mark.parametrize(("verdict", "event"), [(Verdict.GIVE_UP, "notification.failed"), (Verdict.ALARM, "notification.alarm")])
async def test_what_cannot_succeed_is_given_up_at_once_and_what_is_our_fault_raises_an_alarm(
    world: World, verdict: Verdict, event: str
) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [refused(verdict, "131026")]
    with capture_logs() as logs:
        await deliver(desk.services, told)
    found = await desk.read(told)
    assert (found.delivery_status, found.retry_count, found.next_attempt_at) == (DeliveryStatus.DEAD_LETTER, 0, None)
    (entry,) = logs
    assert (entry["event"], entry["error"], entry["notification_id"]) == (event, "131026: planned", told)
    assert entry["log_level"] == ("error" if verdict is Verdict.ALARM else "warning")


async def test_outside_of_the_window_it_goes_out_again_at_once_as_a_template(world: World) -> None:
    desk = await with_templates(world)
    await desk.hear_from(PHONE)
    told = await desk.put()
    desk.messenger.planned = [refused(Verdict.AS_TEMPLATE, "131047")]
    await deliver(desk.services, told)
    assert [type(content) for _, content, _ in desk.messenger.sent] == [Question, Template]
    found = await desk.read(told)
    assert (found.delivery_status, found.as_template, found.retry_count) == (DeliveryStatus.SENT, True, 0)


async def test_outside_of_the_window_and_without_a_template_it_is_given_up(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [refused(Verdict.AS_TEMPLATE, "131047")]
    await deliver(desk.services, told)
    assert len(desk.messenger.sent) == 1
    assert await desk.status(told) is DeliveryStatus.DEAD_LETTER


async def test_a_template_that_is_outside_of_the_window_too_is_given_up(world: World) -> None:
    desk = await with_templates(world)
    await desk.hear_from(PHONE)
    told = await desk.put()
    desk.messenger.planned = [refused(Verdict.AS_TEMPLATE, "131047")] * 2
    await deliver(desk.services, told)
    assert len(desk.messenger.sent) == 2
    assert await desk.status(told) is DeliveryStatus.DEAD_LETTER


async def test_a_template_that_fails_for_now_is_tried_again_as_a_template(world: World) -> None:
    desk = await with_templates(world)
    await desk.hear_from(PHONE)
    told = await desk.put()
    desk.messenger.planned = [refused(Verdict.AS_TEMPLATE, "131047"), refused(Verdict.RETRY)]
    await deliver(desk.services, told)
    assert (await desk.read(told)).retry_count == 1
    await desk.hear_from(PHONE)
    world.clock.pass_time(seconds=60)
    await deliver_due(desk.services)
    assert [type(content) for _, content, _ in desk.messenger.sent] == [Question, Template, Template]
    assert await desk.status(told) is DeliveryStatus.SENT


@pytest.mark.parametrize(
    ("heard", "kind", "form"),
    [
        (None, Kind.APPROVAL, Template),
        ({"hours": 23, "minutes": 59}, Kind.APPROVAL, Question),
        ({"hours": 24, "seconds": 1}, Kind.APPROVAL, Template),
        (None, Kind.PAYMENT, Template),
        ({"hours": 1}, Kind.PAYMENT, Text),
        (None, Kind.REPLY, Text),
    ],
)
async def test_only_within_a_day_of_the_approvers_last_message_it_has_a_free_form(
    world: World, heard: Mapping[str, float] | None, kind: Kind, form: type
) -> None:
    desk = await with_templates(world)
    if heard is not None:
        await desk.hear_from(PHONE)
        world.clock.pass_time(**heard)
    await deliver(desk.services, await desk.put(kind))
    ((_, content, _),) = desk.messenger.sent
    assert type(content) is form
    if isinstance(content, Template):
        assert content.name == ("card_request" if kind is Kind.APPROVAL else "payment")


async def test_an_approver_who_is_known_by_user_id_has_a_window_too(world: World) -> None:
    desk = await with_templates(world, APPROVER_BY_ID)
    await desk.hear_from(USER_ID)
    await deliver(desk.services, await desk.put())
    ((recipient, content, _),) = desk.messenger.sent
    assert recipient.user_id == USER_ID
    assert isinstance(content, Question)


async def test_where_the_provider_has_no_window_it_has_a_free_form(world: World) -> None:
    desk = await with_templates(world)
    desk.messenger.has_window = False
    await deliver(desk.services, await desk.put())
    ((_, content, _),) = desk.messenger.sent
    assert isinstance(content, Question)


async def test_where_the_policy_has_no_template_it_has_a_free_form_and_hope(world: World) -> None:
    desk = await plain_desk(world)
    await deliver(desk.services, await desk.put())
    ((_, content, _),) = desk.messenger.sent
    assert isinstance(content, Question)


async def test_of_many_who_want_to_send_it_one_does(world: World, stage: Stage) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    async with open_world(stage) as elsewhere:
        elsewhere.clock.shift = world.clock.shift
        other = replace(elsewhere.services, messenger=desk.messenger)
        both = [desk.services, other] * 5
        await asyncio.gather(*(deliver(each, told) for each in both), *(deliver_due(each) for each in both))
    assert len(desk.messenger.sent) == 1
    assert await desk.status(told) is DeliveryStatus.SENT


async def test_a_claim_keeps_others_off_until_it_has_run_out(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    length = timedelta(seconds=desk.messenger.send_seconds)
    assert await desk.run(partial(claim, told, length)) is not None
    assert await desk.run(partial(claim, told, length)) is None
    assert await deliver_due(desk.services) == 0
    world.clock.pass_time(seconds=10)
    assert await deliver_due(desk.services) == 1
    assert await desk.status(told) is DeliveryStatus.SENT


async def test_a_claim_outlasts_the_longest_send(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()

    async def while_it_is_sent(reference: str, _: str) -> None:
        until = (await desk.read(reference)).next_attempt_at
        assert until is not None
        assert until - world.clock() > timedelta(seconds=desk.messenger.send_seconds)

    desk.messenger.meanwhile = while_it_is_sent
    await deliver(desk.services, told)
    assert await desk.status(told) is DeliveryStatus.SENT


async def test_what_was_sent_by_a_process_that_died_is_sent_again_when_its_claim_has_run_out(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await deliver(desk.services, told)
    assert await desk.status(told) is DeliveryStatus.PENDING
    world.clock.pass_time(seconds=61)
    await deliver_due(desk.services)
    assert len(desk.messenger.sent) == 2
    assert await desk.status(told) is DeliveryStatus.SENT


async def test_a_late_failure_of_a_claim_that_was_taken_over_counts_for_nothing(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()

    async def taken_over(_: str, __: str) -> None:
        desk.messenger.meanwhile = None
        world.clock.pass_time(seconds=61)
        await deliver(desk.services, told)

    desk.messenger.meanwhile = taken_over
    desk.messenger.planned = [None, refused(Verdict.RETRY)]
    await deliver(desk.services, told)
    found = await desk.read(told)
    assert (found.delivery_status, found.retry_count) == (DeliveryStatus.SENT, 0)


async def test_a_bug_on_the_way_out_is_an_attempt_that_failed_so_that_it_ends(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [ZeroDivisionError("a bug, to 5511900000000")]
    await deliver(desk.services, told)
    found = await desk.read(told)
    assert (found.delivery_status, found.retry_count, found.last_error) == (
        DeliveryStatus.FAILED,
        1,
        "unexpected: ZeroDivisionError",
    )


async def test_an_error_that_is_kept_names_no_phone_and_is_short(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    desk.messenger.planned = [refused(Verdict.GIVE_UP, "to 5511900000000 " + "x" * 2_000)]
    await deliver(desk.services, told)
    error = (await desk.read(told)).last_error
    assert error is not None
    assert error.startswith("to ****0000 xxx")
    assert len(error) == 200


async def test_while_messages_are_switched_off_they_wait(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    await with_policy(world, whatsapp__notificationsEnabled="false")
    await deliver(desk.services, told)
    assert await deliver_due(desk.services) == 0
    assert desk.messenger.sent == []
    assert await desk.status(told) is DeliveryStatus.PENDING
    await with_policy(world, whatsapp__notificationsEnabled="true")
    assert await deliver_due(desk.services) == 1
    assert await desk.status(told) is DeliveryStatus.SENT


async def test_without_a_messenger_nothing_is_claimed(world: World) -> None:
    desk = await plain_desk(world)
    told = await desk.put()
    await deliver(replace(desk.services, messenger=None), told)
    assert await deliver_due(replace(desk.services, messenger=None)) == 0
    assert (await desk.read(told)).version == 1


async def test_one_that_cannot_be_sent_never_stops_the_rest(world: World) -> None:
    desk = await plain_desk(world)
    broken = await desk.put(content={"nothing": "of use"})
    good = await desk.put()
    with capture_logs() as logs:
        assert await deliver_due(desk.services) == 2
    assert await desk.status(good) is DeliveryStatus.SENT
    assert await desk.status(broken) is DeliveryStatus.FAILED
    assert [entry["event"] for entry in logs] == ["notification.unexpected", "notification.failed"]
    for seconds in (60, 120):
        world.clock.pass_time(seconds=seconds)
        await deliver_due(desk.services)
    assert await desk.status(broken) is DeliveryStatus.DEAD_LETTER


async def test_a_run_sends_so_many_and_those_first_that_have_waited_longest(world: World) -> None:
    desk = await plain_desk(world)
    for _ in range(DUE_MAX + 1):
        await desk.put(Kind.PAYMENT)
    rows = [plain(item) for item in await world.rows(NOTIFICATIONS)]
    newest = next(each["notificationId"] for each in rows if each["pendingShard"] == "pending#0")
    world.clock.pass_time(seconds=1)
    await amend(world, NOTIFICATIONS, (newest,), nextAttemptAt=to_text(desk.services.clock()))
    assert await deliver_due(desk.services) == DUE_MAX
    assert newest not in {reference for _, _, reference in desk.messenger.sent}
    assert len(desk.messenger.sent) == DUE_MAX
    assert await deliver_due(desk.services) == 1
    assert await desk.status(newest) is DeliveryStatus.SENT


async def test_a_run_sends_a_few_at_a_time(world: World) -> None:
    desk = await plain_desk(world)
    ids = [await desk.put(Kind.PAYMENT) for _ in range(2 * SENDS_AT_ONCE)]
    go_on = asyncio.Event()

    async def held(_: str, __: str) -> None:
        await go_on.wait()

    desk.messenger.meanwhile = held
    run = asyncio.create_task(deliver_due(desk.services))
    async with asyncio.timeout(10):
        while len(desk.messenger.sent) < SENDS_AT_ONCE:
            await asyncio.sleep(0)
        for each in ids * 2:  # time enough for the others to be on their way too, if they were let
            await desk.status(each)
    assert len(desk.messenger.sent) == SENDS_AT_ONCE
    go_on.set()
    assert await run == len(ids)
    assert len(desk.messenger.sent) == len(ids)


def test_the_timer_looks_every_five_seconds() -> None:
    assert [(timer.name, timer.every, timer.run) for timer in TIMERS] == [("notification-retry", timedelta(seconds=5), deliver_due)]
