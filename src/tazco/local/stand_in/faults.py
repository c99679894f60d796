"""Faults on demand: what the next answers to a recipient shall be instead of a good one."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

PLANNED_MAX: Final = 10_000
GENERATE_TOKEN: Final = "generate-token"  # noqa: S105  # the name of a call
CHECK_CONNECTION: Final = "check-connection-session"


class Answer(StrEnum):
    """How an answer is spoilt although the message was taken. The last two are shapes that WPPConnect really uses."""

    GOOD = "good"
    DROPPED = "dropped"
    NOT_JSON = "not_json"
    ID_LOST = "id_lost"
    ID_IN_OBJECT = "id_in_object"
    ID_ON_TOP = "id_on_top"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planned answer. A status or an error code refuses the message; without either it is taken, and its answer spoilt or late.

    `status` without `code` answers like a proxy in between, without the provider's JSON. `taken`: refuse, yet deliver.
    """

    status: int | None = None
    code: int | None = None
    answer: Answer = Answer.GOOD
    delay_seconds: float = 0.0
    taken: bool = False

    @property
    def refuses(self) -> bool:
        """The caller is told no."""
        return self.status is not None or self.code is not None

    @property
    def delivers(self) -> bool:
        """The message reaches the phone."""
        return self.taken or not self.refuses


NO_FAULT: Final = Fault()


@dataclass(slots=True)
class Faults:
    """Planned faults by recipient; those for anyone come after a recipient's own."""

    _planned: dict[str | None, deque[Fault]] = field(default_factory=dict)

    def plan(self, recipient: str | None, *faults: Fault) -> None:
        """Plan the next answers to a recipient (None: to anyone), in this order, after those planned already."""
        self._planned.setdefault(recipient, deque(maxlen=PLANNED_MAX)).extend(faults)

    def next(self, recipient: str, *, own_only: bool = False) -> Fault:
        """Take the next fault for this recipient; `NO_FAULT` if none is planned."""
        for key in (recipient,) if own_only else (recipient, None):
            planned = self._planned.get(key)
            if planned:
                return planned.popleft()
        return NO_FAULT

    def forget(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()
