"""Lanes: commands on the same row wait for each other inside a process instead of losing commits to each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass(slots=True)
class Lanes:
    """First come, first served, per name. Only speed depends on it: the commit's conditions are the real locks."""

    _lanes: dict[str, _Lane] = field(default_factory=dict)

    @asynccontextmanager
    async def __call__(self, name: str) -> AsyncIterator[None]:
        """Wait for the lane and hold it; the lane is forgotten when nobody is in it."""
        lane = self._lanes.setdefault(name, _Lane())
        lane.users += 1
        try:
            async with lane.lock:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[name]
