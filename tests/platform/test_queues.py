"""Queues: found by name, filled, emptied, looked at, moved; each entry of an answer judged."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.aws import TARGETS, Aws, AwsError, AwsUnreachable, Call
from tazco.platform.queues import BATCH_BYTES_MAX, BATCH_MAX, Message, NoQueue, NotMoved, Queue, _batches, move
from tazco.platform.wire import Pool, Reply
from tests.platform.faults import Faulty, error
from tests.platform.servers import Request, http, serving
from tests.platform.subscribed import Subscribed, eventually, heard
from tests.platform.test_aws import NOW, FixedCredentials, aws_at


async def taken(queue: Queue, count: int, **how: Any) -> list[Message]:
    """So many messages, however many polls that takes."""
    messages: list[Message] = []
    while len(messages) < count:
        messages += await queue.receive(at_most=min(BATCH_MAX, count - len(messages)), wait_seconds=1, **how)
    return messages


def judged(**failed: str) -> Reply:
    """An answer to a batch of two: `first` or `second` failed for a reason, `-` leaves it out."""
    reasons = [failed.get("first"), failed.get("second")]
    return Reply(
        200,
        {},
        json.dumps(
            {
                "Successful": [{"Id": str(number)} for number, reason in enumerate(reasons) if not reason],
                "Failed": [
                    {"Id": str(number), "Code": reason, "Message": "planned", "SenderFault": False}
                    for number, reason in enumerate(reasons)
                    if reason and reason != "-"
                ],
            }
        ).encode(),
    )


async def test_what_is_sent_is_received_counted_and_gone_once_deleted(own: Subscribed) -> None:
    before = datetime.now(UTC)
    assert await own.queue.send(["one", "zwei é"]) == []
    messages = await taken(own.queue, 2)
    assert {message.body for message in messages} == {"one", "zwei é"}
    assert {message.receives for message in messages} == {1}
    assert all(abs(message.sent_at - before) < timedelta(seconds=5) for message in messages)
    assert await own.queue.delete(messages) == []
    assert await own.empty()


async def test_batches_hold_ten_at_most(own: Subscribed, faulty: Faulty) -> None:
    bodies = [f"message {number}" for number in range(25)]
    assert await own.queue.send(bodies) == []
    messages = await taken(own.queue, 25)
    assert sorted(message.body for message in messages) == sorted(bodies)
    assert await own.queue.hide(messages, 30) == []
    assert await own.queue.delete(messages) == []
    assert await own.empty()
    for operation in ("SendMessageBatch", "ChangeMessageVisibilityBatch", "DeleteMessageBatch"):
        assert faulty.count(operation) == 3


async def test_a_queue_is_looked_up_once(own: Subscribed, faulty: Faulty) -> None:
    await own.queue.send(["one"])
    await own.queue.depth()
    assert faulty.count("GetQueueUrl") == 1


async def test_an_entry_that_was_not_taken_is_told_with_its_reason_and_the_others_are_not(own: Subscribed, faulty: Faulty) -> None:
    faulty.strike("SendMessageBatch", judged(second="InternalError"))
    assert await own.queue.send(["one", "two"]) == [("two", "InternalError: planned")]
    await own.queue.send(["one", "two"])
    one, two = await taken(own.queue, 2)
    faulty.strike("DeleteMessageBatch", judged(first="ReceiptHandleIsInvalid"))
    assert await own.queue.delete([one, two]) == [(one, "ReceiptHandleIsInvalid: planned")]
    faulty.strike("ChangeMessageVisibilityBatch", judged(first="-"))
    assert await own.queue.hide([one, two], 9) == [(one, "the answer does not mention it")]


async def test_what_is_given_back_is_there_at_once_and_counts_as_received_again(own: Subscribed) -> None:
    await own.queue.send(["one"])
    (message,) = await taken(own.queue, 1)
    assert await own.queue.receive(wait_seconds=0) == []
    await own.queue.hide([message], 0)
    (again,) = await taken(own.queue, 1)
    assert (again.message_id, again.receives) == (message.message_id, 2)
    assert again.receipt != message.receipt


async def test_the_time_of_hiding_can_be_said_when_receiving(own: Subscribed) -> None:
    await own.queue.send(["one"])
    (message,) = await taken(own.queue, 1, hidden_seconds=0)
    (again,) = await taken(own.queue, 1)
    assert again.message_id == message.message_id


async def test_depth_tells_what_waits_from_what_is_in_hand(own: Subscribed) -> None:
    await own.queue.send(["one", "two", "three"])
    await taken(own.queue, 1)
    depth = await own.queue.depth()
    assert (depth.waiting, depth.in_hand, depth.delayed) == (2, 1, 0)


async def test_a_queue_that_is_not_there_is_named_with_the_cure_and_found_once_it_is_there(own: Subscribed) -> None:
    sqs, name = own.stage.clients.sqs, own.queue.name + "-later"
    queue = Queue(own.queue.aws, name)
    with pytest.raises(NoQueue, match=rf"There is no queue '{name}'. Run `tazco provision`."):
        await queue.depth()
    sqs.create_queue(QueueName=name)
    assert (await queue.depth()).waiting == 0
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])
    with pytest.raises(NoQueue):
        await queue.depth()


async def test_a_receive_that_fails_is_not_repeated_behind_the_back_of_whoever_polls(own: Subscribed, faulty: Faulty) -> None:
    faulty.strike("ReceiveMessage", error(400, "RequestThrottled"))
    with pytest.raises(AwsError) as caught:
        await own.queue.receive(wait_seconds=0)
    assert caught.value.throttled
    assert faulty.count("ReceiveMessage") == 1


async def test_a_long_poll_may_take_longer_than_any_other_call() -> None:
    async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
        if b"WaitTimeSeconds" in request.body:
            await asyncio.sleep(0.6)  # this server's answer takes its time; that is what is tested
        elif b"AttributeNames" in request.body:
            await asyncio.Event().wait()
        writer.write(http(b'{"QueueUrl":"http://127.0.0.1/1/q","Messages":[]}'))

    async with serving(slowly) as server:
        aws = aws_at(server, call_seconds=0.2)
        queue = Queue(aws, "q")
        assert await queue.receive(wait_seconds=1) == []
        with pytest.raises(AwsUnreachable, match=r"in 0\.2 s"):
            await queue.receive(wait_seconds=0)
        with pytest.raises(AwsUnreachable, match=r"in 0\.2 s"):
            await queue.depth()
        aws.close()


async def test_a_poll_of_twenty_seconds_has_its_twenty_seconds_and_those_of_a_call() -> None:
    waits: dict[str, float] = {}

    async def note(call: Call, _pool: Pool, _request: bytes, timeout_seconds: float) -> Reply:
        waits[call.operation] = timeout_seconds
        return Reply(200, {}, b'{"QueueUrl":"http://127.0.0.1/1/q"}')

    aws = Aws(dict.fromkeys(TARGETS, "http://127.0.0.1"), "us-east-1", FixedCredentials(), lambda: NOW, transport=note)
    assert await Queue(aws, "q").receive() == []
    assert waits == {"GetQueueUrl": 3.0, "ReceiveMessage": 23.0}


@given(st.lists(st.integers(0, BATCH_BYTES_MAX), max_size=60))
def test_a_batch_has_ten_entries_and_a_mebibyte_at_most_and_nothing_is_left_out(sizes: list[int]) -> None:
    batches = list(_batches(sizes))
    assert [number for first, last in batches for number in range(first, last)] == list(range(len(sizes)))
    for first, last in batches:
        assert 1 <= last - first <= BATCH_MAX
        assert sum(sizes[first:last]) <= BATCH_BYTES_MAX


@given(st.lists(st.integers(0, 100), max_size=60))
def test_small_entries_fill_their_batches(sizes: list[int]) -> None:
    assert len(list(_batches(sizes))) == -(-len(sizes) // BATCH_MAX)


async def test_messages_that_are_too_much_for_one_call_go_in_several(own: Subscribed, faulty: Faulty) -> None:
    assert await own.queue.send(["é" * 200_000] * 5) == []
    assert faulty.count("SendMessageBatch") == 3, "400 kB each, two fit into a mebibyte"


async def test_moving_redrives_dead_letters_up_to_a_number(own: Subscribed) -> None:
    await own.dead_letters.send([f"letter {number}" for number in range(14)])
    assert await move(own.dead_letters, own.queue, 12) == 12
    assert (await own.queue.depth()).waiting == 12
    assert (await own.dead_letters.depth()).waiting == 2
    assert await move(own.dead_letters, own.queue, 100) == 2
    messages = await taken(own.queue, 14)
    assert {message.body for message in messages} == {f"letter {number}" for number in range(14)}
    depth = await own.dead_letters.depth()
    assert (depth.waiting, depth.in_hand) == (0, 0)
    assert await move(own.dead_letters, own.queue, 100) == 0


async def test_what_cannot_be_sent_on_stays_where_it_was(own: Subscribed, faulty: Faulty) -> None:
    await own.dead_letters.send(["one", "two"])
    faulty.strike("SendMessageBatch", judged(second="InternalError"))
    with pytest.raises(NotMoved, match=r"1 messages moved; then .* refused one \(InternalError: planned\)"):
        await move(own.dead_letters, own.queue, 10)
    (left,) = await taken(own.dead_letters, 1)
    assert left.body == "two"
    await eventually(lambda: faulty.count("DeleteMessageBatch") == 1)


async def test_what_is_sent_on_and_then_cannot_be_deleted_is_in_both_and_told(own: Subscribed, faulty: Faulty) -> None:
    await own.dead_letters.send(["one"])
    faulty.strike("DeleteMessageBatch", judged(first="InternalError"))
    with heard() as logs:
        assert await move(own.dead_letters, own.queue, 10) == 1
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("queue.moved_but_not_deleted", "InternalError: planned")]
    assert (await own.queue.depth()).waiting == 1
    assert (await own.dead_letters.depth()).in_hand == 1


async def test_a_failure_between_sending_and_deleting_loses_nothing(own: Subscribed, faulty: Faulty) -> None:
    await own.dead_letters.send(["one"])
    faulty.strike("DeleteMessageBatch", *["lost before"] * 4)
    with pytest.raises(AwsUnreachable):
        await move(own.dead_letters, own.queue, 10)
    assert (await own.queue.depth()).waiting == 1
    assert (await own.dead_letters.depth()).in_hand == 1
