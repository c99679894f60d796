"""What waits to leave: how long the oldest event has been waiting, and how many are not tried any more."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tazco.kernel.clock import Clock, from_text
from tazco.platform.database import Database
from tazco.platform.metrics import Metrics
from tazco.platform.outbox import DEAD_LETTERS, OUTBOX, PENDING_EVENTS, PENDING_PREFIX, SHARDS
from tazco.platform.tables import EntriesOf, Range

MEASURED: Final = "outbox.measured"
"""The line of the log out of which CloudWatch makes metrics: `age_seconds`, `dead_letters`."""

AGE_MAX: Final = timedelta(minutes=5)
COUNTED_MAX: Final = 1_000
OLDEST_ONLY: Final = Range(rows_max=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One look: the age of the oldest event that is not sent yet, dead letters apart, and their number."""

    age: timedelta
    dead_letters: int


@dataclass(frozen=True, slots=True)
class OutboxWatch:
    """Looks into the outbox through its index, which lags by moments; every look also moves the gauges."""

    database: Database
    clock: Clock
    metrics: Metrics

    async def look(self) -> Waiting:
        """Ask every shard at once."""
        shards = (EntriesOf(OUTBOX, PENDING_EVENTS, f"{PENDING_PREFIX}#{shard}", OLDEST_ONLY) for shard in range(SHARDS))
        oldest, dead_letters = await asyncio.gather(self.database.read(*shards), self._dead_letters())
        since = min((from_text(entry["createdAt"]) for entries in oldest for entry in entries), default=None)
        waiting = Waiting(age=self._age(since), dead_letters=dead_letters)
        self.metrics.outbox_age.set(waiting.age.total_seconds())
        self.metrics.dead_letters.set(waiting.dead_letters)
        return waiting

    async def _dead_letters(self) -> int:
        """How many, up to what one page of the index names: beyond that the number says nothing more."""
        found = 0
        async for _ in self.database.query(EntriesOf(OUTBOX, PENDING_EVENTS, DEAD_LETTERS), page_rows=COUNTED_MAX):
            found += 1
            if found >= COUNTED_MAX:
                break
        return found

    def _age(self, since: datetime | None) -> timedelta:
        """Never negative: the clock of whoever wrote the event may be ahead of ours."""
        return timedelta() if since is None else max(timedelta(), self.clock() - since)

    async def warnings(self) -> tuple[str, ...]:
        """For readiness. What a dead letter holds back is as late as anything else; the dead letter itself is told apart."""
        waiting = await self.look()
        late = ("outbox_backlog: warning",) if waiting.age > AGE_MAX else ()
        dead = (f"outbox_dead_letter: {waiting.dead_letters}",) if waiting.dead_letters else ()
        return late + dead
