"""A transaction: a purchase or payment, completed or declined."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tazco.cards.model import FailureReason
from tazco.kernel.ids import CardId, EcosystemId, TransactionId
from tazco.kernel.money import Money
from tazco.kernel.record import Record

MERCHANT_UNKNOWN: Final = "Unknown Merchant"


class TransactionType(StrEnum):
    """Which way the money goes."""

    PURCHASE = "purchase"
    PAYMENT = "payment"


class TransactionStatus(StrEnum):
    """How it ended."""

    COMPLETED = "completed"
    FAILED = "failed"


class PaymentStatus(StrEnum):
    """Whether a payment came by the due date."""

    ON_TIME = "on_time"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction(Record):
    """One entry of a card's ledger. `score_impact` is the raw delta of a completed payment."""

    ecosystem_id: EcosystemId
    card_id: CardId
    transaction_id: TransactionId
    type: TransactionType
    amount: Money
    status: TransactionStatus
    timestamp: datetime
    merchant: str | None = None
    payment_status: PaymentStatus | None = None
    score_impact: int | None = None
    failure_reason: FailureReason | None = None
