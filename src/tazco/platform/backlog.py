"""The backlog of a shard: the events that a relay knows to be pending, by stream; only the first of a stream can be next."""

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tazco.platform.outbox import OutboxRow

FRESH: Final = timedelta(seconds=5)
"""So long a row counts as it was read, and so long the index may not know it yet."""

StreamKey = tuple[str, str]
"""Type and id of an aggregate."""


def stream_of(row: OutboxRow) -> StreamKey:
    """The stream that an event belongs to."""
    return row.aggregate_type, row.aggregate_id


@dataclass(slots=True)
class Held:
    """An event that has not left. `clear` says that its predecessor has; before `look_at` there is no use in looking at it."""

    row: OutboxRow
    read_at: datetime
    look_at: datetime
    clear: bool = False

    def fresh(self, now: datetime) -> bool:
        """Read a moment ago."""
        return now - self.read_at < FRESH

    def wait(self, now: datetime) -> None:
        """Look again when it is due, and every few seconds until then: an operator may want it earlier."""
        soon, due = now + FRESH, self.row.next_retry_at
        self.look_at = due if due is not None and now < due < soon else soon


@dataclass(slots=True)
class Backlog:
    """Pending events in memory. Forgetting one is harmless: the index names it again."""

    _held: dict[str, Held] = field(default_factory=dict)
    _streams: dict[StreamKey, list[tuple[int, str]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._held

    def add(self, row: OutboxRow, now: datetime) -> StreamKey:
        """Remember an event as it was read just now."""
        key = stream_of(row)
        if row.event_id not in self._held:
            self._held[row.event_id] = Held(row, read_at=now, look_at=now)
            heapq.heappush(self._streams.setdefault(key, []), (row.sequence, row.event_id))
        return key

    def get(self, event_id: str) -> Held | None:
        """What is known of an event."""
        return self._held.get(event_id)

    def drop(self, event_id: str) -> None:
        """Forget an event."""
        self._held.pop(event_id, None)

    def streams(self) -> set[StreamKey]:
        """All streams that have something."""
        return set(self._streams)

    def head(self, stream: StreamKey) -> Held | None:
        """The first event of a stream that is known to be pending."""
        events = self._streams.get(stream, [])
        while events:
            if (held := self._held.get(events[0][1])) is not None:
                return held
            heapq.heappop(events)
        self._streams.pop(stream, None)
        return None

    def heads(self, streams: Iterable[StreamKey]) -> Iterator[Held]:
        """The first event of each of these streams."""
        return (held for held in map(self.head, tuple(streams)) if held is not None)

    def prune(self, named: Collection[str], now: datetime) -> None:
        """Forget what the index does not name any more."""
        for event_id in [one for one, held in self._held.items() if one not in named and not held.fresh(now)]:
            self.drop(event_id)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._streams.clear()
