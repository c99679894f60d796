"""What is in the queues, for people who look again and again: asked at once, not waited for long, remembered for moments."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tazco.platform.aws import Aws, AwsError, AwsUnreachable
from tazco.platform.messaging import Subscription, every_queue
from tazco.platform.queues import Depth, NoQueue, Queue
from tazco.platform.settings import Names

ANSWER_SECONDS_MAX: Final = 1.0
REMEMBERED_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One queue; `dead` says that it holds dead letters. `depth` is None where the queue did not answer in time."""

    name: str
    dead: bool
    depth: Depth | None


@dataclass(slots=True)
class QueueWatch:
    """Looks into every queue of these subscriptions; looks of many people within moments are one."""

    subscriptions: Sequence[Subscription]
    _seen: tuple[Seen, ...] = ()
    _until: float = 0.0

    async def look(self, aws: Aws, names: Names) -> tuple[Seen, ...]:
        """Each queue before its dead letters, at last what the bus could not deliver."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            places = every_queue(names, self.subscriptions)
            self._seen = tuple(await asyncio.gather(*(_seen(Queue(aws, name), dead=dead) for name, dead in places)))
            self._until = now + REMEMBERED_SECONDS
        return self._seen


async def _seen(queue: Queue, *, dead: bool) -> Seen:
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return Seen(name=queue.name, dead=dead, depth=await queue.depth())
    except (TimeoutError, AwsError, AwsUnreachable, NoQueue):
        return Seen(name=queue.name, dead=dead, depth=None)
