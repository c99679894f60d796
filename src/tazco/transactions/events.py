"""What others may react to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar

from tazco.cards.model import FailureReason
from tazco.kernel.events import Event
from tazco.kernel.ids import CardId, EcosystemId, TransactionId
from tazco.kernel.money import Money
from tazco.transactions.model import PaymentStatus, TransactionType
from tazco.users.model import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseMade(Event):
    """A purchase went through."""

    type: ClassVar[str] = "transaction.purchase"
    aggregate_type: ClassVar[str] = "card"

    transaction_id: TransactionId
    card_id: CardId
    ecosystem_id: EcosystemId
    amount: Money
    merchant: str
    new_balance: Money
    new_available_credit: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMade(Event):
    """A payment went through; `score_impact` is raw, the new score clamped."""

    type: ClassVar[str] = "transaction.payment"
    aggregate_type: ClassVar[str] = "card"

    transaction_id: TransactionId
    card_id: CardId
    ecosystem_id: EcosystemId
    amount: Money
    payment_status: PaymentStatus
    days_overdue: int | None = None
    score_impact: int
    balance_before: Money
    new_balance: Money
    new_available_credit: Money
    new_score: int
    new_tier: Tier
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionDeclined(Event):
    """A purchase or payment was declined, once per key."""

    type: ClassVar[str] = "transaction.declined"
    aggregate_type: ClassVar[str] = "card"
    wire_names: ClassVar[Mapping[str, str]] = MappingProxyType({"transaction_type": "type"})

    transaction_id: TransactionId
    card_id: CardId
    ecosystem_id: EcosystemId
    transaction_type: TransactionType
    amount: Money
    failure_reason: FailureReason
    balance: Money
    available_credit: Money
