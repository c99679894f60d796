"""SQS: batches and their entries, hiding and coming back, dead letters and moving them, sizes, long polls."""

import json
import threading
import time
from typing import Any

import pytest

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here, refused
from tests.conformance.resources import Queue, make_queue, redrive_to

MESSAGE_BYTES_MAX = 1024 * 1024
INVALID = ("InvalidParameterValue", "InvalidParameterValueException", "InvalidMessageContents")
HIDING = "sqs-visibility-timeout"
LONG_POLLS = "sqs-short-and-long-polling"
DEAD_LETTERS = "sqs-dead-letter-queues"


@pytest.fixture
def queue(here: Here) -> Queue:
    """A queue of the test's own."""
    return make_queue(here)


@pytest.fixture(scope="module")
def standing(here: Here) -> Queue:
    """A queue for what leaves nothing behind."""
    return make_queue(here)


@behaviour(
    Service.SQS,
    "A batch of ten messages is taken, each entry with a result of its own, and one receive gives up to ten",
    api="SendMessageBatch",
)
def test_a_batch_of_ten_is_taken(here: Here, queue: Queue) -> None:
    bodies = {f"ação {number} 😀" for number in range(10)}
    answer = queue.send(*sorted(bodies))
    assert {entry["Id"] for entry in answer["Successful"]} == set(map(str, range(10)))
    assert not answer.get("Failed")
    found: set[str] = set()

    def complete() -> bool:
        found.update(each["Body"] for each in queue.receive(wait=1))
        return found == bodies

    here.until(complete, "ten messages")


@behaviour(Service.SQS, "A batch of eleven messages is refused as a whole", api="SendMessageBatch")
def test_a_batch_of_eleven_is_refused(standing: Queue) -> None:
    with refused("TooManyEntriesInBatchRequest"):
        standing.send(*map(str, range(11)))


@behaviour(Service.SQS, "A batch that uses an id twice is refused", api="SendMessageBatch")
def test_a_batch_that_uses_an_id_twice_is_refused(standing: Queue) -> None:
    with refused("BatchEntryIdsNotDistinct"):
        standing("SendMessageBatch", Entries=[{"Id": "same", "MessageBody": "x"}, {"Id": "same", "MessageBody": "y"}])


@behaviour(Service.SQS, "More than ten messages cannot be asked for at once", api="ReceiveMessage")
def test_eleven_messages_cannot_be_asked_for(standing: Queue) -> None:
    with refused("ReadCountOutOfRange", *INVALID):
        standing.receive(at_most=11)


@behaviour(
    Service.SQS,
    "Of a batch of deletions each is judged alone: a receipt that is none fails, the others do not",
    api="DeleteMessageBatch",
)
def test_of_a_batch_each_entry_is_judged_alone(queue: Queue) -> None:
    queue.send("one")
    receipt = queue.first()["ReceiptHandle"]
    entries = [{"Id": "bad", "ReceiptHandle": "no receipt"}, {"Id": "good", "ReceiptHandle": receipt}]
    answer = queue("DeleteMessageBatch", Entries=entries)
    assert [each["Id"] for each in answer.get("Successful", [])] == ["good"]
    assert [each["Id"] for each in answer.get("Failed", [])] == ["bad"]


@behaviour(Service.SQS, "A message says how often it was received and when it was sent, in milliseconds", api="ReceiveMessage")
def test_a_message_says_how_often_it_was_received(queue: Queue) -> None:
    before = time.time()
    queue.send("one")
    attributes = queue.first()["Attributes"]
    assert attributes["ApproximateReceiveCount"] == "1"
    assert abs(int(attributes["SentTimestamp"]) / 1000 - before) < 60


@behaviour(
    Service.SQS,
    "A message that was received is hidden, comes back after its time under a new receipt, and counts its receives",
    guide=HIDING,
)
def test_a_message_is_hidden_and_comes_back(queue: Queue) -> None:
    queue.send("one")
    first = queue.first(hidden=1)
    assert queue.receive() == []
    again = queue.first()
    assert (again["MessageId"], again["Attributes"]["ApproximateReceiveCount"]) == (first["MessageId"], "2")
    assert again["ReceiptHandle"] != first["ReceiptHandle"]


@behaviour(Service.SQS, "A message can be hidden for longer while it is in hand", api="ChangeMessageVisibilityBatch")
def test_a_message_can_be_hidden_for_longer(queue: Queue) -> None:
    queue.send("one")
    receipt = queue.first(hidden=1)["ReceiptHandle"]
    answer = queue("ChangeMessageVisibilityBatch", Entries=[{"Id": "0", "ReceiptHandle": receipt, "VisibilityTimeout": 60}])
    assert [each["Id"] for each in answer["Successful"]] == ["0"]
    assert queue.receive(wait=2) == []


@behaviour(Service.SQS, "A message that is hidden for no time is there again at once", api="ChangeMessageVisibility")
def test_a_message_can_be_given_back_at_once(queue: Queue) -> None:
    queue.send("one")
    queue("ChangeMessageVisibility", ReceiptHandle=queue.first(hidden=600)["ReceiptHandle"], VisibilityTimeout=0)
    assert queue.first()["Attributes"]["ApproximateReceiveCount"] == "2"


@behaviour(Service.SQS, "Nothing is hidden for more than twelve hours", api="ChangeMessageVisibility")
def test_nothing_is_hidden_for_more_than_twelve_hours(queue: Queue) -> None:
    queue.send("one")
    with refused(*INVALID):
        queue("ChangeMessageVisibility", ReceiptHandle=queue.first()["ReceiptHandle"], VisibilityTimeout=12 * 3600 + 1)


@behaviour(Service.SQS, "Deleting by a receipt whose time is over is no error", api="DeleteMessage")
def test_deleting_by_an_old_receipt_is_no_error(queue: Queue) -> None:
    queue.send("one")
    old = queue.first(hidden=1)["ReceiptHandle"]
    queue.first()
    queue("DeleteMessage", ReceiptHandle=old)


@behaviour(Service.SQS, "A message that was deleted does not come back, and deleting it again is no error", api="DeleteMessage")
def test_a_deleted_message_does_not_come_back(queue: Queue) -> None:
    queue.send("one")
    receipt = queue.first(hidden=1)["ReceiptHandle"]
    queue("DeleteMessage", ReceiptHandle=receipt)
    queue("DeleteMessage", ReceiptHandle=receipt)
    assert queue.receive(wait=2) == []


@behaviour(
    Service.SQS, "A message that was received too often goes to the dead-letter queue, with its id and body", guide=DEAD_LETTERS
)
def test_a_message_received_too_often_becomes_a_dead_letter(here: Here, dead: Queue, alive: Queue) -> None:
    alive.send("poison")
    receives: list[dict[str, Any]] = []

    def letters() -> list[dict[str, Any]]:
        receives.extend(alive.receive(hidden=0))
        return dead.receive()

    found = here.until(letters, "the dead letter")
    assert [each["Attributes"]["ApproximateReceiveCount"] for each in receives] == ["1", "2"]
    assert [(each["Body"], each["MessageId"]) for each in found] == [("poison", receives[0]["MessageId"])]


@behaviour(Service.SQS, "Dead letters can be moved back to where they came from", api="StartMessageMoveTask")
def test_dead_letters_can_be_moved_back(here: Here, dead: Queue, alive: Queue) -> None:
    alive.send("moved")
    here.until(lambda: not alive.receive(hidden=0) and int(dead.attributes()["ApproximateNumberOfMessages"]), "the dead letter")
    here.sqs("StartMessageMoveTask", SourceArn=dead.arn)
    assert alive.first(hidden=600)["Body"] == "moved"
    (task, *_) = here.sqs("ListMessageMoveTasks", SourceArn=dead.arn)["Results"]
    assert task["SourceArn"] == dead.arn


@pytest.fixture
def dead(here: Here) -> Queue:
    """A dead-letter queue."""
    return make_queue(here)


@pytest.fixture
def alive(here: Here, dead: Queue) -> Queue:
    """The queue whose dead letters go there after two receives."""
    return make_queue(here, RedrivePolicy=redrive_to(dead, 2))


@behaviour(Service.SQS, "A long poll ends as soon as there is a message", guide=LONG_POLLS)
def test_a_long_poll_ends_with_the_first_message(queue: Queue) -> None:
    began = time.monotonic()
    sender = threading.Timer(0.3, lambda: queue.send("late"))
    sender.start()
    messages = queue.receive(wait=15)
    sender.join()
    assert [each["Body"] for each in messages] == ["late"]
    assert 0.2 < time.monotonic() - began < 10


@behaviour(Service.SQS, "A long poll of an empty queue lasts as long as was asked for", guide=LONG_POLLS)
def test_a_long_poll_lasts_its_time(standing: Queue) -> None:
    began = time.monotonic()
    assert standing.receive(wait=1) == []
    assert time.monotonic() - began >= 0.9


@behaviour(Service.SQS, "A message of 1 MiB is taken", guide="quotas-messages")
def test_a_message_of_a_mebibyte_is_taken(queue: Queue) -> None:
    queue("SendMessage", MessageBody="x" * MESSAGE_BYTES_MAX)
    assert len(queue.first()["Body"]) == MESSAGE_BYTES_MAX


@behaviour(Service.SQS, "A message of a byte more is refused", guide="quotas-messages")
def test_a_message_of_a_byte_more_is_refused(standing: Queue) -> None:
    with refused(*INVALID):
        standing("SendMessage", MessageBody="x" * (MESSAGE_BYTES_MAX + 1))


@behaviour(Service.SQS, "A batch of more than 1 MiB is refused as a whole", api="SendMessageBatch")
def test_a_batch_of_more_than_a_mebibyte_is_refused(standing: Queue) -> None:
    with refused("BatchRequestTooLong"):
        standing.send("x" * (MESSAGE_BYTES_MAX // 2), "y" * (MESSAGE_BYTES_MAX // 2 + 1))


@behaviour(Service.SQS, "A body with characters that XML does not know is refused", api="SendMessage")
def test_a_body_with_control_characters_is_refused(standing: Queue) -> None:
    with refused(*INVALID):
        standing("SendMessage", MessageBody="a\u0001b")


@behaviour(Service.SQS, "A queue tells how many messages wait and how many are in hand", api="GetQueueAttributes")
def test_a_queue_tells_its_depth(here: Here, queue: Queue) -> None:
    queue.send("one", "two", "three")
    queue.first()
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
    here.until(lambda: [queue.attributes()[name] for name in names] == ["2", "1", "0"], "the depth of a queue")


@behaviour(Service.SQS, "A queue is described as it was declared: numbers as texts, policies as JSON", api="GetQueueAttributes")
def test_a_queue_is_described_as_declared(here: Here, standing: Queue) -> None:
    redrive = redrive_to(standing, 5)
    numbers = {"VisibilityTimeout": "60", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "20"}

    def policy(arn: str) -> dict[str, object]:
        allowed = {"Sid": "one", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        return {"Version": "2012-10-17", "Statement": [{**allowed, "Resource": arn}]}

    queue = make_queue(here, policy=policy, RedrivePolicy=redrive, **numbers)
    here.until(lambda: "Policy" in queue.attributes(), "the policy")
    found = queue.attributes()
    assert {name: found[name] for name in numbers} == numbers
    assert json.loads(found["RedrivePolicy"]) == json.loads(redrive)
    assert json.loads(found["Policy"]) == policy(queue.arn)


@behaviour(Service.SQS, "A queue that is not there is told from one that is", api="GetQueueUrl")
def test_a_queue_that_is_not_there_is_told(here: Here) -> None:
    with refused("QueueDoesNotExist", "NonExistentQueue"):
        here.sqs("GetQueueUrl", QueueName=here.name("missing"))


@behaviour(Service.SQS, "A queue cannot be made again with other attributes", api="CreateQueue")
def test_a_queue_cannot_be_made_again_with_other_attributes(here: Here) -> None:
    name = here.name("queue")
    url = here.sqs("CreateQueue", QueueName=name, Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    assert here.sqs("CreateQueue", QueueName=name, Attributes={"VisibilityTimeout": "5"})["QueueUrl"] == url
    with refused("QueueNameExists", "QueueAlreadyExists"):
        here.sqs("CreateQueue", QueueName=name, Attributes={"VisibilityTimeout": "6"})
