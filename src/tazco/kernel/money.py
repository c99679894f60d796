"""Money: whole minor units (cents) inside, decimal literals at the edge, never a float."""

from decimal import Decimal
from typing import Final, NewType

Money = NewType("Money", int)
"""An amount in minor units: `Money(120050)` is 1,200.50."""

ZERO: Final = Money(0)
AMOUNT_MIN: Final = Money(1)
AMOUNT_MAX: Final = Money(99_999_999_999)
DECIMALS: Final = 2
MINOR_UNITS_PER_UNIT: Final = 100
DIGITS_MAX: Final = 15
FRACTION_DIGITS_MAX: Final = 1_000


def from_decimal(value: Decimal | int) -> Money:
    """Whole units with at most two decimals → minor units; raise `ValueError` for a third decimal, `-0` or no number.

    Decimals count by value: `1.230` and `1e2` pass, `0.001` does not.
    """
    number = Decimal(value)
    if not number.is_finite() or (number.is_zero() and number.is_signed()):
        raise ValueError("is not a number")
    if number.adjusted() > DIGITS_MAX or len(number.as_tuple().digits) > FRACTION_DIGITS_MAX:
        raise ValueError("is out of range")
    if number and number.adjusted() < -DECIMALS:
        raise ValueError("has more than two decimals")
    numerator, denominator = number.as_integer_ratio()
    minor, rest = divmod(numerator * MINOR_UNITS_PER_UNIT, denominator)
    if rest:
        raise ValueError("has more than two decimals")
    return Money(minor)


def to_literal(money: Money) -> str:
    """Minor units → the shortest decimal literal: 500000 → `5000`, 120050 → `1200.5`, -5 → `-0.05`."""
    sign = "-" if money < 0 else ""
    units, cents = divmod(abs(money), MINOR_UNITS_PER_UNIT)
    if cents == 0:
        return f"{sign}{units}"
    return f"{sign}{units}.{cents:02d}".rstrip("0")


def ratio_half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half up (towards +∞ on a tie), in integers only; `denominator` > 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def to_decimal(money: Money) -> Decimal:
    """Minor units → an exact decimal in whole units, as people read it."""
    return Decimal(to_literal(money))
