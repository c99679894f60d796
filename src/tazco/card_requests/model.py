"""A card request: pending, then decided once."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tazco.kernel.errors import Code, Invalid, NotFound, Refused
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId
from tazco.kernel.money import Money, to_decimal, to_literal
from tazco.kernel.record import Versioned
from tazco.users.model import LONG_AGO, Tier


class RequestStatus(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class DecisionSource(StrEnum):
    """Who decided: the score alone, or an operator."""

    AUTO = "auto"
    ADMIN = "admin"


class RequestNotFound(NotFound):
    """There is no such request, or it is someone else's."""

    def __init__(self) -> None:
        super().__init__("Card request not found.")


class AlreadyDecided(Refused):
    """A request is decided once."""

    code = Code.REQUEST_ALREADY_PROCESSED

    def __init__(self, status: RequestStatus) -> None:
        super().__init__(f"The card request is already {status.value}.")


class CardAlreadyHeld(Refused):
    """One active or suspended card per person."""

    code = Code.CARD_ALREADY_EXISTS

    def __init__(self) -> None:
        super().__init__("There is an active or suspended card already.")


class RequestPending(Refused):
    """One open request per person."""

    code = Code.CARD_REQUEST_EXISTS

    def __init__(self, request_id: CardRequestId) -> None:
        super().__init__("There is a pending card request already.", existing_request_id=request_id)


class CoolingDown(Invalid):
    """A rejection bars new requests for a while."""

    def __init__(self, days_left: int) -> None:
        days = "1 day" if days_left == 1 else f"{days_left} days"
        super().__init__(f"A card request was rejected recently. Try again in {days}.")


class OwnerDisabled(Invalid):
    """A disabled person gets no card."""

    def __init__(self) -> None:
        super().__init__("The person who asked is disabled. Enable the account first.")


class OutsidePolicy(Invalid):
    """The limit is outside of what any tier may have."""

    def __init__(self, lowest: Money, highest: Money) -> None:
        super().__init__(f"creditLimit must be from {to_literal(lowest)} to {to_literal(highest)} by policy.", field="creditLimit")


class LimitExceedsPolicy(Refused):
    """The limit is above that of the owner's tier."""

    code = Code.LIMIT_EXCEEDS_POLICY

    def __init__(self, requested: Money, maximum: Money, tier: Tier) -> None:
        super().__init__(
            f"The limit {to_literal(requested)} exceeds the policy: a {tier.value} tier may have {to_literal(maximum)}.",
            requested_limit=to_decimal(requested),
            maximum_limit=to_decimal(maximum),
            tier=tier.value,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRequest(Versioned):
    """A wish for a card, and the decision on it."""

    ecosystem_id: EcosystemId
    request_id: CardRequestId
    product_id: str = ""
    status: RequestStatus = RequestStatus.PENDING
    score_at_request: int = 0
    tier_at_request: Tier = Tier.LOW
    created_at: datetime = LONG_AGO
    updated_at: datetime = LONG_AGO
    decided_at: datetime | None = None
    decision_source: DecisionSource | None = None
    decided_by: str | None = None
    approved_limit: Money | None = None
    card_id: CardId | None = None
    reason: str | None = None

    @property
    def pending(self) -> bool:
        """Not decided yet."""
        return self.status is RequestStatus.PENDING

    def approve(self, limit: Money, card_id: CardId, source: DecisionSource, by: str | None, now: datetime) -> "CardRequest":
        """The request granted."""
        if not self.pending:
            raise AlreadyDecided(self.status)
        return replace(
            self,
            status=RequestStatus.APPROVED,
            approved_limit=limit,
            card_id=card_id,
            decision_source=source,
            decided_by=by,
            decided_at=now,
            updated_at=now,
        )

    def reject(self, reason: str, source: DecisionSource, by: str | None, now: datetime) -> "CardRequest":
        """The request turned down."""
        if not self.pending:
            raise AlreadyDecided(self.status)
        return replace(
            self,
            status=RequestStatus.REJECTED,
            reason=reason,
            decision_source=source,
            decided_by=by,
            decided_at=now,
            updated_at=now,
        )
