"""Lanes: commands on the same person wait for each other inside a process instead of losing commits to each other.

A payment writes card and person, so a lane for each row would let two cards of one person, or a payment and a new score, fight.

Against other processes a lane is polite: it leaves a gap, long enough for somebody else's retry, after every second commit, and
after each one for a while once it has lost a commit itself. Without gaps the faster process can win again and again and never
learn that another one is using up its retries.
Only speed and fairness depend on any of this: the commit's conditions are the real locks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

CROWDED_SECONDS: Final = 2.0
GAP_AFTER_WINS: Final = 2
GAP_COMMITS: Final = 2
GAP_SECONDS_MAX: Final = 0.05


@dataclass(slots=True)
class Lane:
    """The commands on one person or thing, first come, first served."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    _crowded_until: float = float("-inf")
    _gap_until: float = float("-inf")
    _wins: int = 0

    def lost(self) -> None:
        """A commit was lost to another process."""
        self._crowded_until = _now() + CROWDED_SECONDS
        self._wins = 0

    def won(self, seconds: float) -> None:
        """A commit took so long and went through."""
        now = _now()
        self._wins += 1
        if self._wins % GAP_AFTER_WINS == 0 or now < self._crowded_until:
            self._gap_until = now + min(GAP_COMMITS * seconds, GAP_SECONDS_MAX)

    async def give_way(self) -> None:
        """Leave the gap after the last commit, if there is one, to the others."""
        gap = self._gap_until - _now()
        if gap > 0:
            await asyncio.sleep(gap)


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Lanes:
    """All lanes of a process, by name."""

    _lanes: dict[str, Lane] = field(default_factory=dict)

    @asynccontextmanager
    async def __call__(self, name: str) -> AsyncIterator[Lane]:
        """Wait for the lane and hold it; the lane is forgotten when nobody is in it."""
        lane = self._lanes.setdefault(name, Lane())
        lane.users += 1
        try:
            async with lane.lock:
                await lane.give_way()
                yield lane
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[name]
