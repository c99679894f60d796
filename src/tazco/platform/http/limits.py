"""Rate limits: counters in windows of a minute, per process; 0 switches one off."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final

from tazco.kernel.clock import Clock
from tazco.kernel.errors import TooManyRequests

WINDOW_SECONDS: Final = 60
NAMES_MAX: Final = 100_000


@dataclass(slots=True)
class Window:
    """Counts per name in the present minute; all counts are forgotten when the minute is over."""

    clock: Clock
    _minute: int = 0
    _counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> tuple[int, int]:
        """Count one more; how many in this window, and the epoch second at which it ends."""
        minute = int(self.clock().timestamp()) // WINDOW_SECONDS
        if minute != self._minute or len(self._counts) > NAMES_MAX:
            self._minute, self._counts = minute, {}
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name], (minute + 1) * WINDOW_SECONDS

    def forgive(self, name: str) -> None:
        """Take one count back: what was counted beforehand turned out to be nothing to count."""
        if self._counts.get(name):
            self._counts[name] -= 1


def spend(window: Window, name: str, limit: int, headers: MutableMapping[str, str]) -> None:
    """Count one against `limit` and write into `headers` what is left, the answer being a refusal or not; refuse when nothing is."""
    if not limit:
        return
    count, ends = window.count(name)
    left = max(0, limit - count)
    headers.update({"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(ends)})
    if count > limit:
        seconds = max(1, ends - int(window.clock().timestamp()))
        raise TooManyRequests(f"Too many requests. Retry in {seconds} seconds.", retry_after=seconds)
