"""Minimum payments and due dates, as the contract's tables have them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.cards.model import Card
from tazco.cards.rules import Terms, after_payment, after_purchase, days_overdue, earns_award, minimum_payment
from tazco.kernel.ids import CardId, EcosystemId
from tazco.kernel.money import Money

TERMS = Terms(cycle=timedelta(days=30), floor=Money(2_500), percent=200)
DUE = datetime(2031, 3, 10, 18, tzinfo=UTC)
NOW = datetime(2031, 4, 5, 6, 7, 8, 90_000, UTC)
MS = timedelta(milliseconds=1)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone


def card(balance: int = 0, minimum: int = 0, due: datetime = DUE) -> Card:
    """A card in minor units."""
    return Card(
        ecosystem_id=EcosystemId("user-77"),
        card_id=CardId("card-1"),
        limit=Money(1_000_000),
        balance=Money(balance),
        minimum_payment=Money(minimum),
        next_due_at=due,
    )


@pytest.mark.parametrize(
    ("balance", "minimum"),
    [
        (0, 0),
        (1, 1),
        (2_000, 2_000),
        (2_500, 2_500),
        (2_501, 2_500),
        (100_000, 2_500),
        (125_024, 2_500),
        (125_025, 2_501),
        (500_000, 10_000),
    ],
)
def test_the_minimum_payment_follows_the_table(balance: int, minimum: int) -> None:
    assert minimum_payment(Money(balance), TERMS) == minimum


@given(balance=st.integers(1, 10**11), floor=st.integers(0, 10**7), percent=st.integers(0, 10_000))
def test_the_minimum_payment_is_the_share_rounded_half_up_between_floor_and_balance(balance: int, floor: int, percent: int) -> None:
    share = int((Decimal(balance) * percent / 10_000).quantize(Decimal(1), ROUND_HALF_UP))
    terms = Terms(cycle=timedelta(days=30), floor=Money(floor), percent=percent)
    assert minimum_payment(Money(balance), terms) == min(balance, max(floor, share))


@given(balance=st.integers(0, 10**9), more=st.integers(0, 10**6))
def test_owing_more_never_lowers_the_minimum_payment(balance: int, more: int) -> None:
    assert minimum_payment(Money(balance + more), TERMS) >= minimum_payment(Money(balance), TERMS)


@pytest.mark.parametrize(
    ("paid_at", "days"),
    [
        (DUE - timedelta(days=40), 0),
        (DUE, 0),
        (datetime(2031, 3, 10, 23, 59, 59, 999_000, UTC), 0),
        (datetime(2031, 3, 11, 0, 30, tzinfo=UTC), 1),
        (datetime(2031, 3, 17, 18, tzinfo=UTC), 7),
        (datetime(2031, 3, 17, 18, tzinfo=UTC) + MS, 8),
        (datetime(2031, 4, 9, 18, tzinfo=UTC), 30),
        (datetime(2031, 4, 9, 18, tzinfo=UTC) + MS, 31),
    ],
)
def test_on_time_is_a_matter_of_the_calendar_and_overdue_of_elapsed_time(paid_at: datetime, days: int) -> None:
    assert days_overdue(DUE, paid_at) == days


@given(due=INSTANTS, later=st.timedeltas(timedelta(0), timedelta(days=400)))
def test_days_overdue_are_elapsed_days_rounded_up_and_zero_within_the_due_day(due: datetime, later: timedelta) -> None:
    paid_at = due + later
    expected = 0 if paid_at.date() == due.date() else ceil(Decimal(later // timedelta(microseconds=1)) / 86_400_000_000)
    assert days_overdue(due, paid_at) == expected


def test_a_payment_of_the_minimum_due_before_it_starts_a_new_cycle() -> None:
    before = card(balance=100_000, minimum=2_500)
    assert after_payment(before, before.pay(Money(2_500)), NOW, TERMS).next_due_at == NOW + timedelta(days=30)


def test_a_payment_a_cent_below_the_minimum_leaves_the_due_date() -> None:
    before = card(balance=100_000, minimum=2_500)
    after = after_payment(before, before.pay(Money(2_499)), NOW, TERMS)
    assert (after.next_due_at, after.minimum_payment, after.updated_at) == (DUE, 2_500, NOW)


def test_clearing_the_balance_starts_a_new_cycle_even_below_the_minimum() -> None:
    before = card(balance=1_000, minimum=2_500)
    after = after_payment(before, before.pay(Money(1_000)), NOW, TERMS)
    assert (after.next_due_at, after.minimum_payment) == (NOW + timedelta(days=30), 0)


def test_a_purchase_on_a_zero_balance_with_a_past_due_date_starts_a_new_cycle() -> None:
    before = card(due=NOW - MS)
    after = after_purchase(before, before.charge(Money(5_000)), NOW, TERMS)
    assert (after.next_due_at, after.minimum_payment, after.updated_at) == (NOW + timedelta(days=30), 2_500, NOW)


@pytest.mark.parametrize("before", [card(due=NOW + MS), card(balance=1, minimum=1, due=NOW - timedelta(days=3))])
def test_any_other_purchase_leaves_the_due_date(before: Card) -> None:
    assert after_purchase(before, before.charge(Money(5_000)), NOW, TERMS).next_due_at == before.next_due_at


@given(balance=st.integers(0, 10**6), amount=st.integers(1, 10**6))
def test_the_stored_minimum_is_always_that_of_the_new_balance(balance: int, amount: int) -> None:
    before = replace(card(balance=balance), limit=Money(10**7))
    charged = after_purchase(before, before.charge(Money(amount)), NOW, TERMS)
    assert charged.minimum_payment == minimum_payment(charged.balance, TERMS)
    paid = after_payment(charged, charged.pay(Money(amount)), NOW, TERMS)
    assert paid.minimum_payment == minimum_payment(paid.balance, TERMS)
    assert paid.balance == balance


def test_an_award_is_earned_when_the_last_one_is_a_whole_cycle_ago() -> None:
    cycle = timedelta(days=30)
    assert earns_award(None, NOW, cycle)
    assert earns_award(NOW - cycle, NOW, cycle)
    assert not earns_award(NOW - cycle + MS, NOW, cycle)
    assert not earns_award(NOW, NOW, cycle)
