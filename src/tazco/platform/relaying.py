"""The relay: takes events from the outbox to the bus, right after their commit where it can, and by looking where it must."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from tazco.kernel.clock import Clock
from tazco.kernel.ids import NewId
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.bus import Bus, BusDown
from tazco.platform.commands import nobody
from tazco.platform.database import Database, Overloaded
from tazco.platform.metrics import Metrics
from tazco.platform.outage import Outage
from tazco.platform.outbox import OutboxRow
from tazco.platform.publishing import Publisher, Step
from tazco.platform.running import unless_stopped
from tazco.platform.services import Services
from tazco.platform.shards import Shards

LOOK_SECONDS_BUSY: Final = 0.2
LOOK_SECONDS_IDLE: Final = 1.0
BUSY_SECONDS: Final = 10.0
LOOK_JITTER: Final = 0.1
UNEXPECTED_PAUSE_SECONDS: Final = 2.0
WRITES_MAX: Final = 16
"""Marks under way at once: a quarter of the connections that the process has to DynamoDB."""

FINISH_SECONDS_MAX: Final = 7.0
CANCEL_SECONDS_MAX: Final = 1.0
LEAVE_SECONDS_MAX: Final = 3.0
"""Together with the requests of an API in the same process less than the 25 s after which a platform kills."""

DATABASE_FAILURES: Final = (AwsError, AwsUnreachable, Overloaded)

log = structlog.get_logger()


@dataclass(slots=True)
class Relay:
    """One relay of the programme; several share the shards.

    `run` does everything until told to stop. A simulation calls `settle` and `step` itself instead.
    """

    database: Database
    bus: Bus
    clock: Clock
    new_id: NewId
    metrics: Metrics
    traced: bool = False
    rng: random.Random = field(default_factory=random.SystemRandom)
    monotonic: Callable[[], float] = time.monotonic
    shards: Shards = field(init=False)
    _bus_outage: Outage = field(init=False)
    _database_outage: Outage = field(init=False)
    _places: asyncio.Semaphore = field(init=False)
    _publishers: dict[str, tuple[int, Publisher]] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.shards = Shards(self.database, self.clock, self.new_id(), self.rng, self.monotonic)
        self._bus_outage = Outage("event bus", self.rng, self.monotonic)
        self._database_outage = Outage("outbox", self.rng, self.monotonic)
        self._places = asyncio.Semaphore(WRITES_MAX)

    @classmethod
    def of(cls, services: Services) -> "Relay":
        """A relay of a running program."""
        bus = Bus.of(services.aws, services.settings)
        traced = services.settings.trace_events
        return cls(services.database, bus, services.clock, services.new_id, services.metrics, traced)

    def nudge(self, rows: Sequence[OutboxRow]) -> None:
        """Told of events right after their commit. Those of other relays' shards are forgotten: they find them."""
        for row in rows:
            known = self._publishers.get(row.pending_shard or "")
            if known is not None:
                known[1].nudge(row)

    async def settle(self) -> float:
        """Share the shards with the other relays; in how many seconds to do it again."""
        pause = await self.shards.settle()
        for shard in self.shards.leaving:
            if shard not in self._tasks:
                await self._let_go(shard)
        for shard in self.shards.held:
            if (fence := self._fence(shard)) is not None:
                self._publisher(shard, fence)  # from now on it can be nudged
        return pause

    async def step(self, shard: str, *, look: bool = True) -> Step:
        """Publish what may go of a shard; nothing where it is not ours. Raise `BusDown`, or what the database raises."""
        fence = self._fence(shard)
        if fence is None:
            return Step()
        return await self._publisher(shard, fence).step(lambda: self._fence(shard), look=look)

    def _fence(self, shard: str) -> int | None:
        return None if self._stopping.is_set() else self.shards.fence(shard)

    def _publisher(self, shard: str, fence: int) -> Publisher:
        """What this relay remembers of a shard, from this lease on."""
        known = self._publishers.get(shard)
        if known is None or known[0] != fence:
            publisher = Publisher(shard, self.database, self.bus, self.clock, self.metrics, self._places, self.traced)
            known = self._publishers[shard] = (fence, publisher)
        return known[1]

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`; then finish what is under way and give the shards back, within 25 seconds."""
        log.info("relay.started", relay=self.shards.owner)
        try:
            while (pause := await unless_stopped(stop, self._keep_house())) is not None:
                await _rest(stop, pause)
        finally:
            await self._end()
            log.info("relay.stopped", relay=self.shards.owner)

    async def _keep_house(self) -> float:
        """Share the shards and have a task for each; whatever goes wrong, again after a pause."""
        try:
            pause = await self.settle()
        except DATABASE_FAILURES as error:
            self._database_outage.note(error)
            pause = max(LOOK_SECONDS_BUSY, self._database_outage.pause_seconds)
        except Exception:  # a bug in one round must not end the relay for good
            log.exception("relay.unexpected")
            pause = UNEXPECTED_PAUSE_SECONDS
        for shard in self.shards.held:
            if shard not in self._tasks:
                self._tasks[shard] = asyncio.create_task(self._serve(shard), name=f"relay of {shard}")
        return pause

    async def _serve(self, shard: str) -> None:
        """Work a shard for as long as it is ours."""
        look_at = self.monotonic() + self.rng.uniform(0, LOOK_SECONDS_BUSY)
        busy_until = look_at + BUSY_SECONDS
        try:
            while (fence := self._fence(shard)) is not None:
                wake = self._publisher(shard, fence).wake
                now = self.monotonic()
                step = await self._try_step(shard, look=now >= look_at)
                if step is None:
                    await _rest(self._stopping, self._pause_seconds)
                    continue
                busy_until = now + BUSY_SECONDS if step.found else busy_until
                if now >= look_at:
                    pace = LOOK_SECONDS_BUSY if now < busy_until else LOOK_SECONDS_IDLE
                    look_at = now if step.more else now + pace * self.rng.uniform(1 - LOOK_JITTER, 1)
                await _rest(wake, look_at - self.monotonic())
        finally:
            del self._tasks[shard]
            if not self._stopping.is_set():  # whoever stops gives back everything at once
                await self._let_go(shard)

    async def _try_step(self, shard: str, *, look: bool) -> Step | None:
        """A step; None where something is away or went wrong, which is noted."""
        if self._pause_seconds > 0:
            return None
        try:
            step = await self.step(shard, look=look)
        except BusDown as down:
            self._bus_outage.note(down)
        except DATABASE_FAILURES as error:
            self._database_outage.note(error)
        except Exception:  # a bug in one step must not end the work on a shard for good
            log.exception("relay.unexpected", shard=shard)
            await _rest(self._stopping, UNEXPECTED_PAUSE_SECONDS)
        else:
            if step.published:
                self._bus_outage.over()
            if look:
                self._database_outage.over()
            return step
        return None

    @property
    def _pause_seconds(self) -> float:
        return max(self._bus_outage.pause_seconds, self._database_outage.pause_seconds)

    async def _let_go(self, shard: str) -> None:
        """Forget what is known of a shard, and let others have it."""
        self._publishers.pop(shard, None)
        with suppress(*DATABASE_FAILURES):  # the lease then runs out by itself
            await self.shards.give_back(shard)

    async def _end(self) -> None:
        self._stopping.set()
        for _, publisher in self._publishers.values():
            publisher.wake.set()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=FINISH_SECONDS_MAX)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_SECONDS_MAX)
        try:
            async with asyncio.timeout(LEAVE_SECONDS_MAX):
                await self.shards.leave()
        except TimeoutError:
            log.warning("relay.leases_kept", relay=self.shards.owner)


async def _rest(until: asyncio.Event, seconds: float) -> None:
    """Wait for so long, or until the event; at least until others have had their turn."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()


@asynccontextmanager
async def relaying(services: Services) -> AsyncIterator[Relay]:
    """A relay in this process, told of its commits; on leaving it finishes what is under way."""
    relay = Relay.of(services)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop), name="relay")
    services.commands.committed = relay.nudge
    try:
        yield relay
    finally:
        services.commands.committed = nobody
        stop.set()
        await running
