"""Billing: minimum payment and due date (`docs/rules.md`, "Card"). Money in minor units, percentages in hundredths."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tazco.cards.model import Card
from tazco.kernel.clock import days_rounded_up
from tazco.kernel.money import ZERO, Money, ratio_half_up

HUNDREDTHS_OF_A_PERCENT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The numbers of billing: `cycle` from a payment to the next due date, `floor` in minor units, `percent` in hundredths."""

    cycle: timedelta
    floor: Money
    percent: int


def minimum_payment(balance: Money, terms: Terms) -> Money:
    """0 for nothing owed, else the balance or the larger of floor and percentage (half up to cents), whichever is less."""
    if balance <= 0:
        return ZERO
    share = Money(ratio_half_up(balance * terms.percent, HUNDREDTHS_OF_A_PERCENT))
    return min(balance, max(terms.floor, share))


def after_purchase(before: Card, charged: Card, now: datetime, terms: Terms) -> Card:
    """The charged card with its new minimum payment; the first debt after a past due date starts a new cycle."""
    starts_anew = before.balance == 0 and before.next_due_at < now
    return replace(
        charged,
        minimum_payment=minimum_payment(charged.balance, terms),
        next_due_at=now + terms.cycle if starts_anew else charged.next_due_at,
        updated_at=now,
    )


def after_payment(before: Card, paid: Card, now: datetime, terms: Terms) -> Card:
    """The paid card with its new minimum payment; the minimum due before, or the whole balance, moves the due date."""
    amount = before.balance - paid.balance
    satisfied = amount >= before.minimum_payment or paid.balance == 0
    return replace(
        paid,
        minimum_payment=minimum_payment(paid.balance, terms),
        next_due_at=now + terms.cycle if satisfied else paid.next_due_at,
        updated_at=now,
    )


def days_overdue(due_at: datetime, paid_at: datetime) -> int:
    """0 up to the end of the due day (UTC calendar), else the elapsed time since the due instant in days, rounded up."""
    if paid_at.date() <= due_at.date():
        return 0
    return days_rounded_up(paid_at - due_at)


def earns_award(last_award_at: datetime | None, now: datetime, cycle: timedelta) -> bool:
    """No award was earned in the last cycle."""
    return last_award_at is None or now - last_award_at >= cycle
