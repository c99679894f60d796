"""Sending events again that were sent before: chosen by aggregate, type and time; each aggregate's in the order of its sequence."""

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tazco.kernel.clock import from_text
from tazco.platform.bus import ENTRIES_MAX, Bus, BusDown, Verdict
from tazco.platform.database import Database
from tazco.platform.outbox import OUTBOX, OutboxRow

ATTEMPTS_MAX: Final = 5
PAUSE_SECONDS: Final = 0.5
Stream = tuple[str, str]
"""Type and id of an aggregate."""

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class NothingChosen(Exception):
    """The options choose no events, or cannot be understood; the message says the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """Whose events: `card/0190…`."""

    type: str
    id: str

    @classmethod
    def parse(cls, text: str) -> "Aggregate":
        """Read `TYPE/ID`; the id may contain slashes."""
        kind, slash, name = text.partition("/")
        if not (kind and slash and name):
            raise NothingChosen(f"{text!r} names no aggregate. Write TYPE/ID, for example card/0190….")
        return cls(type=kind, id=name)


def instant_of(text: str, now: datetime) -> datetime:
    """Read `2031-04-05T06:07Z` or `2031-04-05` (UTC unless it has a zone), or how long ago: `90s`, `30m`, `2h`, `3d`."""
    number, unit = text[:-1], text[-1:]
    try:
        if number.isdecimal() and unit in UNITS:
            return now - timedelta(**{UNITS[unit]: int(number)})
        return from_text(text)
    except (ValueError, OverflowError):
        raise NothingChosen(f"{text!r} is no time. Write 2031-04-05T06:07Z, or how long ago: 90s, 30m, 2h, 3d.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which events: all that meet every condition given. `since` is included, `until` is not."""

    aggregate: Aggregate | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if (self.aggregate, self.type, self.since, self.until) == (None, None, None, None):
            raise NothingChosen("Say which events: give --aggregate, --type, --since or --until.")

    def covers(self, row: OutboxRow) -> bool:
        """Sent, and among those meant."""
        return (
            not row.pending
            and self.aggregate in (None, Aggregate(type=row.aggregate_type, id=row.aggregate_id))
            and self.type in (None, row.event_type)
            and (self.since is None or row.occurred_at >= self.since)
            and (self.until is None or row.occurred_at < self.until)
        )


@dataclass(frozen=True, slots=True, order=True)
class Sent:
    """An event that was sent; ordered by sequence, which only means something within one aggregate."""

    sequence: int
    occurred_at: datetime
    event_id: str
    event_type: str
    aggregate_type: str
    aggregate_id: str


async def chosen(database: Database, choice: Choice) -> list[Sent]:
    """Every event in question that the outbox still has; it forgets them seven days after they were sent."""
    found: list[Sent] = []
    async for item in database.scan(OUTBOX):
        row = OUTBOX.codec.decode(item)
        if choice.covers(row):
            found.append(Sent(row.sequence, row.occurred_at, row.event_id, row.event_type, row.aggregate_type, row.aggregate_id))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The events of one type among those chosen."""

    type: str
    events: int
    aggregates: int
    first: datetime
    last: datetime


def by_type(found: Sequence[Sent]) -> list[Chosen]:
    """What has been chosen, so that somebody can say yes or no to it."""
    kinds: defaultdict[str, list[Sent]] = defaultdict(list)
    for event in found:
        kinds[event.event_type].append(event)
    return [
        Chosen(
            type=kind,
            events=len(each),
            aggregates=len({(event.aggregate_type, event.aggregate_id) for event in each}),
            first=min(event.occurred_at for event in each),
            last=max(event.occurred_at for event in each),
        )
        for kind, each in sorted(kinds.items())
    ]


@dataclass(slots=True)
class Outcome:
    """What came of a replay. `refused` are the events at which an aggregate stopped, with the reasons; its later ones were not sent.

    `gone` are those that the outbox forgot meanwhile; `stopped` says why all of it ended early.
    """

    sent: int = 0
    gone: int = 0
    refused: list[tuple[Sent, str]] = field(default_factory=list)
    stopped: str | None = None


@dataclass(slots=True)
class Replay:
    """Sends events once more under the same ids, at most one of an aggregate a call: the bus judges each entry on its own."""

    database: Database
    bus: Bus
    advance: Callable[[int], None]
    pause_seconds: float = PAUSE_SECONDS
    outcome: Outcome = field(default_factory=Outcome)
    _streams: dict[Stream, deque[Sent]] = field(default_factory=dict)
    _heads: list[tuple[datetime, str, Stream]] = field(default_factory=list)
    _attempts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def run(self, events: Iterable[Sent]) -> Outcome:
        """All of them. An aggregate whose event is refused five times stops there, everything where the bus stays away."""
        for event in sorted(events):
            self._streams.setdefault((event.aggregate_type, event.aggregate_id), deque()).append(event)
        for stream in self._streams:
            self._line_up(stream)
        outages = 0
        while self._heads:
            streams = [heapq.heappop(self._heads)[2] for _ in range(min(ENTRIES_MAX, len(self._heads)))]
            try:
                settled = await self._send(streams)
                outages = 0
            except BusDown as down:
                outages += 1
                if outages == ATTEMPTS_MAX:
                    self.outcome.stopped = str(down)
                    break
                settled = False
            if not settled:
                await asyncio.sleep(self.pause_seconds)
        return self.outcome

    def _line_up(self, stream: Stream) -> None:
        """The oldest of all first, as far as the order within the aggregates lets it."""
        if events := self._streams[stream]:
            heapq.heappush(self._heads, (events[0].occurred_at, events[0].event_id, stream))

    async def _send(self, streams: list[Stream]) -> bool:
        """One call with the next event of each stream; whether all of them are dealt with. What got no verdict stays in line."""
        heads = {self._streams[stream][0].event_id: stream for stream in streams}
        rows = await self.database.rows(OUTBOX, [(event_id,) for event_id in heads])
        verdicts: Sequence[Verdict] = ()
        try:
            verdicts = await self.bus.put(rows)
        except BusDown as down:
            verdicts = down.verdicts
            raise
        finally:
            judged = dict(zip((row.event_id for row in rows), verdicts, strict=False))
            known = {row.event_id for row in rows}
            for event_id, stream in heads.items():
                self._settle(stream, judged.get(event_id), gone=event_id not in known)
                self._line_up(stream)
        return all(verdict.accepted for verdict in verdicts)

    def _settle(self, stream: Stream, verdict: Verdict | None, *, gone: bool) -> None:
        """What the verdict on its next event means for a stream; one that the outbox forgot meanwhile is passed over."""
        events, outcome = self._streams[stream], self.outcome
        if gone or (verdict and verdict.accepted):
            events.popleft()
            outcome.gone += gone
            outcome.sent += not gone
            self.advance(1)
        elif verdict:
            self._attempts[events[0].event_id] += 1
            if self._attempts[events[0].event_id] == ATTEMPTS_MAX:
                outcome.refused.append((events[0], f"{verdict.code}: {verdict.message}"))
                self.advance(len(events))
                events.clear()
