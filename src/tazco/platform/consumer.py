"""The consumer: takes events from one queue, lets the reactions react, and deletes what has had its effect."""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

import structlog

from tazco.platform.envelopes import Poison, envelope_of
from tazco.platform.messaging import RECEIVES_MAX, queue_name
from tazco.platform.queues import BATCH_MAX, Left, Message, Queue
from tazco.platform.reactions import Envelope, Reactions
from tazco.platform.running import may_pass, reason_of, tell_failure, unless_stopped, within
from tazco.platform.services import Services

BACKOFF_BASE_SECONDS: Final = 0.1
BACKOFF_MAX_SECONDS: Final = 10.0
DOUBLINGS_MAX: Final = 10
GIVE_BACK_SECONDS_MAX: Final = 3.0
CANCEL_SECONDS_MAX: Final = 1.0
OUTAGE_GROWTH: Final = 8
"""Up to 2, 16, 128, 1024 s between receives: a short failure costs seconds, and an outage of minutes makes no dead letters."""

BUG_GROWTH: Final = 2
"""2, 4, 8, 16 s: what we broke ourselves will not heal by waiting."""

NO_DEAD_LETTERS_SECONDS: Final = 60
"""After one receive too many: the queue lost its redrive policy, and what it cannot get rid of must not keep us busy."""

UNKNOWN: Final = "unknown"
"""Stands in metrics for a type that nobody declared: whoever can send must not invent time series."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much at once and how long.

    What a killed process held stays hidden for `hidden_seconds`, and the poll that it left behind may still take messages along for
    `poll_seconds`: together they bound the delay. What is in hand for longer is hidden again every `extend_seconds`.
    """

    concurrency: int = 10
    poll_seconds: int = 5
    hidden_seconds: int = 20
    extend_seconds: float = 10.0
    handler_seconds_max: float = 45.0
    finish_seconds_max: float = 20.0
    retry_seconds: float = 2.0


@dataclass(slots=True)
class Consumer:
    """One queue's worth of reactions. At least once, in no certain order: dedupe is the reactions' affair.

    Events of one aggregate that are in hand together are handled one after the other by `sequence`; one that fails does not hold
    back the next. Different aggregates go in parallel, `concurrency` at a time, while the next batch waits in hand.
    """

    queue: Queue
    reactions: Reactions
    services: Services
    pace: Pace = Pace()
    rng: random.Random = field(default_factory=random.SystemRandom)
    _places: asyncio.Semaphore = field(init=False)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _in_hand: dict[str, Message] = field(default_factory=dict)
    _streams: dict[tuple[str, str], list[tuple[int, int, Message, Envelope]]] = field(default_factory=dict)
    _arrivals: "count[int]" = field(default_factory=count)
    _handled: list[Message] = field(default_factory=list)
    _deleting: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _failures: int = 0

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.pace.concurrency)
        self._room.set()

    @classmethod
    def of(cls, services: Services, reactions: Reactions) -> "Consumer":
        """The consumer of the queue that provisioning made for these reactions."""
        return cls(Queue(services.aws, queue_name(services.settings, reactions.subscription)), reactions, services)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; then give back what has not begun, let the rest finish, give back what did not."""
        extending = asyncio.create_task(self._keep_hidden(), name=f"extend {self.queue.name}")
        try:
            while not stop.is_set():
                for message in await unless_stopped(stop, self._next_batch()) or ():
                    self._take(message)
        finally:
            await self._finish()
            extending.cancel()
            await asyncio.gather(extending, return_exceptions=True)
            await self._give_back(list(self._in_hand.values()))

    async def _next_batch(self) -> list[Message]:
        await self._room.wait()
        try:
            batch = await self.queue.receive(wait_seconds=self.pace.poll_seconds, hidden_seconds=self.pace.hidden_seconds)
        except Exception as error:  # noqa: BLE001  # told with its traceback where it is a bug; a queue must not stay unread
            if not self._failures:
                tell_failure("consumer.receive_failed", error, queue=self.queue.name)
            self._failures += 1
            longest = min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(self._failures, DOUBLINGS_MAX))
            await asyncio.sleep(self.rng.uniform(0, longest))
            return []
        if self._failures:
            log.info("consumer.receives_again", queue=self.queue.name, failures=self._failures)
        self._failures = 0
        return batch

    def _take(self, message: Message) -> None:
        self._in_hand[message.receipt] = message
        if len(self._in_hand) > self.pace.concurrency:
            self._room.clear()
        try:
            event = envelope_of(message.body, self.services.settings.event_source)
        except Poison as fault:
            self._spawn(self._reject(message, str(fault)))
            return
        envelope = replace(event, queued_at=message.sent_at, receives=message.receives)
        stream = (envelope.aggregate_type, envelope.aggregate_id)
        if stream not in self._streams:
            self._streams[stream] = []
            self._spawn(self._handle_in_order(stream))
        heappush(self._streams[stream], (envelope.sequence, next(self._arrivals), message, envelope))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _release(self, message: Message) -> None:
        self._in_hand.pop(message.receipt, None)
        if len(self._in_hand) <= self.pace.concurrency:
            self._room.set()

    async def _handle_in_order(self, stream: tuple[str, str]) -> None:
        waiting = self._streams[stream]
        try:
            while waiting:
                async with self._places:
                    if waiting:  # given back in the meantime
                        _, _, message, envelope = heappop(waiting)
                        if await self._handle(message, envelope):
                            self._delete_soon(message)
        finally:
            del self._streams[stream]

    async def _handle(self, message: Message, envelope: Envelope) -> bool:
        """Whether the message has had its effect and can go; nothing but a cancellation is raised."""
        react = self.reactions.react.get(envelope.event_type)
        # the correlation id goes by the name that it has in the log of the request that began it all
        with structlog.contextvars.bound_contextvars(event_id=envelope.event_id, request_id=envelope.correlation_id):
            if react is None:  # during a deployment a newer worker may know it; it is not ours to throw away
                log.warning("consumer.nobody_reacts", queue=self.queue.name, event_type=envelope.event_type)
                self._count(UNKNOWN, "ignored")
                pause = self.pace.retry_seconds * OUTAGE_GROWTH ** (min(message.receives, RECEIVES_MAX) - 1)
                await self._put_off(message, f"nobody reacts to {envelope.event_type}", pause)
                return False
            try:
                await within(self.pace.handler_seconds_max, react(self.services, envelope))
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise  # we are being stopped; anything else was cancelled inside of the reaction
                self._count(envelope.event_type, "failed")
                await self._retry_later(message, RuntimeError("something that the reaction waited for was cancelled"))
                return False
            except Exception as error:  # noqa: BLE001  # told with its traceback where it is a bug; the message comes back
                self._count(envelope.event_type, "failed")
                await self._retry_later(message, error)
                return False
        self._count(envelope.event_type, "handled")
        return True

    async def _retry_later(self, message: Message, error: Exception) -> None:
        tell_failure("consumer.failed", error, queue=self.queue.name, message_id=message.message_id, receives=message.receives)
        growth = OUTAGE_GROWTH if may_pass(error) else BUG_GROWTH
        retries = min(message.receives, RECEIVES_MAX) - 1
        await self._put_off(message, reason_of(error), self.pace.retry_seconds * growth**retries)

    async def _reject(self, message: Message, reason: str) -> None:
        """Let it come back at once, until it has come so often that the queue makes it a dead letter."""
        self._count(UNKNOWN, "poison")
        log.warning(
            "consumer.poison", queue=self.queue.name, message_id=message.message_id, reason=reason, receives=message.receives
        )
        await self._put_off(message, reason, 0)

    async def _put_off(self, message: Message, reason: str, seconds: float) -> None:
        if message.receives >= RECEIVES_MAX:
            log.error("consumer.dead_letter", queue=self.queue.name, message_id=message.message_id, reason=reason)
            seconds = 0 if message.receives == RECEIVES_MAX else NO_DEAD_LETTERS_SECONDS
        self._release(message)  # first, so that nobody extends it meanwhile
        pause = round(seconds * self.rng.uniform(0.5, 1))
        await self._settle("consumer.not_put_off", [message], self.queue.hide([message], pause))

    def _delete_soon(self, message: Message) -> None:
        """Delete it together with whatever else is handled while the deletion before it is under way."""
        self._handled.append(message)
        if not self._deleting:
            self._deleting = True
            self._spawn(self._delete_handled())

    async def _delete_handled(self) -> None:
        try:
            while batch := self._handled[:BATCH_MAX]:
                del self._handled[: len(batch)]
                await self._settle("consumer.not_deleted", batch, self.queue.delete(batch))
                for message in batch:
                    self._release(message)
        finally:
            self._deleting = False

    async def _settle(self, event: str, messages: Sequence[Message], call: Coroutine[Any, Any, Left[Message]]) -> None:
        """What the queue does not take comes back when its time of hiding is over, and is handled again: that is all to know."""
        try:
            for message, reason in await call:
                log.warning(event, queue=self.queue.name, message_id=message.message_id, reason=reason)
        except Exception as error:  # noqa: BLE001  # told with its traceback where it is a bug
            tell_failure(event, error, queue=self.queue.name, messages=len(messages))

    async def _keep_hidden(self) -> None:
        while True:
            await asyncio.sleep(self.pace.extend_seconds)
            if held := list(self._in_hand.values()):
                await self._settle("consumer.not_extended", held, self.queue.hide(held, self.pace.hidden_seconds))

    async def _finish(self) -> None:
        unbegun = [message for waiting in self._streams.values() for _, _, message, _ in waiting]
        for waiting in self._streams.values():
            waiting.clear()
        self._spawn(self._give_back(unbegun))
        with suppress(TimeoutError):
            async with asyncio.timeout(self.pace.finish_seconds_max):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS_MAX)

    async def _give_back(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        log.info("consumer.gives_back", queue=self.queue.name, messages=len(messages))
        await self._settle("consumer.not_given_back", messages, within(GIVE_BACK_SECONDS_MAX, self.queue.hide(messages, 0)))
        for message in messages:
            self._release(message)

    def _count(self, event_type: str, outcome: str) -> None:
        self.services.metrics.reactions.labels(event_type, outcome).inc()
