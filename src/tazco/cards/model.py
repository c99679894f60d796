"""A card: a credit limit, what is owed of it, and how far through its life it is."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from tazco.kernel.errors import Code, Invalid, NotFound, Refused
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId
from tazco.kernel.money import ZERO, Money, to_decimal, to_literal
from tazco.kernel.record import Versioned
from tazco.users.model import LONG_AGO

CREDIT_CARD: Final = "credit-card"


class CardStatus(StrEnum):
    """Where a card is in its life; `cancelled` is final."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class ApprovedBy(StrEnum):
    """Who granted a card."""

    AUTO = "auto"
    ADMIN = "admin"


class FailureReason(StrEnum):
    """Why a purchase or payment was declined."""

    CARD_NOT_ACTIVE = "card_not_active"
    INSUFFICIENT_CREDIT = "insufficient_credit"
    CARD_CANCELLED = "card_cancelled"
    NO_BALANCE = "no_balance"
    AMOUNT_EXCEEDS_BALANCE = "amount_exceeds_balance"


class CardNotFound(NotFound):
    """There is no such card, or it is someone else's."""

    def __init__(self) -> None:
        super().__init__("Card not found.")


class Declined(Refused):
    """A purchase or payment that the card does not allow; it is recorded."""

    reason: ClassVar[FailureReason]


class CardNotActive(Declined):
    """Only an active card buys."""

    reason = FailureReason.CARD_NOT_ACTIVE

    def __init__(self, status: CardStatus) -> None:
        super().__init__(f"The card is {status.value}; only an active card can make purchases.")


class InsufficientCredit(Declined):
    """The purchase is above what is left."""

    code = Code.INSUFFICIENT_CREDIT
    reason = FailureReason.INSUFFICIENT_CREDIT

    def __init__(self, requested: Money, available: Money) -> None:
        super().__init__(
            f"The amount {to_literal(requested)} is above the available credit of {to_literal(available)}.",
            requested_amount=to_decimal(requested),
            available_credit=to_decimal(available),
        )


class CardCancelled(Declined):
    """A cancelled card takes no payments."""

    reason = FailureReason.CARD_CANCELLED

    def __init__(self) -> None:
        super().__init__("The card is cancelled and takes no payments.")


class NothingOwed(Declined):
    """There is nothing to pay."""

    reason = FailureReason.NO_BALANCE

    def __init__(self) -> None:
        super().__init__("The card has no balance to pay.")


class AmountExceedsBalance(Declined):
    """The payment is above what is owed."""

    reason = FailureReason.AMOUNT_EXCEEDS_BALANCE

    def __init__(self, amount: Money, balance: Money) -> None:
        super().__init__(f"The amount {to_literal(amount)} is above the balance of {to_literal(balance)}.")


class ForbiddenTransition(Invalid):
    """A card's life does not go that way."""

    def __init__(self, status: CardStatus, wanted: CardStatus) -> None:
        super().__init__(f"A {status.value} card cannot become {wanted.value}.")


class BalanceOutstanding(Invalid):
    """A card with a balance cannot be cancelled."""

    def __init__(self, balance: Money) -> None:
        super().__init__(f"The card has a balance of {to_literal(balance)}. Pay it before cancelling.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Versioned):
    """A card. Always 0 ≤ balance ≤ limit; `minimum_payment` and `next_due_at` are as of the last purchase or payment.

    `last_award_at` is when a payment last earned points; a new card inherits it from the owner's cancelled ones.
    """

    ecosystem_id: EcosystemId
    card_id: CardId
    type: str = CREDIT_CARD
    status: CardStatus = CardStatus.ACTIVE
    limit: Money
    balance: Money = ZERO
    minimum_payment: Money = ZERO
    next_due_at: datetime = LONG_AGO
    request_id: CardRequestId | None = None
    product_id: str = ""
    approved_by: ApprovedBy = ApprovedBy.AUTO
    score_at_approval: int = 0
    created_at: datetime = LONG_AGO
    updated_at: datetime = LONG_AGO
    activated_at: datetime | None = None
    status_reason: str | None = None
    cancelled_at: datetime | None = None
    last_award_at: datetime | None = None

    @property
    def available_credit(self) -> Money:
        """What can still be spent."""
        return Money(self.limit - self.balance)

    @property
    def near_limit(self) -> bool:
        """More than nine tenths of the limit are owed; a limit of 0 never is."""
        return self.limit > 0 and 10 * self.balance > 9 * self.limit

    @property
    def open(self) -> bool:
        """Active or suspended: it stands in the way of another card."""
        return self.status is not CardStatus.CANCELLED

    def charge(self, amount: Money) -> "Card":
        """The card after a purchase."""
        if self.status is not CardStatus.ACTIVE:
            raise CardNotActive(self.status)
        if amount > self.available_credit:
            raise InsufficientCredit(amount, self.available_credit)
        return replace(self, balance=Money(self.balance + amount))

    def pay(self, amount: Money) -> "Card":
        """The card after a payment."""
        if self.status is CardStatus.CANCELLED:
            raise CardCancelled
        if self.balance <= 0:
            raise NothingOwed
        if amount > self.balance:
            raise AmountExceedsBalance(amount, self.balance)
        return replace(self, balance=Money(self.balance - amount))

    def suspend(self, reason: str, now: datetime) -> "Card":
        """The card, not to be bought with for now."""
        if self.status is not CardStatus.ACTIVE:
            raise ForbiddenTransition(self.status, CardStatus.SUSPENDED)
        return replace(self, status=CardStatus.SUSPENDED, status_reason=reason, updated_at=now)

    def reactivate(self, reason: str, now: datetime) -> "Card":
        """The card in use again."""
        if self.status is not CardStatus.SUSPENDED:
            raise ForbiddenTransition(self.status, CardStatus.ACTIVE)
        return replace(self, status=CardStatus.ACTIVE, status_reason=reason, updated_at=now)

    def cancel(self, reason: str | None, now: datetime) -> "Card":
        """The card at its end."""
        if self.status is CardStatus.CANCELLED:
            raise ForbiddenTransition(self.status, CardStatus.CANCELLED)
        if self.balance > 0:
            raise BalanceOutstanding(self.balance)
        return replace(self, status=CardStatus.CANCELLED, status_reason=reason, cancelled_at=now, updated_at=now)
