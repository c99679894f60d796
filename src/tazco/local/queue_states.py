"""What is in the queues: messages that wait, dead letters and how old they are; and dead letters sent back to their queue."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tazco.platform.aws import Aws
from tazco.platform.messaging import (
    DEAD_LETTER_SUFFIX,
    Subscription,
    dead_letter_name,
    every_queue,
    queue_name,
    undelivered_name,
)
from tazco.platform.queues import Queue, move
from tazco.platform.settings import Names

PEEK_SECONDS: Final = 1
MOVED_AT_ONCE_MAX: Final = 50


class NotRedrivable(Exception):
    """Nothing can be sent back from there; the message says what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue, approximately. `dead` says that it holds dead letters, `oldest_seconds` how old the oldest of them is."""

    name: str
    dead: bool
    waiting: int
    in_flight: int
    delayed: int
    oldest_seconds: int | None = None


async def queue_states(aws: Aws, names: Names, subscriptions: Sequence[Subscription], now: datetime) -> list[QueueState]:
    """Each queue with its dead letters behind it, and at last what the bus could not deliver."""
    places = every_queue(names, subscriptions)
    return await asyncio.gather(*(_state(Queue(aws, name), now, dead=dead) for name, dead in places))


async def _state(queue: Queue, now: datetime, *, dead: bool) -> QueueState:
    depth = await queue.depth()
    oldest = await _oldest_seconds(queue, now) if dead and depth.waiting else None
    return QueueState(
        name=queue.name,
        dead=dead,
        waiting=depth.waiting,
        in_flight=depth.in_hand,
        delayed=depth.delayed,
        oldest_seconds=oldest,
    )


async def _oldest_seconds(queue: Queue, now: datetime) -> int | None:
    """Of ten dead letters the oldest. Looking counts as a receipt, which sends messages of a working queue to their end, not these."""
    seen = await queue.receive(wait_seconds=PEEK_SECONDS, hidden_seconds=0)
    return max((int((now - message.sent_at).total_seconds()) for message in seen), default=None)


def redrivable(names: Names, subscriptions: Sequence[Subscription], given: str) -> tuple[str, str]:
    """From where to where the dead letters of a queue go; it may be named with or without prefix and suffix.

    Raise `NotRedrivable` for a queue that we do not have.
    """
    wanted = given.removesuffix(DEAD_LETTER_SUFFIX)
    if wanted in ("undelivered", undelivered_name(names)):
        raise NotRedrivable(
            f"{given} holds events that the bus could put into no queue, and no queue is theirs alone. Correct the rules with "
            "`tazco provision`, then send the events again with `tazco events replay`."
        )
    for subscription in subscriptions:
        if wanted in (subscription.queue, queue_name(names, subscription)):
            return dead_letter_name(names, subscription), queue_name(names, subscription)
    known = ", ".join(subscription.queue for subscription in subscriptions)
    raise NotRedrivable(f"There is no queue {given!r}. There are: {known}.")


async def dead_letters(aws: Aws, source: str) -> int:
    """How many there are to redrive."""
    return (await Queue(aws, source).depth()).waiting


async def redrive(aws: Aws, source: str, target: str, count: int, advance: Callable[[int], None]) -> int:
    """Send back up to `count` dead letters; tell how many went. Those that fail again meanwhile are not sent twice for ever."""
    moved = 0
    while moved < count:
        step = await move(Queue(aws, source), Queue(aws, target), min(MOVED_AT_ONCE_MAX, count - moved))
        if not step:
            break
        moved += step
        advance(step)
    return moved
