"""What others may react to."""

from dataclasses import dataclass
from typing import ClassVar

from tazco.cards.model import ApprovedBy, CardStatus
from tazco.kernel.events import Event
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId
from tazco.kernel.money import Money
from tazco.users.model import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class CardApproved(Event):
    """A card was granted; the first event of its stream."""

    type: ClassVar[str] = "card.approved"
    aggregate_type: ClassVar[str] = "card"

    ecosystem_id: EcosystemId
    request_id: CardRequestId
    card_id: CardId
    product_id: str
    approved_limit: Money
    source: ApprovedBy
    admin_id: str | None = None
    score_at_approval: int
    tier_at_approval: Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSuspended(Event):
    """An operator suspended a card."""

    type: ClassVar[str] = "card.suspended"
    aggregate_type: ClassVar[str] = "card"

    ecosystem_id: EcosystemId
    card_id: CardId
    reason: str
    admin_id: str
    previous_status: CardStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReactivated(Event):
    """An operator put a suspended card back in use."""

    type: ClassVar[str] = "card.reactivated"
    aggregate_type: ClassVar[str] = "card"

    ecosystem_id: EcosystemId
    card_id: CardId
    reason: str
    admin_id: str
    previous_status: CardStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCancelled(Event):
    """A card ended, by its owner or an operator."""

    type: ClassVar[str] = "card.cancelled"
    aggregate_type: ClassVar[str] = "card"

    ecosystem_id: EcosystemId
    card_id: CardId
    reason: str | None = None
    requested_by: str
    admin_id: str | None = None
    previous_status: CardStatus
    final_balance: Money
