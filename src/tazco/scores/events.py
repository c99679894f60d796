"""What others may react to."""

from dataclasses import dataclass
from typing import ClassVar

from tazco.kernel.events import Event
from tazco.kernel.ids import EcosystemId
from tazco.scores.model import ScoreSource
from tazco.users.model import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChanged(Event):
    """A score moved, or was confirmed: a payment that earns nothing and an operator's same value are told too."""

    type: ClassVar[str] = "score.changed"
    aggregate_type: ClassVar[str] = "user"

    ecosystem_id: EcosystemId
    previous_score: int
    new_score: int
    delta: int
    previous_tier: Tier
    new_tier: Tier
    reason: str
    source: ScoreSource
    admin_id: str | None = None
    related_entity_type: str | None = None
    related_entity_id: str | None = None
