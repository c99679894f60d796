"""One step of a person's score."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tazco.kernel.ids import EcosystemId
from tazco.kernel.record import Record


class ScoreSource(StrEnum):
    """Who moved a score."""

    SYSTEM = "system"
    ADMIN = "admin"


PAID_ON_TIME = "payment_on_time"
PAID_LATE = "payment_late"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreStep(Record):
    """One step: `delta` is what was applied, `value - previous_value`."""

    ecosystem_id: EcosystemId
    score_id: str
    value: int
    previous_value: int
    delta: int
    reason: str
    source: ScoreSource
    timestamp: datetime
