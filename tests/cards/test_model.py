"""A card's arithmetic and its life."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.cards.model import (
    AmountExceedsBalance,
    BalanceOutstanding,
    Card,
    CardCancelled,
    CardNotActive,
    CardStatus,
    FailureReason,
    ForbiddenTransition,
    InsufficientCredit,
    NothingOwed,
)
from tazco.kernel.errors import Code, Refused
from tazco.kernel.ids import CardId, EcosystemId
from tazco.kernel.money import Money

NOW = datetime(2031, 4, 5, 6, 7, 8, 90_000, UTC)
AMOUNTS = st.integers(1, 10**12).map(Money)


def card(limit: int = 150_000, balance: int = 0, status: CardStatus = CardStatus.ACTIVE) -> Card:
    """A card in minor units."""
    return Card(
        ecosystem_id=EcosystemId("user-77"), card_id=CardId("card-1"), limit=Money(limit), balance=Money(balance), status=status
    )


def test_a_purchase_raises_the_balance_and_lowers_the_available_credit() -> None:
    charged = card(balance=120_050).charge(Money(10_000))
    assert (charged.balance, charged.available_credit) == (130_050, 19_950)


def test_a_purchase_of_exactly_the_available_credit_passes() -> None:
    assert card(balance=120_050).charge(Money(29_950)).available_credit == 0


def test_one_cent_more_than_available_is_declined_with_the_real_numbers() -> None:
    with pytest.raises(InsufficientCredit) as declined:
        card(balance=120_050).charge(Money(29_951))
    assert declined.value.code is Code.INSUFFICIENT_CREDIT
    assert declined.value.reason is FailureReason.INSUFFICIENT_CREDIT
    assert {name: str(value) for name, value in declined.value.details.items()} == {
        "requested_amount": "299.51",
        "available_credit": "299.5",
    }
    assert "amount" in declined.value.message


@pytest.mark.parametrize("status", [CardStatus.SUSPENDED, CardStatus.CANCELLED])
def test_only_an_active_card_buys_and_its_state_comes_before_its_credit(status: CardStatus) -> None:
    with pytest.raises(CardNotActive) as declined:
        card(limit=100, status=status).charge(Money(101))
    assert (declined.value.code, declined.value.reason) == (Code.VALIDATION_ERROR, FailureReason.CARD_NOT_ACTIVE)


@pytest.mark.parametrize("status", [CardStatus.ACTIVE, CardStatus.SUSPENDED])
def test_active_and_suspended_cards_take_payments(status: CardStatus) -> None:
    assert card(balance=500, status=status).pay(Money(500)).balance == 0


def test_payment_refusals_come_in_the_order_cancelled_nothing_owed_too_much() -> None:
    with pytest.raises(CardCancelled) as cancelled:
        card(status=CardStatus.CANCELLED).pay(Money(1))
    assert cancelled.value.reason is FailureReason.CARD_CANCELLED
    with pytest.raises(NothingOwed) as nothing:
        card().pay(Money(1))
    assert nothing.value.reason is FailureReason.NO_BALANCE
    with pytest.raises(AmountExceedsBalance) as too_much:
        card(balance=500).pay(Money(501))
    assert too_much.value.reason is FailureReason.AMOUNT_EXCEEDS_BALANCE
    for declined in (nothing.value, too_much.value):
        assert declined.code is Code.VALIDATION_ERROR
        assert "balance" in declined.message


@pytest.mark.parametrize(
    ("balance", "limit", "near"),
    [
        (135_000, 150_000, False),
        (135_001, 150_000, True),
        (150_000, 150_000, True),
        (0, 0, False),
        (0, 150_000, False),
        (9, 10, False),
    ],
)
def test_near_limit_is_strictly_more_than_nine_tenths(balance: int, limit: int, near: bool) -> None:  # noqa: FBT001  # a table
    assert card(limit=limit, balance=balance).near_limit is near


@given(limit=st.integers(1, 10**9), parts=st.lists(st.tuples(st.booleans(), AMOUNTS), max_size=30))
def test_whatever_is_bought_and_paid_the_balance_stays_between_zero_and_the_limit(
    limit: int, parts: list[tuple[bool, Money]]
) -> None:
    held = card(limit=limit)
    owed = 0
    for buys, wanted in parts:
        amount = Money(1 + wanted % (limit + limit // 3 + 1))
        try:
            held = held.charge(amount) if buys else held.pay(amount)
            owed += amount if buys else -amount
        except Refused:
            assert amount > (held.available_credit if buys else held.balance)
        assert held.balance == owed
        assert 0 <= held.balance <= limit
        assert held.available_credit == limit - held.balance


ALLOWED = {
    (CardStatus.ACTIVE, "suspend"): CardStatus.SUSPENDED,
    (CardStatus.SUSPENDED, "reactivate"): CardStatus.ACTIVE,
    (CardStatus.ACTIVE, "cancel"): CardStatus.CANCELLED,
    (CardStatus.SUSPENDED, "cancel"): CardStatus.CANCELLED,
}


@pytest.mark.parametrize("step", ["suspend", "reactivate", "cancel"])
@pytest.mark.parametrize("status", list(CardStatus))
def test_the_life_of_a_card_has_four_steps_and_no_others(status: CardStatus, step: str) -> None:
    before = card(status=status)
    if (status, step) not in ALLOWED:
        with pytest.raises(ForbiddenTransition):
            getattr(before, step)("why", NOW)
        return
    after: Card = getattr(before, step)("why", NOW)
    assert (after.status, after.status_reason, after.updated_at) == (ALLOWED[status, step], "why", NOW)
    assert after.cancelled_at == (NOW if step == "cancel" else None)


@pytest.mark.parametrize("status", [CardStatus.ACTIVE, CardStatus.SUSPENDED])
def test_a_card_with_a_balance_cannot_be_cancelled(status: CardStatus) -> None:
    with pytest.raises(BalanceOutstanding, match="balance") as refused:
        card(balance=1, status=status).cancel(None, NOW)
    assert refused.value.code is Code.VALIDATION_ERROR


def test_active_and_suspended_cards_are_open_and_cancelled_ones_are_not() -> None:
    assert [replace(card(), status=status).open for status in CardStatus] == [True, True, False]
