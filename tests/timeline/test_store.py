"""What is gathered from the tables after events have really travelled: relay, bus, queue, worker, phones."""

import itertools
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tazco.platform.outbox import OUTBOX
from tazco.slices import SUBSCRIPTIONS, TABLES
from tazco.timeline.model import Origin, State, StepKind, Story, Subject, SubjectKind
from tazco.timeline.store import about, state_of
from tazco.timeline.store.gathering import EVENTS_MAX
from tests.approvals.desk import ONE, TWO, WPP, Desk, Waiting
from tests.contract.seeds import events
from tests.contract.test_admin_events import seed_dead_letter, seed_event
from tests.platform.test_round_trips import Meter, in_sequence
from tests.stage import AnyCloud, Stage, new_stage
from tests.timeline.rows import of, only
from tests.timeline.travelling import left, notified, told, travelling
from tests.world import MovableClock, open_services

PERSON, CARD, REQUEST, CORRELATION = SubjectKind
ROUND_TRIPS_MAX = 12
STATE_ROUND_TRIPS_MAX = 8


@pytest.fixture(scope="module")
async def desk(stage: Stage) -> AsyncIterator[Desk]:
    """A desk whose events travel, traced."""
    async with travelling(stage) as opened:
        yield opened


@pytest.fixture
def apart(embedded_cloud: AnyCloud) -> Stage:
    """A stage that no other relay works on."""
    return new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)


async def asked(desk: Desk) -> Waiting:
    """A request whose question has reached all three approvers."""
    waiting = await desk.asked()
    await notified(desk, waiting.request_id, 3)
    return waiting


async def story_of(desk: Desk, correlation_id: str) -> Story:
    """The story of a correlation id."""
    (story,) = (await told(desk, CORRELATION, correlation_id)).stories
    return story


async def test_a_request_asked_about_and_approved_by_a_tap_is_two_stories_that_link(desk: Desk) -> None:
    waiting = await asked(desk)
    first, *_ = await notified(desk, waiting.request_id, 3)
    for tick in ("delivered", "read"):
        assert (await desk.hear(desk.stand_in.status(first.notification_id, tick))).status == 200
    await desk.taps(f"approve:{waiting.code}")
    await desk.taps(f"reject:{waiting.code}", sender=TWO)
    await notified(desk, waiting.request_id, 5)
    await left(desk)
    too_late, tapped, begun = (await told(desk, REQUEST, waiting.request_id)).stories
    assert [story.origin for story in (too_late, tapped, begun)] == [Origin.APPROVER, Origin.APPROVER, Origin.CARDHOLDER]
    assert [step.link for step in of(begun, StepKind.REPLY)] == [tapped.correlation_id, too_late.correlation_id]
    assert only(begun, StepKind.DECISION).link == tapped.correlation_id
    assert [only(story, StepKind.MESSAGE).link for story in (tapped, too_late)] == [begun.correlation_id] * 2
    assert only(tapped, StepKind.EVENT).title["type"] == "card.approved"
    assert only(too_late, StepKind.MESSAGE).details["reason"] == "already_processed"
    assert {story.state for story in (too_late, tapped, begun)} == {State.DONE}
    assert ONE not in repr((too_late, tapped, begun))


async def test_the_whole_way_of_an_event_has_its_instants_in_order(desk: Desk) -> None:
    waiting = await asked(desk)
    (begun,) = (await told(desk, REQUEST, waiting.request_id)).stories
    kinds = (StepKind.CALL, StepKind.COMMIT, StepKind.EVENT, StepKind.QUEUE, StepKind.REACTION)
    instants = [only(begun, kind).at for kind in kinds]
    sent = [step.at for step in of(begun, StepKind.NOTIFICATION)]
    assert None not in (*instants, *sent, only(begun, StepKind.BUS).at)
    assert instants == sorted(instants, key=lambda at: at or desk.world.clock())
    assert only(begun, StepKind.REACTION).title == {"receives": 1, "notifications": 3}
    assert begun.state is State.WAITING, "nobody has decided"


async def test_every_story_of_a_person_is_the_same_when_asked_for_by_its_correlation_id(desk: Desk) -> None:
    waiting = await asked(desk)
    await desk.taps(f"approve:{waiting.code}")
    await notified(desk, waiting.request_id, 4)
    await left(desk)
    timeline = await told(desk, PERSON, waiting.person.ecosystem_id)
    assert [story.origin for story in timeline.stories] == [
        Origin.APPROVER,
        Origin.CARDHOLDER,
        Origin.OPERATOR,
        Origin.CARDHOLDER,
    ]
    assert (timeline.forgotten, timeline.cut) == (False, False)
    for story in timeline.stories:
        assert await story_of(desk, story.correlation_id or "") == story


async def test_a_payment_is_one_story_with_two_streams_and_the_approvers_messages(desk: Desk) -> None:
    ada, card_id = await desk.world.cardholder()
    await ada.buy(card_id, 50)
    paid = await ada.pay(card_id, 20)
    await notified(desk, str(paid.body["transaction"]["transactionId"]), 3)
    await left(desk)
    newest, *others = (await told(desk, CARD, card_id, ada.ecosystem_id)).stories
    assert [step.title["type"] for step in of(newest, StepKind.EVENT)] == ["transaction.payment", "score.changed"]
    assert [step.title["kind"] for step in of(newest, StepKind.NOTIFICATION)] == ["payment_notification"] * 3
    assert only(newest, StepKind.REACTION).title["notifications"] == 3
    assert [only(story, StepKind.CALL).title["what"] for story in others] == ["transaction.purchase", "card.requested"]


async def test_a_purchase_is_found_by_its_correlation_id_where_events_are_traced(desk: Desk) -> None:
    ada, card_id = await desk.world.cardholder()
    bought = await ada.buy(card_id, 12.5)
    await left(desk)
    story = await story_of(desk, bought.headers["x-request-id"])
    event = only(story, StepKind.EVENT)
    assert (event.title["type"], str(event.details["amount"]), event.details["merchant"]) == (
        "transaction.purchase",
        "12.5",
        "Shop",
    )


async def test_where_events_are_not_traced_a_timeline_says_so_and_finds_what_deeds_lead_to(apart: Stage) -> None:
    async with travelling(apart, trace_events=False) as desk:
        ada, card_id = await desk.world.cardholder()
        bought = await ada.buy(card_id, 12.5)
        operator = await desk.world.operator()
        path = f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}/suspend"
        suspended = await operator.post(path, {"reason": "Reported stolen"}, user_agent="Firefox")
        await operator.post(path.replace("suspend", "reactivate"), {"reason": "Found again"})
        await left(desk)
        untraced = await told(desk, CORRELATION, bought.headers["x-request-id"])
        assert (untraced.stories, untraced.traced) == ((), False)
        (story,) = (await told(desk, CORRELATION, suspended.headers["x-request-id"])).stories
        assert (story.origin, only(story, StepKind.CALL).details["browser"]) == (Origin.OPERATOR, "Firefox")
        assert only(story, StepKind.EVENT).title["type"] == "card.suspended"
        assert len((await told(desk, CARD, card_id, ada.ecosystem_id)).stories) == 4


async def test_what_is_stuck_is_found_by_its_correlation_id_traced_or_not(apart: Stage) -> None:
    correlation_id, held = str(uuid.uuid4()), str(uuid.uuid4())
    async with travelling(apart, trace_events=False) as desk:
        world = desk.world
        await seed_dead_letter(world, requestId=correlation_id, lastError="InternalFailure: planned")
        dead = await story_of(desk, correlation_id)
        assert (dead.state, dict(only(dead, StepKind.BUS).details)) == (
            State.FAILED,
            {"retries": 5, "error": "InternalFailure: planned"},
        )
        soon = world.clock() + timedelta(hours=1)
        await seed_event(world, requestId=held, retryCount=2, lastError="Throttled", nextRetryAt=f"{soon:%Y-%m-%dT%H:%M:%S}.000Z")
        waiting = await story_of(desk, held)
        assert (waiting.state, only(waiting, StepKind.BUS).details["retries"]) == (State.WAITING, 2)
        await world.services.database.delete_all(OUTBOX, [OUTBOX.key_of(item) for item in await world.rows(OUTBOX)])


async def test_a_chain_that_leads_to_forgotten_events_says_so_and_the_rest_is_told(desk: Desk) -> None:
    waiting = await asked(desk)
    await left(desk)
    rows = await events(desk.world, waiting.request_id)
    await desk.world.services.database.delete_all(OUTBOX, [(row["eventId"],) for row in rows])
    timeline = await told(desk, REQUEST, waiting.request_id)
    (story,) = timeline.stories
    assert (timeline.forgotten, story.incomplete, story.correlation_id) == (True, True, None)
    assert (len(of(story, StepKind.NOTIFICATION)), only(story, StepKind.DECISION).state) == (3, State.WAITING)


async def test_the_grant_of_a_card_long_in_use_is_found_although_the_chain_does_not_lead_to_it(desk: Desk) -> None:
    waiting = await asked(desk)
    await desk.taps(f"approve:{waiting.code}")
    dashboard = (await waiting.person.get("/v1/dashboard")).body
    card_id = str(dashboard["cards"][0]["cardId"])
    for _ in range(EVENTS_MAX):
        assert (await waiting.person.buy(card_id, 1)).status == 201
    await left(desk)
    timeline = await told(desk, CARD, card_id, waiting.person.ecosystem_id)
    assert (len(timeline.stories), timeline.cut, timeline.forgotten) == (EVENTS_MAX + 1, True, False)
    granted = timeline.stories[-1]
    assert (granted.origin, only(granted, StepKind.EVENT).title["type"], granted.incomplete) == (
        Origin.APPROVER,
        "card.approved",
        False,
    )


async def test_a_decision_by_wppconnect_whose_ids_hold_phone_numbers_is_linked_too(desk: Desk) -> None:
    waiting = await asked(desk)
    message_id = f"true_{ONE}@c.us_{uuid.uuid4().hex[:8]}"
    heard = await desk.hear(desk.stand_in.wpp_typed(ONE, f"y {waiting.code}", message_id=message_id), WPP)
    assert heard.body["action"] == "approved"
    tapped, begun = (await told(desk, REQUEST, waiting.request_id)).stories
    assert ONE not in (tapped.correlation_id or "")
    assert (only(tapped, StepKind.MESSAGE).link, only(begun, StepKind.REPLY).link) == (begun.correlation_id, tapped.correlation_id)
    assert await story_of(desk, tapped.correlation_id or "") == tapped


async def test_an_answer_that_came_too_late_for_its_question_is_linked_to_it(desk: Desk) -> None:
    waiting = await asked(desk)
    desk.world.clock.pass_time(hours=25)
    assert (await desk.says(f"y {waiting.code}", message_id="wamid.late"))["reason"] == "expired"
    story = await story_of(desk, "wamid.late")
    assert only(story, StepKind.MESSAGE).link is not None
    assert [step.title["kind"] for step in of(story, StepKind.NOTIFICATION)] == ["approval_reply"]


async def test_a_message_about_no_request_is_told_with_the_reply_to_it(desk: Desk) -> None:
    assert (await desk.says("y 00000001", message_id="wamid.nothing"))["reason"] == "request_not_found"
    story = await story_of(desk, "wamid.nothing")
    assert (story.origin, only(story, StepKind.NOTIFICATION).title["kind"]) == (Origin.APPROVER, "approval_reply")


@pytest.mark.parametrize("kind", [PERSON, CARD, REQUEST])
@pytest.mark.parametrize(("subject_id", "owner"), [("nobody", "nobody"), ("nobody", None), ("", ""), ("x" * 9_000, "x" * 9_000)])
async def test_what_does_not_exist_has_no_timeline(desk: Desk, kind: SubjectKind, subject_id: str, owner: str | None) -> None:
    services = desk.world.services
    assert await about(services, Subject(kind=kind, id=subject_id, ecosystem_id=owner), services.clock()) is None


async def test_an_unknown_correlation_id_has_a_timeline_without_stories(desk: Desk) -> None:
    timeline = await told(desk, CORRELATION, "nothing")
    assert (timeline.stories, timeline.traced) == ((), True)


async def test_a_timeline_takes_few_round_trips_and_never_scans(apart: Stage) -> None:
    meter = Meter()
    async with travelling(apart) as desk:
        waiting = await asked(desk)
        await desk.taps(f"approve:{waiting.code}")
        await notified(desk, waiting.request_id, 4)
        await left(desk)
        begun = str((await events(desk.world, waiting.request_id))[0]["requestId"])
    person = waiting.person.ecosystem_id
    async with open_services(apart, MovableClock(), transport=meter) as services:
        for kind, subject_id in ((PERSON, person), (REQUEST, waiting.request_id), (CORRELATION, begun)):
            meter.trips.clear()
            timeline = await about(services, Subject(kind=kind, id=subject_id), services.clock())
            assert timeline is not None
            assert timeline.stories
            assert {trip.operation for trip in meter.trips} == {"BatchGetItem", "Query"}
            assert in_sequence(meter.trips) <= ROUND_TRIPS_MAX, (kind, len(meter.trips))
            meter.trips.clear()
            assert await state_of(services, Subject(kind=kind, id=subject_id), services.clock())
            assert in_sequence(meter.trips) <= STATE_ROUND_TRIPS_MAX, (kind, len(meter.trips))


async def test_the_state_of_a_timeline_moves_with_every_step(desk: Desk) -> None:
    waiting = await asked(desk)
    await left(desk)
    first, *_ = await notified(desk, waiting.request_id, 3)
    begun = str((await events(desk.world, waiting.request_id))[0]["requestId"])
    services = desk.world.services

    async def states() -> list[str]:
        subjects = ((PERSON, waiting.person.ecosystem_id), (REQUEST, waiting.request_id), (CORRELATION, begun))
        return [repr(await state_of(services, Subject(kind=kind, id=each), services.clock())) for kind, each in subjects]

    seen = [await states()]
    assert await states() == seen[0], "nothing happened"
    for tick in ("delivered", "read"):
        assert (await desk.hear(desk.stand_in.status(first.notification_id, tick))).status == 200
        seen.append(await states())
    await desk.taps(f"approve:{waiting.code}")
    seen.append(await states())
    for before, after in itertools.pairwise(seen):
        assert all(one != other for one, other in zip(before, after, strict=True))
    operator = await desk.world.operator()
    assert (await operator.post(f"/v1/admin/users/{waiting.person.ecosystem_id}/disable", {"reason": "test"})).status == 200
    assert (await states())[0] != seen[-1][0], "a deed without an event"
    assert await state_of(services, Subject(kind=PERSON, id="nobody"), services.clock()) is None
