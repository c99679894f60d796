"""Outages of something that others serve: growing pauses with full jitter, one log line at the beginning and one at the end."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

PAUSE_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 10.0
DOUBLINGS_MAX: Final = 5

log = structlog.get_logger()


@dataclass(slots=True)
class Outage:
    """Whether `what` is away. Several users share one: only a failure after the last pause makes the next one longer."""

    what: str
    rng: random.Random = field(default_factory=random.SystemRandom)
    monotonic: Callable[[], float] = time.monotonic
    _failures: int = 0
    _began: float = 0.0
    _until: float = 0.0

    @property
    def pause_seconds(self) -> float:
        """For how long to leave it alone; 0 while all is well."""
        return max(0.0, self._until - self.monotonic())

    def note(self, error: Exception) -> None:
        """It failed."""
        now = self.monotonic()
        if not self._failures:
            self._began = now
            log.warning("outage.began", what=self.what, error=str(error))
        if now >= self._until:
            longest = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2 ** min(self._failures, DOUBLINGS_MAX))
            self._failures += 1
            self._until = now + self.rng.uniform(0, longest)

    def over(self) -> None:
        """It works."""
        if self._failures:
            log.warning("outage.ended", what=self.what, seconds=round(self.monotonic() - self._began, 1))
        self._failures, self._until = 0, 0.0
