"""What clients did and were told: the claims against which the tables are judged."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulation.process import Answer

DAY_SECONDS = 86_400.0
MARGIN_SECONDS = 900.0
UNDECIDED = frozenset({403, 408, 429, 500, 502, 503, 504})


@dataclass(slots=True)
class Op:
    """One command under one key. `answers` are all that came back, `final` the one that settles it."""

    kind: str
    who: str
    method: str
    path: str
    body: dict[str, Any]
    key: str
    card: str = ""
    answers: list[Answer] = field(default_factory=list)
    lost: int = 0
    final: Answer | None = None
    began_at: float = 0.0
    settled_at: float = 0.0

    def heard(self, answer: Answer) -> None:
        """An answer; it settles the command unless it says that nobody knows, or not now."""
        self.answers.append(answer)
        if answer.status not in UNDECIDED and answer.code != "VERSION_CONFLICT":
            self.final = answer

    def remembered(self, now: float) -> bool:
        """Its key certainly counts: its day is not over, nor about to be."""
        return now - self.began_at < DAY_SECONDS - MARGIN_SECONDS

    def forgotten(self, now: float) -> bool:
        """Its key certainly counts no more: it was settled more than a day ago, and its answer was stored before that."""
        return self.final is not None and now - self.settled_at > DAY_SECONDS + MARGIN_SECONDS

    @property
    def done(self) -> bool:
        """It had its effect."""
        return self.final is not None and self.final.status < 300  # HTTP

    @property
    def declined(self) -> bool:
        """It was recorded as a no."""
        return self.final is not None and self.kind in ("purchase", "payment") and self.final.status in (400, 402)


@dataclass(slots=True)
class History:
    """Every command of a run, and every message of an approver."""

    ops: list[Op] = field(default_factory=list)
    taps: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)

    def of(self, *kinds: str) -> list[Op]:
        """Those of some kinds."""
        return [op for op in self.ops if op.kind in kinds]

    @property
    def open(self) -> list[Op]:
        """Those that nobody knows the end of."""
        return [op for op in self.ops if op.final is None]


def told(answer: Answer) -> Any:
    """The body without what is different for each request."""
    return {name: value for name, value in answer.body.items() if name != "meta"} if isinstance(answer.body, dict) else answer.body


def contradictions(ops: list[Op]) -> list[str]:
    """Keys to which two different things were said (I2)."""
    found: list[str] = []
    for op in ops:
        stored = [answer for answer in op.answers if answer.status < 300 or (op.declined and answer.status in (400, 402))]  # HTTP
        if any(told(answer) != told(stored[0]) for answer in stored[1:]):
            found.append(f"I2: {op.kind} {op.key} was answered differently: {[told(answer) for answer in stored]}")
        if sum(not answer.replayed for answer in stored) > 1:
            found.append(f"I2: {op.kind} {op.key} was answered as new {sum(not answer.replayed for answer in stored)} times")
    return found


def outcomes(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What webhooks told of a message, without those that only say that the worker will finish it."""
    return [each for each in results if "action" in each and (each["action"] != "error" or "requestId" in each)]


def cents(amount: Any) -> int:
    """Whole units, as the wire has them, in cents."""
    return int((Decimal(str(amount)) * 100).to_integral_exact())
