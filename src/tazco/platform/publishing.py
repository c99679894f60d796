"""Publishing: the pending events of one shard to the bus, each stream in its order, and what became of each written down."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from tazco.kernel.clock import Clock
from tazco.platform.backlog import FRESH, Backlog, Held, StreamKey, stream_of
from tazco.platform.bus import ENTRIES_MAX, Bus, BusDown, Verdict
from tazco.platform.codec import Item, Undecodable
from tazco.platform.database import Database
from tazco.platform.marks import mark_published, mark_refused, refused
from tazco.platform.metrics import Metrics
from tazco.platform.outbox import OUTBOX, PENDING_EVENTS, OutboxRow
from tazco.platform.tables import EntriesOf, Key

INBOX_ROWS_MAX: Final = 1_000
REMEMBERED_MAX: Final = 4_096
PAGE_ENTRIES: Final = 500
LOOK_ENTRIES_MAX: Final = 10_000
LOOK_ROWS_MAX: Final = 500
BACKLOG_ROWS_MAX: Final = 10_000
STEP_EVENTS_MAX: Final = 1_000
STEP_SECONDS_MAX: Final = 1.0
"""Then a step ends and the next begins, so that under steady load marks are waited for and the index is looked at."""

Lease = Callable[[], int | None]
"""The fence under which to go on; None: begin nothing more."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a step: how many events went out, whether the index named unknown ones, and whether it has more to tell at once."""

    published: int = 0
    found: bool = False
    more: bool = False


@dataclass(slots=True)
class Publisher:
    """Works one shard under one lease. One `step` at a time; `nudge` at any time.

    What it remembers may be lost at any moment without harm: the index names what is pending, the rows say what came before what.
    """

    shard: str
    database: Database
    bus: Bus
    clock: Clock
    metrics: Metrics
    places: asyncio.Semaphore
    traced: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _inbox: deque[OutboxRow] = field(default_factory=deque)
    _backlog: Backlog = field(default_factory=Backlog)
    _sent: OrderedDict[str, datetime] = field(default_factory=OrderedDict)
    _unmarked: dict[str, tuple[OutboxRow, datetime]] = field(default_factory=dict)
    _writes: list[asyncio.Task[None]] = field(default_factory=list)
    _resume: Item | None = None
    _named: set[str] = field(default_factory=set)
    _published: int = 0
    _unreadable: set[str] = field(default_factory=set)

    def nudge(self, row: OutboxRow) -> None:
        """An event that was committed just now; forgotten where too many wait."""
        if len(self._inbox) < INBOX_ROWS_MAX:
            self._inbox.append(row)
            self.wake.set()

    async def step(self, lease: Lease, *, look: bool) -> Step:
        """Publish what may go: what was nudged, what waited and, with `look`, what the index names.

        Raise `BusDown`, or what the database raises; no event suffers from it.
        """
        for row, sent_at in list(self._unmarked.values()):
            self._write(self._mark(row, sent_at))
        await self._written()
        found = await self._look() if look else False
        before = self._published
        try:
            await self._publish(lease)
        finally:
            await self._written()
        return Step(self._published - before, found, found and self._resume is not None)

    async def _look(self) -> bool:
        """Go on through the index, oldest first, until enough is new or the end is reached; whether anything was new.

        A look ends where the next one begins, so that whatever waits at the head hides nothing for long.
        """
        now, unknown, entries = self.clock(), list[str](), 0
        question = EntriesOf(OUTBOX, PENDING_EVENTS, self.shard)
        async for entry in self.database.query(question, start=self._resume, page_rows=PAGE_ENTRIES):
            entries += 1
            self._resume, event_id = entry, entry["eventId"]["S"]
            self._named.add(event_id)
            if not self._knows(event_id, now):
                unknown.append(event_id)
            if len(unknown) >= LOOK_ROWS_MAX or entries >= LOOK_ENTRIES_MAX:
                break
        else:
            self._backlog.prune(self._named, now)
            self._resume, self._named = None, set()
        found = False
        for row in await self._read(unknown):
            if row.pending_shard == self.shard:
                self._backlog.add(row, now)
                found = True
        return found

    async def _read(self, event_ids: list[str]) -> tuple[OutboxRow, ...]:
        """The rows that can be read. One that cannot, as another program may leave it, is told once and holds back its own followers."""

        def broken(key: Key, error: Undecodable) -> None:
            if key[0] not in self._unreadable:
                self._unreadable.add(key[0])
                log.error("relay.unreadable", event_id=key[0], shard=self.shard, error=str(error))

        rows = await self.database.rows(OUTBOX, [(event_id,) for event_id in event_ids], broken=broken)
        self._unreadable.difference_update(row.event_id for row in rows)
        return rows

    def _knows(self, event_id: str, now: datetime) -> bool:
        """Held, or sent: the index lags. One that it still names later may have been called back by an operator."""
        sent_at = self._sent.get(event_id)
        return event_id in self._backlog or (sent_at is not None and now - sent_at < FRESH)

    async def _publish(self, lease: Lease) -> None:
        """Wave after wave: of each stream at most one event is under way, and the next only once the bus has taken it."""
        self._take_in()
        streams, clock = self._backlog.streams(), asyncio.get_running_loop().time
        until = clock() + STEP_SECONDS_MAX
        while ready := await self._ready(streams):
            streams = set()
            for start in range(0, len(ready), ENTRIES_MAX):
                if len(self._writes) >= STEP_EVENTS_MAX or (self._writes and clock() >= until):
                    self.wake.set()
                    return
                if (fence := lease()) is None:
                    return
                streams |= await self._put(ready[start : start + ENTRIES_MAX], fence)
                streams |= self._take_in()
        self._bound()

    def _take_in(self) -> set[StreamKey]:
        """Move the inbox into the backlog; the streams that this concerns."""
        self.wake.clear()
        now, streams = self.clock(), set[StreamKey]()
        while self._inbox:
            row = self._inbox.popleft()
            if row.event_id not in self._sent:
                streams.add(self._backlog.add(row, now))
        return streams

    def _bound(self) -> None:
        if len(self._backlog) > BACKLOG_ROWS_MAX:
            log.warning("relay.backlog_forgotten", shard=self.shard, events=len(self._backlog))
            self._backlog.clear()

    async def _ready(self, streams: Iterable[StreamKey]) -> list[OutboxRow]:
        """The events that may go now, oldest first, at most one of each stream."""
        now = self.clock()
        while unknown := [held for held in self._due(streams, now) if not self._may_judge(held, now)]:
            await self._look_up(unknown, now)
        ready: list[OutboxRow] = []
        for held in self._due(streams, now):
            if held.row.next_retry_at is not None and held.row.next_retry_at > now:
                held.wait(now)
            else:
                ready.append(held.row)
        return sorted(ready, key=lambda row: (row.occurred_at, row.sequence))

    def _due(self, streams: Iterable[StreamKey], now: datetime) -> list[Held]:
        return [held for held in self._backlog.heads(streams) if held.look_at <= now]

    def _may_judge(self, held: Held, now: datetime) -> bool:
        """Without a read: the row is as it was, and its predecessor has left."""
        previous = held.row.previous_event_id
        return held.fresh(now) and (held.clear or previous is None or previous in self._sent)

    async def _look_up(self, unknown: list[Held], now: datetime) -> None:
        """Read predecessors, and rows that were read too long ago, in one consistent batch; each is then clear, waiting or gone."""
        ids = {held.row.event_id for held in unknown if not held.fresh(now)}
        ids |= {held.row.previous_event_id for held in unknown if held.row.previous_event_id and not held.clear}
        rows = {row.event_id: row for row in await self._read(sorted(ids))}
        for held in unknown:
            if not held.fresh(now):
                current = rows.get(held.row.event_id)
                if current is None or current.pending_shard != self.shard:
                    self._backlog.drop(held.row.event_id)
                    continue
                held.row, held.read_at = current, now
            self._judge_predecessor(held, rows.get(held.row.previous_event_id or ""), now)

    def _judge_predecessor(self, held: Held, previous: OutboxRow | None, now: datetime) -> None:
        """A row that is not there left long ago. One that is pending goes first, whether the index names it or not."""
        if held.row.previous_event_id in self._unreadable:
            held.wait(now)
            return
        if held.clear or previous is None or not previous.pending or previous.event_id in self._sent:
            held.clear = True
            return
        if previous.pending_shard == self.shard:
            self._backlog.add(previous, now)
        held.wait(now)

    async def _put(self, batch: list[OutboxRow], fence: int) -> set[StreamKey]:
        """Send one batch and judge each event; the streams that moved on."""
        try:
            verdicts = await self.bus.put(batch)
        except BusDown as down:
            self._judge(batch, down.verdicts, fence)
            raise
        return self._judge(batch, verdicts, fence)

    def _judge(self, batch: list[OutboxRow], verdicts: Iterable[Verdict], fence: int) -> set[StreamKey]:
        now, moved = self.clock(), set[StreamKey]()
        for row, verdict in zip(batch, verdicts, strict=False):  # an outage leaves the last ones unjudged
            if verdict.accepted:
                moved.add(self._accepted(row, now))
            else:
                self._refused(row, refused(row, verdict, fence, now), now)
        return moved

    def _accepted(self, row: OutboxRow, now: datetime) -> StreamKey:
        stream = stream_of(row)
        self._sent[row.event_id] = now
        while len(self._sent) > REMEMBERED_MAX:
            self._sent.popitem(last=False)
        self._backlog.drop(row.event_id)
        following = self._backlog.head(stream)
        if following is not None and following.row.previous_event_id == row.event_id:
            following.clear, following.look_at = True, now
        self._published += 1
        self.metrics.published.inc()
        self.metrics.publish_delay.observe((now - row.occurred_at).total_seconds())
        self._unmarked[row.event_id] = (row, now)
        self._write(self._mark(row, now))
        return stream

    def _refused(self, before: OutboxRow, after: OutboxRow, now: datetime) -> None:
        self.metrics.publish_retries.inc()
        held = self._backlog.get(before.event_id)
        if after.dead:
            self._backlog.drop(before.event_id)
        elif held is not None:
            held.row, held.read_at = after, now
            held.wait(now)
        self._write(self._note(before, after))

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        self._writes.append(asyncio.create_task(work))

    async def _written(self) -> None:
        """Wait for every write of this step; raise what the first failed with."""
        outcomes = await asyncio.gather(*self._writes, return_exceptions=True)
        self._writes.clear()
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _mark(self, row: OutboxRow, sent_at: datetime) -> None:
        async with self.places:
            await mark_published(self.database, row, sent_at, traced=self.traced)
        del self._unmarked[row.event_id]

    async def _note(self, before: OutboxRow, after: OutboxRow) -> None:
        """Write a refusal down; where that fails the row is read again before anything is done with it."""
        written = False
        try:
            async with self.places:
                written = await mark_refused(self.database, before, after)
        finally:
            if not written:
                self._backlog.drop(before.event_id)
        if written and after.dead:
            log.error(
                "relay.dead_letter",
                event_id=after.event_id,
                event_type=after.event_type,
                aggregate_type=after.aggregate_type,
                aggregate_id=after.aggregate_id,
                sequence=after.sequence,
                error=after.last_error,
            )
