"""Queues over the narrow client: batches of ten, and each entry of an answer judged on its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from tazco.kernel.errors import Unavailable
from tazco.platform.aws import Aws, AwsError
from tazco.platform.messaging import LONG_POLL_SECONDS

BATCH_MAX: Final = 10
BATCH_BYTES_MAX: Final = 1_048_576
MOVE_POLL_SECONDS: Final = 1
"""Long enough for SQS to ask all its servers: a poll without waiting asks a few, and may find a full queue empty."""

ATTRIBUTES: Final = ("ApproximateReceiveCount", "SentTimestamp")
DEPTHS: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
NOT_THERE: Final = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})

T = TypeVar("T")
Left = list[tuple[T, str]]
"""What the queue did not take, each with its reason; empty when all went well."""

log = structlog.get_logger()


class NoQueue(Unavailable):
    """There is no queue of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no queue {name!r}. Run `tazco provision`.")


class NotMoved(Exception):
    """The target took not all of a batch; what it did not take is still where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in hand. `receives` counts how often it was handed out, this time included; `receipt` stands for this time."""

    message_id: str
    receipt: str
    body: str
    receives: int
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many messages a queue holds, approximately: ready to be received, in somebody's hand, not ready yet."""

    waiting: int
    in_hand: int
    delayed: int


@dataclass(slots=True)
class Queue:
    """One queue, found by its name. Every method raises `AwsError`, `AwsUnreachable` or `NoQueue`."""

    aws: Aws
    name: str
    _url: str | None = None

    async def receive(
        self, *, at_most: int = BATCH_MAX, wait_seconds: int = LONG_POLL_SECONDS, hidden_seconds: int | None = None
    ) -> list[Message]:
        """Up to ten messages, as soon as there are any, none after `wait_seconds`; nobody else sees them for `hidden_seconds`.

        Sent once: whoever polls goes on polling, and knows best when. A poll that is given up may still take messages along.
        """
        arguments = {"MaxNumberOfMessages": at_most, "WaitTimeSeconds": wait_seconds, "MessageSystemAttributeNames": ATTRIBUTES}
        if hidden_seconds is not None:
            arguments["VisibilityTimeout"] = hidden_seconds
        reply = await self._call("ReceiveMessage", arguments, attempts_max=1, answer_after_seconds=wait_seconds)
        return [_message(entry) for entry in reply.get("Messages") or ()]

    async def delete(self, messages: Sequence[Message]) -> Left[Message]:
        """Delete for good; what is left comes back when its time of hiding is over."""
        entries = [{"ReceiptHandle": message.receipt} for message in messages]
        return await self._in_batches("DeleteMessageBatch", messages, entries)

    async def hide(self, messages: Sequence[Message], seconds: int) -> Left[Message]:
        """Hide for so long from now on; 0 gives back at once. What is left keeps the time that it had."""
        entries = [{"ReceiptHandle": message.receipt, "VisibilityTimeout": seconds} for message in messages]
        return await self._in_batches("ChangeMessageVisibilityBatch", messages, entries)

    async def send(self, bodies: Sequence[str]) -> Left[str]:
        """Put messages into the queue, at least once each."""
        return await self._in_batches("SendMessageBatch", bodies, [{"MessageBody": body} for body in bodies])

    async def depth(self) -> Depth:
        """How many messages there are."""
        reply = await self._call("GetQueueAttributes", {"AttributeNames": DEPTHS})
        waiting, in_hand, delayed = (int(reply.get("Attributes", {}).get(name, 0)) for name in DEPTHS)
        return Depth(waiting=waiting, in_hand=in_hand, delayed=delayed)

    async def _in_batches(self, operation: str, things: Sequence[T], entries: Sequence[dict[str, Any]]) -> Left[T]:
        left: Left[T] = []
        for first, last in _batches([len(entry.get("MessageBody", "").encode()) for entry in entries]):
            numbered = [{"Id": str(number), **entries[number]} for number in range(first, last)]
            reply = await self._call(operation, {"Entries": numbered})
            taken = {entry["Id"] for entry in reply.get("Successful") or ()}
            reasons = {entry["Id"]: f"{entry['Code']}: {entry.get('Message', '')}" for entry in reply.get("Failed") or ()}
            missed = [number for number in range(first, last) if str(number) not in taken]
            left += [(things[number], reasons.get(str(number), "the answer does not mention it")) for number in missed]
        return left

    async def _call(self, operation: str, arguments: Mapping[str, Any], **how: Any) -> dict[str, Any]:
        try:
            if self._url is None:
                self._url = (await self.aws.call("sqs", "GetQueueUrl", {"QueueName": self.name}))["QueueUrl"]
            return await self.aws.call("sqs", operation, {"QueueUrl": self._url, **arguments}, **how)
        except AwsError as error:
            if error.code not in NOT_THERE:
                raise
            raise NoQueue(self.name) from error


def _message(entry: Mapping[str, Any]) -> Message:
    attributes = entry["Attributes"]
    return Message(
        message_id=entry["MessageId"],
        receipt=entry["ReceiptHandle"],
        body=entry["Body"],
        receives=int(attributes["ApproximateReceiveCount"]),
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
    )


def _batches(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From where to where each batch goes: at most ten entries, at most 1 MiB together."""
    first = total = 0
    for number, size in enumerate(sizes):
        if number > first and (number - first == BATCH_MAX or total + size > BATCH_BYTES_MAX):
            yield first, number
            first, total = number, 0
        total += size
    if sizes:
        yield first, len(sizes)


async def move(source: Queue, target: Queue, at_most: int) -> int:
    """Move up to so many messages, as redriving a dead-letter queue wants it; tell how many.

    A message is deleted after it has been sent: whatever happens in between, it is in one of the queues, or in both. Raise `NotMoved`
    as soon as the target refuses one.
    """
    moved = 0
    while moved < at_most:
        batch = await source.receive(at_most=min(BATCH_MAX, at_most - moved), wait_seconds=MOVE_POLL_SECONDS)
        if not batch:
            break
        refused = dict(await target.send([message.body for message in batch]))
        sent = [message for message in batch if message.body not in refused]
        moved += len(sent)
        for message, reason in await source.delete(sent) if sent else ():
            log.warning("queue.moved_but_not_deleted", queue=source.name, message_id=message.message_id, reason=reason)
        if refused:
            await source.hide([message for message in batch if message.body in refused], 0)
            reason = next(iter(refused.values()))
            raise NotMoved(f"{moved} messages moved; then {target.name} refused one ({reason}). It is still in {source.name}.")
    return moved
