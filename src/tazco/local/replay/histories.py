"""Card histories: a CSV file as the UCI data set *Default of Credit Card Clients* spells it → one value for each customer. Pure.

The file is wide and runs backwards: column 1 is September, column 6 April. A history runs forwards.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from tazco.kernel.money import AMOUNT_MAX, ZERO, Money, from_decimal
from tazco.users.model import SCORE_AT_START, SCORE_MAX, SCORE_MIN

MONTHS: Final = (("April", 6), ("May", 5), ("June", 4), ("July", 3), ("August", 2), ("September", 1))
"""Name and column number, in the order in which they happened."""

IN_TIME_POINTS: Final = 40
LATE_POINTS: Final = 60
OVER_LIMIT_POINTS: Final = 60
STATUS_MIN: Final = -2
STATUS_MAX: Final = 9
CUSTOMER: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class BadHistories(Exception):
    """The file cannot be replayed; the message names line and column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What happened in a month: how late the repayments were by then, what was paid, and the statement at its end.

    A statement below zero is a credit balance.
    """

    name: str
    months_late: int
    payment: Money
    statement: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Six months of one customer, April first."""

    customer: str
    limit: Money
    months: tuple[Month, ...]


def starting_score(history: History) -> int:
    """The score with which a customer asks for the card, from what the file knows of them; clamped to 0..1000.

    500 + 40 for each month paid in time - 60 for each month of lateness in each month - 60 for each statement above the limit.
    So a high tier (700 and more) has paid in time six times and never owed more than its limit.
    """
    points = SCORE_AT_START
    for month in history.months:
        points += IN_TIME_POINTS if month.months_late == 0 else -LATE_POINTS * month.months_late
        points -= OVER_LIMIT_POINTS if month.statement > history.limit else 0
    return max(SCORE_MIN, min(SCORE_MAX, points))


def purchase_towards(statement: Money, balance: Money) -> Money | None:
    """The one purchase that brings a balance to a statement; None where it would have to be negative, or nothing."""
    return Money(statement - balance) if statement > balance else None


def read_histories(lines: Iterable[str]) -> tuple[History, ...]:
    """Every customer of a file, in its order; further columns do not count. Raise `BadHistories` for what cannot be played."""
    reader = csv.DictReader(lines)
    missing = [name for name in columns() if name not in (reader.fieldnames or ())]
    if missing:
        raise BadHistories(f"The first line lacks the columns {', '.join(missing)}. Is it the file of card histories?")
    histories: dict[str, History] = {}
    for row in reader:
        history = _history(row, reader.line_num)
        if history.customer.lower() in histories:  # e-mails are made of them, and those know no case
            raise BadHistories(f"Line {reader.line_num}: ID {history.customer} is there twice. Leave one of them.")
        histories[history.customer.lower()] = history
    if not histories:
        raise BadHistories("There is no customer in the file.")
    return tuple(histories.values())


def columns() -> tuple[str, ...]:
    """The columns that a file must have."""
    numbers = [number for _, number in MONTHS]
    return (
        "ID",
        "LIMIT_BAL",
        *(_status_column(number) for number in numbers),
        *(f"BILL_AMT{number}" for number in numbers),
        *(f"PAY_AMT{number}" for number in numbers),
    )


def _status_column(number: int) -> str:
    """`PAY_0` is September's; there is no `PAY_1` in the data set."""
    return f"PAY_{0 if number == 1 else number}"


def _history(row: Mapping[str, str | None], line: int) -> History:
    customer = (row["ID"] or "").strip()
    if not CUSTOMER.fullmatch(customer):
        raise BadHistories(f"Line {line}: ID must be 1 to 40 letters, digits, dots, dashes and underscores.")
    limit = _money(row, "LIMIT_BAL", line)
    if limit <= 0:
        raise BadHistories(f"Line {line}: LIMIT_BAL must be above 0.")
    return History(customer=customer, limit=limit, months=tuple(_month(row, name, number, line) for name, number in MONTHS))


def _month(row: Mapping[str, str | None], name: str, number: int, line: int) -> Month:
    payment = _money(row, f"PAY_AMT{number}", line)
    if payment < ZERO:
        raise BadHistories(f"Line {line}: PAY_AMT{number} must not be below 0.")
    status = _number(row, _status_column(number), line)
    if status != int(status) or not STATUS_MIN <= status <= STATUS_MAX:
        raise BadHistories(f"Line {line}: {_status_column(number)} must be a whole number from {STATUS_MIN} to {STATUS_MAX}.")
    return Month(name=name, months_late=max(0, int(status)), payment=payment, statement=_money(row, f"BILL_AMT{number}", line))


def _money(row: Mapping[str, str | None], column: str, line: int) -> Money:
    number = _number(row, column, line)
    try:
        amount = from_decimal(number or Decimal(0))  # `-0` is nothing owed
    except ValueError as error:
        raise BadHistories(f"Line {line}: {column} {error}.") from None
    if abs(amount) > AMOUNT_MAX:
        raise BadHistories(f"Line {line}: {column} is out of range.")
    return amount


def _number(row: Mapping[str, str | None], column: str, line: int) -> Decimal:
    try:
        number = Decimal((row[column] or "").strip())
    except InvalidOperation:
        raise BadHistories(f"Line {line}: {column} must be a number.") from None
    if not number.is_finite():
        raise BadHistories(f"Line {line}: {column} must be a number.")
    return number
