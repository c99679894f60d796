"""The directory: which person a verified subject is, remembered for seconds only, a miss never."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from tazco.kernel.clock import Clock
from tazco.kernel.ids import EcosystemId, Subject

REMEMBER_SECONDS: Final = 10
PEOPLE_MAX: Final = 50_000


@dataclass(frozen=True, slots=True)
class Known:
    """A registered person, as far as the gate needs to know."""

    ecosystem_id: EcosystemId
    disabled: bool


Lookup = Callable[[Subject, str | None], Awaitable[Known | None]]
"""Subject and claimed ecosystem id → the person, or None for someone not registered."""


@dataclass(slots=True)
class Directory:
    """Looks people up and remembers them for ten seconds: so long may a disabled account still read."""

    lookup: Lookup
    clock: Clock
    _known: dict[Subject, tuple[float, Known]] = field(default_factory=dict)

    async def find(self, subject: Subject, claimed_ecosystem_id: str | None) -> Known | None:
        """The person behind a subject, at most ten seconds old."""
        now = self.clock().timestamp()
        remembered = self._known.get(subject)
        if remembered is not None and 0 <= now - remembered[0] < REMEMBER_SECONDS:
            return remembered[1]
        known = await self.lookup(subject, claimed_ecosystem_id)
        if known is None:
            self._known.pop(subject, None)
            return None
        if len(self._known) >= PEOPLE_MAX:
            self._known.clear()
        self._known[subject] = (now, known)
        return known

    def forget(self, subject: Subject | None = None) -> None:
        """Forget one person, or everybody."""
        if subject is None:
            self._known.clear()
        else:
            self._known.pop(subject, None)
