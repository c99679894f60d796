"""What transactions tell, key by key."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tazco.cards.model import FailureReason
from tazco.kernel.ids import CardId, EcosystemId, TransactionId
from tazco.kernel.money import Money
from tazco.platform.jsontext import encode, payload
from tazco.transactions.events import PaymentMade, PurchaseMade, TransactionDeclined
from tazco.transactions.model import PaymentStatus, TransactionType
from tazco.users.model import Tier

WHO: dict[str, Any] = {"ecosystem_id": EcosystemId("user-77"), "card_id": CardId("card-1"), "transaction_id": TransactionId("t-1")}
TOLD_OF_ALL = {"ecosystemId": "user-77", "cardId": "card-1", "transactionId": "t-1"}
NOW = datetime(2031, 4, 5, 6, 7, 8, 90_000, UTC)


def told(event: Any) -> dict[str, Any]:
    """The payload as a consumer parses it."""
    return dict(json.loads(encode(payload(event)), parse_float=Decimal))


def test_a_purchase_is_told_in_wire_units() -> None:
    event = PurchaseMade(
        **WHO, amount=Money(10_000), merchant="Test Store", new_balance=Money(120_050), new_available_credit=Money(29_950)
    )
    assert told(event) == {
        **TOLD_OF_ALL,
        "amount": 100,
        "merchant": "Test Store",
        "newBalance": Decimal("1200.5"),
        "newAvailableCredit": Decimal("299.5"),
    }


def payment(status: PaymentStatus, days: int | None, impact: int) -> PaymentMade:
    """A payment of 200 of 1004.20."""
    return PaymentMade(
        **WHO,
        amount=Money(20_000),
        payment_status=status,
        days_overdue=days,
        score_impact=impact,
        balance_before=Money(100_420),
        new_balance=Money(80_420),
        new_available_credit=Money(69_580),
        new_score=668,
        new_tier=Tier.MEDIUM,
        created_at=NOW,
    )


def test_a_payment_in_time_has_no_days_overdue_and_a_late_one_has() -> None:
    expected = {
        **TOLD_OF_ALL,
        "amount": 200,
        "paymentStatus": "on_time",
        "scoreImpact": 18,
        "balanceBefore": Decimal("1004.2"),
        "newBalance": Decimal("804.2"),
        "newAvailableCredit": Decimal("695.8"),
        "newScore": 668,
        "newTier": "medium",
        "createdAt": "2031-04-05T06:07:08.090Z",
    }
    assert told(payment(PaymentStatus.ON_TIME, None, 18)) == expected
    late = {**expected, "paymentStatus": "late", "daysOverdue": 8, "scoreImpact": -50}
    assert told(payment(PaymentStatus.LATE, 8, -50)) == late


def test_a_decline_spells_its_type_as_the_contract_does() -> None:
    event = TransactionDeclined(
        **WHO,
        transaction_type=TransactionType.PAYMENT,
        amount=Money(1),
        failure_reason=FailureReason.NO_BALANCE,
        balance=Money(0),
        available_credit=Money(150_000),
    )
    assert told(event) == {
        **TOLD_OF_ALL,
        "type": "payment",
        "amount": Decimal("0.01"),
        "failureReason": "no_balance",
        "balance": 0,
        "availableCredit": 1500,
    }
