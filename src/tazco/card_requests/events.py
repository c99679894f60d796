"""What others may react to."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tazco.card_requests.model import DecisionSource
from tazco.kernel.events import Event
from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.users.model import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRequested(Event):
    """Somebody asked for a card; also told when the score decided at once."""

    type: ClassVar[str] = "card.requested"
    aggregate_type: ClassVar[str] = "cardRequest"

    ecosystem_id: EcosystemId
    request_id: CardRequestId
    product_id: str
    score_at_request: int
    tier_at_request: Tier
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRejected(Event):
    """A request was turned down."""

    type: ClassVar[str] = "card.rejected"
    aggregate_type: ClassVar[str] = "cardRequest"

    ecosystem_id: EcosystemId
    request_id: CardRequestId
    product_id: str
    reason: str
    source: DecisionSource
    admin_id: str | None = None
    score_at_request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalExpired(Event):
    """Nobody answered in time; whether the request was turned down with it."""

    type: ClassVar[str] = "card_request.expired"
    aggregate_type: ClassVar[str] = "cardRequest"

    ecosystem_id: EcosystemId
    request_id: CardRequestId
    expired_at: datetime
    auto_rejected: bool
