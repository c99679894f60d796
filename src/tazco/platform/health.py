"""Health: real checks of what the program cannot do without, in parallel, each with a deadline, remembered for seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

CHECK_SECONDS_MAX: Final = 2.0
REMEMBER_SECONDS: Final = 5.0

log = structlog.get_logger()

Check = Callable[[], Awaitable[bool]]
Warnings = Callable[[], Awaitable[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state of each dependency, and warnings that do not change the status."""

    dependencies: Mapping[str, bool]
    warnings: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """All of them are."""
        return all(self.dependencies.values())


@dataclass(slots=True)
class Health:
    """Asks each dependency by name."""

    checks: Mapping[str, Check]
    warnings: tuple[Warnings, ...]
    _seen: tuple[float, Readiness] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def readiness(self) -> Readiness:
        """The state now, at most five seconds old."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._seen is None or now - self._seen[0] >= REMEMBER_SECONDS:
                self._seen = (now, await self._look())
            return self._seen[1]

    async def _look(self) -> Readiness:
        states, notes = await asyncio.gather(
            asyncio.gather(*(_passes(name, check) for name, check in self.checks.items())),
            asyncio.gather(*map(_notes, self.warnings)),
        )
        return Readiness(dict(zip(self.checks, states, strict=True)), tuple(note for source in notes for note in source))


async def _passes(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return await check()
    except Exception as error:  # noqa: BLE001  # whatever goes wrong, the dependency is not usable; the log says how
        log.warning("health.failed", dependency=name, error=str(error) or type(error).__name__)
        return False


async def _notes(source: Warnings) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return await source()
    except Exception as error:  # noqa: BLE001  # who cannot warn must not make anything unhealthy; the log says what went wrong
        log.warning("health.unwarned", error=str(error) or type(error).__name__)
        return ()
