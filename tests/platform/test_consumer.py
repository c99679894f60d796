"""The consumer on real queues: once deleted when handled, back when not, a dead letter in the end; nobody waits for others."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import structlog

from tazco.kernel.errors import NotFound, Unavailable, VersionConflict
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.consumer import Consumer, Pace
from tazco.platform.queues import Message
from tazco.platform.reactions import Envelope, React, Reactions
from tazco.platform.services import Services
from tazco.platform.wire import Reply
from tests.platform.faults import Faulty, error
from tests.platform.subscribed import Subscribed, event, eventually, heard
from tests.world import World

QUICK = Pace(poll_seconds=1, retry_seconds=0, finish_seconds_max=5)
Happens = Callable[[Envelope], Awaitable[None]]


@dataclass(slots=True)
class Reacting:
    """Reactions that note what they see, begun and done, and do what a test wants in between."""

    happens: Happens | None = None
    begun: list[Envelope] = field(default_factory=list)
    done: list[Envelope] = field(default_factory=list)

    async def __call__(self, _: Services, envelope: Envelope) -> None:
        self.begun.append(envelope)
        if self.happens:
            await self.happens(envelope)
        self.done.append(envelope)

    def times(self, event_id: str) -> int:
        return sum(envelope.event_id == event_id for envelope in self.begun)


def consumer_of(own: Subscribed, world: World, react: React, pace: Pace = QUICK) -> Consumer:
    reactions = Reactions(queue=own.subscription.queue, react=dict.fromkeys(own.subscription.event_types, react))
    assert Consumer.of(world.services, reactions).queue.name == own.queue.name
    return Consumer(own.queue, reactions, world.services, pace)


@asynccontextmanager
async def consuming(consumer: Consumer) -> AsyncIterator[asyncio.Event]:
    """The consumer running; told to stop at the end, which may not raise."""
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


def counted(world: World, event_type: str, outcome: str) -> float:
    value = world.services.metrics.registry.get_sample_value(
        "tazco_reactions_total", {"event_type": event_type, "outcome": outcome}
    )
    return value or 0.0


def failing(error: Exception) -> Reacting:
    async def fail(_: Envelope) -> None:
        raise error

    return Reacting(fail)


def pauses(faulty: Faulty) -> list[int]:
    """The times of hiding that were asked for, message by message."""
    calls = [json.loads(call.body) for call in faulty.calls if call.operation == "ChangeMessageVisibilityBatch"]
    return [entry["VisibilityTimeout"] for call in calls for entry in call["Entries"]]


async def test_an_event_on_the_bus_is_handled_once_and_deleted(own: Subscribed, shaky: World) -> None:
    reacting, handled = Reacting(), counted(shaky, "card.requested", "handled")
    asked, paid, unasked = event(), event("transaction.payment", sequence=3), event("transaction.purchase")
    async with consuming(consumer_of(own, shaky, reacting)):
        own.put(asked, paid, unasked)
        await eventually(lambda: len(reacting.done) == 2)
        await eventually(own.empty)
    assert {envelope.event_id for envelope in reacting.done} == {asked["eventId"], paid["eventId"]}
    first = next(envelope for envelope in reacting.done if envelope.event_type == "card.requested")
    assert (first.aggregate_id, first.sequence, first.correlation_id) == (asked["aggregateId"], 1, "r-1")
    assert first.occurred_at == datetime(2031, 4, 5, 6, 7, 8, 90_000, UTC)
    assert first.payload == {"requestId": "q-1", "limit": Decimal("1200.5")}
    assert counted(shaky, "card.requested", "handled") == handled + 1


async def test_many_messages_are_each_handled_once_and_deleted_together(own: Subscribed, shaky: World, faulty: Faulty) -> None:
    reacting, events = Reacting(), [event() for _ in range(60)]
    await own.send(*events)
    async with consuming(consumer_of(own, shaky, reacting)):
        await eventually(own.empty)
    assert sorted(envelope.event_id for envelope in reacting.done) == sorted(each["eventId"] for each in events)
    assert faulty.count("DeleteMessageBatch") < 40
    assert (await own.dead_letters.depth()).waiting == 0


async def test_nothing_is_deleted_before_its_effect(own: Subscribed, shaky: World, faulty: Faulty) -> None:
    go_on = asyncio.Event()

    async def wait(_: Envelope) -> None:
        await go_on.wait()

    reacting = Reacting(wait)
    await own.send(event())
    async with consuming(consumer_of(own, shaky, reacting)):
        await eventually(lambda: len(reacting.begun) == 1)
        assert (await own.queue.depth()).in_hand == 1
        assert faulty.count("DeleteMessageBatch") == 0
        go_on.set()
        await eventually(own.empty)


async def test_a_message_that_always_fails_becomes_a_dead_letter_and_the_log_says_why(own: Subscribed, shaky: World) -> None:
    broken, failed = event(), counted(shaky, "card.requested", "failed")
    reacting = failing(AwsUnreachable("dynamodb GetItem: no answer"))
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting)):
            await own.send(broken)
            await eventually(lambda: reacting.times(broken["eventId"]) == 5)
            await eventually(own.empty)
    (letter,) = await own.dead_letters.receive(wait_seconds=1)
    assert json.loads(letter.body)["detail"] == broken
    assert [entry["receives"] for entry in logs if entry["event"] == "consumer.failed"] == [1, 2, 3, 4, 5]
    (told,) = [entry for entry in logs if entry["event"] == "consumer.dead_letter"]
    assert told == {
        "event": "consumer.dead_letter",
        "log_level": "error",
        "queue": own.queue.name,
        "message_id": letter.message_id,
        "reason": "AwsUnreachable: dynamodb GetItem: no answer",
    }
    assert counted(shaky, "card.requested", "failed") == failed + 5


async def test_a_message_that_fails_once_is_handled_the_next_time(own: Subscribed, shaky: World) -> None:
    failures = [Unavailable("not now")]

    async def fail_once(_: Envelope) -> None:
        if failures:
            raise failures.pop()

    reacting = Reacting(fail_once)
    async with consuming(consumer_of(own, shaky, reacting)):
        await own.send(event())
        await eventually(lambda: len(reacting.done) == 1)
        await eventually(own.empty)
    assert len(reacting.begun) == 2
    assert (await own.dead_letters.depth()).waiting == 0


@pytest.mark.parametrize(
    ("failure", "level", "traceback"),
    [
        (AwsUnreachable("gone"), "warning", False),
        (AwsError("GetItem", 400, "ThrottlingException", "slow down", {}), "warning", False),
        (Unavailable("later"), "warning", False),
        (VersionConflict("lost five times"), "warning", False),
        (TimeoutError(), "warning", False),
        (AwsError("GetItem", 400, "ValidationException", "wrong", {}), "error", True),
        (NotFound("no such card"), "error", True),
        (KeyError("limit"), "error", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_dependency_that_fails_is_a_line_and_a_bug_has_its_traceback(
    own: Subscribed, shaky: World, failure: Exception, level: str, *, traceback: bool
) -> None:
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, failing(failure), replace(QUICK, retry_seconds=60))):
            await own.send(event())
            await eventually(lambda: bool(logs))
    assert (logs[0]["event"], logs[0]["log_level"]) == ("consumer.failed", level)
    assert logs[0]["reason"].startswith(type(failure).__name__)
    assert ("exc_info" in logs[0]) is traceback


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(Unavailable("later"), [2, 16, 128, 1024]), (KeyError("limit"), [2, 4, 8, 16])],
    ids=["a dependency", "a bug"],
)
async def test_pauses_grow_faster_where_waiting_helps_and_the_last_one_is_none(
    own: Subscribed, shaky: World, faulty: Faulty, failure: Exception, expected: list[int]
) -> None:
    consumer = consumer_of(own, shaky, failing(failure), Pace())
    pending: set[asyncio.Task[None]] = consumer._tasks
    for receives in (1, 2, 3, 4, 5, 6):
        sent = datetime.now(UTC)
        body = own.wrapped(event())
        with heard():
            consumer._take(Message(message_id="m", receipt=f"r{receives}", body=body, receives=receives, sent_at=sent))
            await eventually(lambda: not pending)
    *retries, last, after_the_last = pauses(faulty)
    assert all(most / 2 <= pause <= most for pause, most in zip(retries, expected, strict=True)), retries
    assert last == 0, "it goes to the dead letters at once"
    assert 30 <= after_the_last <= 60, "a queue without dead letters must not spin"


async def test_poison_becomes_a_dead_letter_at_once_and_is_never_quoted(own: Subscribed, shaky: World) -> None:
    reacting, good, poisoned = Reacting(), event(), counted(shaky, "unknown", "poison")
    bodies = ["secret no JSON", own.wrapped(event(), source="secret.else"), own.wrapped(event(payload="secret"))]
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting, Pace(poll_seconds=1))):
            await own.queue.send([*bodies, own.wrapped(good)])
            await eventually(own.empty)
    assert [envelope.event_id for envelope in reacting.done] == [good["eventId"]]
    letters = await own.dead_letters.receive(wait_seconds=1)
    assert {letter.body for letter in letters} == set(bodies)
    told = {entry["message_id"]: entry["reason"] for entry in logs if entry["event"] == "consumer.dead_letter"}
    assert set(told) == {letter.message_id for letter in letters}
    assert set(told.values()) == {
        "it is no event of the bus: The body is not valid JSON.",
        "its source is not ours",
        "its payload is no object",
    }
    assert sum(entry["event"] == "consumer.poison" for entry in logs) == 15
    assert "secret" not in repr(logs)
    assert counted(shaky, "unknown", "poison") == poisoned + 15


async def test_an_event_that_nobody_reacts_to_is_left_to_a_worker_that_does(own: Subscribed, shaky: World) -> None:
    """While a new version is rolled out, the rule may send what an old worker does not know."""
    reacting = Reacting()
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting)):
            await own.send(event("card.cancelled"))
            await eventually(lambda: any(entry["event"] == "consumer.dead_letter" for entry in logs))
    assert reacting.begun == []
    assert {(entry["event"], entry["log_level"]) for entry in logs} == {
        ("consumer.nobody_reacts", "warning"),
        ("consumer.dead_letter", "error"),
    }
    assert await own.dead_letters.receive(wait_seconds=5)


async def test_a_cancellation_inside_of_a_reaction_is_a_failure_like_any_other(own: Subscribed, shaky: World) -> None:
    twice = event()

    async def cancelled_once(_: Envelope) -> None:
        if reacting.times(twice["eventId"]) == 1:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    reacting = Reacting(cancelled_once)
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting)):
            await own.send(twice)
            await eventually(lambda: len(reacting.done) == 1)
            await eventually(own.empty)
    assert [entry["event"] for entry in logs] == ["consumer.failed"]


async def test_a_slow_reaction_holds_up_nobody(own: Subscribed, shaky: World) -> None:
    slow, go_on = event(), asyncio.Event()

    async def wait(envelope: Envelope) -> None:
        if envelope.event_id == slow["eventId"]:
            await go_on.wait()

    reacting = Reacting(wait)
    async with consuming(consumer_of(own, shaky, reacting)):
        await own.send(slow)
        await eventually(lambda: len(reacting.begun) == 1)
        await own.send(*(event() for _ in range(40)))
        await eventually(lambda: len(reacting.done) == 40)
        assert not go_on.is_set()
        go_on.set()
        await eventually(own.empty)
    assert reacting.times(slow["eventId"]) == 1


async def test_no_more_run_at_once_than_allowed_and_the_next_batch_is_in_hand(own: Subscribed, shaky: World) -> None:
    go_on = asyncio.Event()

    async def wait(_: Envelope) -> None:
        await go_on.wait()

    reacting = Reacting(wait)
    await own.send(*(event() for _ in range(30)))
    async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, concurrency=4))) as _:

        async def full() -> bool:
            return (await own.queue.depth()).in_hand >= 10 and len(reacting.begun) == 4

        await eventually(full)
        assert (await own.queue.depth()).in_hand <= 14
        assert len(reacting.begun) == 4
        go_on.set()
        await eventually(own.empty)
    assert len(reacting.done) == 30


async def test_what_is_handled_for_long_stays_hidden(own: Subscribed, shaky: World, faulty: Faulty) -> None:
    async def until_extended_often(_: Envelope) -> None:
        await eventually(lambda: faulty.count("ChangeMessageVisibilityBatch") >= 6)  # three times as long as it was hidden

    reacting = Reacting(until_extended_often)
    async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, hidden_seconds=1, extend_seconds=0.5))):
        await own.send(event())
        await eventually(lambda: len(reacting.done) == 1)
        await eventually(own.empty)
    assert len(reacting.begun) == 1
    assert set(pauses(faulty)) == {1}
    assert all(json.loads(call.body)["VisibilityTimeout"] == 1 for call in faulty.calls if call.operation == "ReceiveMessage")


async def test_an_extension_that_fails_is_told_and_tried_again(own: Subscribed, shaky: World, faulty: Faulty) -> None:
    async def until_extended_twice(_: Envelope) -> None:
        await eventually(lambda: faulty.count("ChangeMessageVisibilityBatch") >= 3)

    refused = Reply(200, {}, b'{"Failed":[{"Id":"0","Code":"InternalError","Message":"planned","SenderFault":false}]}')
    faulty.strike("ChangeMessageVisibilityBatch", error(403, "AccessDenied"), refused)
    reacting = Reacting(until_extended_twice)
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, extend_seconds=0.2))):
            await own.send(event())
            await eventually(own.empty)
            await eventually(lambda: len(reacting.done) == 1)
    assert [entry["event"] for entry in logs] == ["consumer.not_extended"] * 2
    assert "AccessDenied" in logs[0]["reason"]
    assert logs[1]["reason"] == "InternalError: planned"


async def test_events_of_an_aggregate_go_one_after_the_other_by_sequence_and_others_beside_them(
    own: Subscribed, shaky: World
) -> None:
    pairs, at_work = asyncio.Barrier(2), set[str]()

    async def meet(envelope: Envelope) -> None:
        assert envelope.aggregate_id not in at_work
        at_work.add(envelope.aggregate_id)
        await pairs.wait()  # the other aggregate's event is being handled too
        at_work.remove(envelope.aggregate_id)

    reacting = Reacting(meet)
    await own.send(*(event(aggregate_id=name, sequence=number) for number in (5, 2, 4, 1, 3) for name in ("a", "b")))
    async with consuming(consumer_of(own, shaky, reacting)):
        await eventually(own.empty)
    for name in ("a", "b"):
        assert [envelope.sequence for envelope in reacting.done if envelope.aggregate_id == name] == [1, 2, 3, 4, 5]
    assert len(reacting.begun) == 10


async def test_one_that_fails_stays_and_does_not_hold_back_the_next_of_its_aggregate(
    own: Subscribed, shaky: World, faulty: Faulty
) -> None:
    async def one_is_left() -> bool:
        depth = await own.queue.depth()
        return (depth.waiting, depth.in_hand) == (0, 1)

    async def fail_the_first(envelope: Envelope) -> None:
        if envelope.sequence == 1:
            raise Unavailable("not now")

    reacting = Reacting(fail_the_first)
    await own.send(event(aggregate_id="a", sequence=2), event(aggregate_id="a", sequence=1))
    with heard():
        async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, retry_seconds=60))):
            await eventually(lambda: len(reacting.done) == 1)
        await eventually(one_is_left)
    assert [envelope.sequence for envelope in reacting.begun] == [1, 2]
    assert faulty.count("DeleteMessageBatch") == 1


async def test_a_deletion_that_fails_is_told_and_the_message_handled_again(own: Subscribed, shaky: World, faulty: Faulty) -> None:
    refused = Reply(200, {}, b'{"Failed":[{"Id":"0","Code":"InternalError","Message":"planned","SenderFault":false}]}')
    faulty.strike("DeleteMessageBatch", refused)
    reacting, only = Reacting(), event()
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, hidden_seconds=1))):
            await own.send(only)
            await eventually(lambda: reacting.times(only["eventId"]) == 2)
            await eventually(own.empty)
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("consumer.not_deleted", "InternalError: planned")]
    assert len(reacting.done) == 2


async def test_a_queue_that_takes_no_deletions_for_a_while_has_them_handled_again(
    own: Subscribed, shaky: World, faulty: Faulty
) -> None:
    faulty.strike("DeleteMessageBatch", *["lost before"] * 4)
    reacting, only = Reacting(), event()
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, hidden_seconds=1))):
            await own.send(only)
            await eventually(lambda: len(reacting.done) == 2)
            await eventually(own.empty)
    assert [entry["event"] for entry in logs] == ["consumer.not_deleted"]


async def test_stopping_lets_reactions_finish_and_gives_back_the_rest_at_once(
    own: Subscribed, shaky: World, faulty: Faulty
) -> None:
    go_on = asyncio.Event()

    async def wait(_: Envelope) -> None:
        await go_on.wait()

    reacting = Reacting(wait)
    await own.send(*(event() for _ in range(8)))
    stop = asyncio.Event()
    running = asyncio.create_task(consumer_of(own, shaky, reacting, replace(QUICK, concurrency=2)).run(stop))

    async def all_in_hand() -> bool:
        return (await own.queue.depth()).in_hand == 8 and len(reacting.begun) == 2

    await eventually(all_in_hand)
    receives = faulty.count("ReceiveMessage")
    stop.set()

    async def rest_is_back() -> bool:
        depth = await own.queue.depth()
        return (depth.waiting, depth.in_hand) == (6, 2)

    await eventually(rest_is_back)
    assert not running.done()
    go_on.set()
    await running
    depth = await own.queue.depth()
    assert (depth.waiting, depth.in_hand, len(reacting.done)) == (6, 0, 2)
    assert faulty.count("ReceiveMessage") == receives


async def test_what_does_not_finish_in_time_is_ended_and_given_back_at_once(own: Subscribed, shaky: World) -> None:
    ended = asyncio.Event()

    async def hang(_: Envelope) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    reacting = Reacting(hang)
    await own.send(event())
    async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, finish_seconds_max=0.1))):
        await eventually(lambda: len(reacting.begun) == 1)
    assert ended.is_set()
    depth = await own.queue.depth()
    assert (depth.waiting, depth.in_hand, len(reacting.done)) == (1, 0, 0)


async def test_a_consumer_that_is_cancelled_gives_back_too(own: Subscribed, shaky: World) -> None:
    reacting = Reacting(lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]  # its result is nobody's
    await own.send(event())
    running = asyncio.create_task(consumer_of(own, shaky, reacting, replace(QUICK, finish_seconds_max=0.1)).run(asyncio.Event()))
    await eventually(lambda: len(reacting.begun) == 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await own.queue.depth()).waiting == 1


async def test_a_reaction_has_a_deadline(own: Subscribed, shaky: World) -> None:
    reacting = Reacting(lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]  # its result is nobody's
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, handler_seconds_max=0.1, retry_seconds=60))):
            await own.send(event())
            await eventually(lambda: bool(logs))
    assert (logs[0]["event"], logs[0]["reason"]) == ("consumer.failed", "TimeoutError: not finished in 0.1 s")


@pytest.mark.parametrize("fault", ["lost before", "lost after", error(400, "RequestThrottled"), error(503, "ServiceUnavailable")])
async def test_an_outage_of_receiving_is_one_line_and_then_it_goes_on(
    own: Subscribed, shaky: World, faulty: Faulty, fault: str | Reply
) -> None:
    reacting = Reacting()
    faulty.strike("ReceiveMessage", *[fault] * 4)
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting, replace(QUICK, poll_seconds=0, hidden_seconds=1))):
            await eventually(lambda: faulty.count("ReceiveMessage") > 4)
            await own.send(event())
            await eventually(lambda: len(reacting.done) >= 1)
            assert [(entry["event"], entry["log_level"]) for entry in logs] == [("consumer.receive_failed", "warning")]
            faulty.strike("ReceiveMessage", fault)
            await eventually(lambda: len(logs) == 2)  # the next outage is another


async def test_a_queue_that_is_missing_is_read_as_soon_as_it_is_there(own: Subscribed, shaky: World) -> None:
    sqs, reacting, only = own.stage.clients.sqs, Reacting(), event()
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=own.queue.name)["QueueUrl"])
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting)):
            await eventually(lambda: bool(logs))
            sqs.create_queue(QueueName=own.queue.name)
            await own.send(only)
            await eventually(lambda: len(reacting.done) == 1)
    (told,) = logs
    assert "Run `tazco provision`" in told["reason"]
    assert "exc_info" not in told


async def test_a_bug_in_receiving_is_told_and_does_not_end_the_consumer(own: Subscribed, shaky: World, faulty: Faulty) -> None:
    reacting = Reacting()
    faulty.strike("ReceiveMessage", Reply(200, {}, b'{"Messages":[{}]}'))
    with heard() as logs:
        async with consuming(consumer_of(own, shaky, reacting)):
            await own.send(event())
            await eventually(lambda: len(reacting.done) == 1)
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("consumer.receive_failed", "KeyError: 'Attributes'")]
    assert "exc_info" in logs[0]


async def test_pauses_after_failed_receives_are_drawn_up_to_a_bound_that_ends_at_ten_seconds(own: Subscribed, shaky: World) -> None:
    drawn: list[float] = []

    class Drawing:
        def uniform(self, low: float, high: float) -> float:
            drawn.append(high)
            assert low == 0
            return 0.0

    consumer = consumer_of(own, shaky, Reacting())
    consumer.rng = Drawing()  # type: ignore[assignment]  # only what is used of a Random
    consumer.queue = replace(own.queue, name="nothing-here", _url=None)
    with heard():
        async with consuming(consumer):
            await eventually(lambda: len(drawn) >= 12)
    assert drawn[:8] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


async def test_logs_of_a_reaction_carry_its_event_and_correlation_id_and_others_do_not(
    own: Subscribed, shaky: World, faulty: Faulty
) -> None:
    async def say(_: Envelope) -> None:
        structlog.get_logger().warning("said")

    refused = Reply(200, {}, b'{"Failed":[{"Id":"0","Code":"InternalError","Message":"planned","SenderFault":false}]}')
    faulty.strike("DeleteMessageBatch", refused)
    only = event(requestId="r-77")
    with heard([structlog.contextvars.merge_contextvars]) as logs:
        async with consuming(consumer_of(own, shaky, Reacting(say))):
            await own.send(only)
            await eventually(lambda: len(logs) == 2)
    said, not_deleted = logs
    assert (said["event"], said["event_id"], said["request_id"]) == ("said", only["eventId"], "r-77")
    assert "event_id" not in not_deleted


def test_a_dead_workers_messages_are_back_in_time_for_nobody_to_call_them_stuck() -> None:
    pace = Pace()
    assert pace.poll_seconds + pace.hidden_seconds <= 25
    assert pace.extend_seconds <= pace.hidden_seconds / 2
