"""A value that takes a call to get: got on need, by one task at a time, and kept for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from tazco.kernel.clock import Clock

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Kept(Generic[T]):
    """Whoever comes while it is being got waits for the same task, and hears the same failure; a failure is not kept."""

    fetch: Callable[[], Awaitable[T]]
    keep_for: timedelta
    clock: Clock
    _value: T | None = None
    _until: datetime | None = None
    _task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The value; raises what `fetch` raises."""
        if self._value is not None and self._until is not None and self.clock() < self._until:
            return self._value
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._fetch(), name="fetch for all who wait")
            self._task.add_done_callback(_heard)
        return await asyncio.shield(self._task)  # one caller's cancellation is no other's

    def drop(self, value: T) -> None:
        """Forget the value, unless another one has come since."""
        if self._value == value:
            self._value = None

    async def close(self) -> None:
        """End the fetch that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _fetch(self) -> T:
        value = await self.fetch()
        self._value, self._until = value, self.clock() + self.keep_for
        return value


def _heard(task: asyncio.Task[T]) -> None:
    """Every waiter may be gone by now, and asyncio complains about an exception that nobody retrieved."""
    if not task.cancelled():
        task.exception()
