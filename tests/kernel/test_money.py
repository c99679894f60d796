"""Money: exact in both directions, strict at the edge."""

import json
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.money import AMOUNT_MAX, Money, from_decimal, ratio_half_up, to_literal

amounts = st.integers(-AMOUNT_MAX, AMOUNT_MAX).map(Money)


@given(amounts)
def test_what_is_written_is_read_as_the_same_amount(money: Money) -> None:
    assert from_decimal(Decimal(to_literal(money))) == money


@given(amounts)
def test_a_literal_is_a_json_number_without_idle_zeros(money: Money) -> None:
    literal = to_literal(money)
    assert json.loads(literal, parse_float=Decimal, parse_int=Decimal) * 100 == money
    assert "." not in literal or not literal.endswith(("0", "."))


@pytest.mark.parametrize(
    ("money", "literal"),
    [
        (0, "0"), (1, "0.01"), (10, "0.1"), (100, "1"), (1_000, "10"), (120_050, "1200.5"), (120_005, "1200.05"),
        (500_000, "5000"), (-1, "-0.01"), (-5, "-0.05"), (-100, "-1"), (-150, "-1.5"), (99_999_999_999, "999999999.99"),
    ],
)  # fmt: skip
def test_the_shortest_literal_is_written(money: int, literal: str) -> None:
    assert to_literal(Money(money)) == literal


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("0", 0), ("0.00", 0), ("0.01", 1), ("1.230", 123), ("1e2", 10_000), ("1E+2", 10_000), ("12e-2", 12), ("650.0", 65_000),
        ("-5", -500), ("-0.05", -5), ("999999999.99", 99_999_999_999), ("0." + "10" + "0" * 900, 10),
    ],
)  # fmt: skip
def test_decimals_count_by_value(text: str, money: int) -> None:
    assert from_decimal(Decimal(text)) == money


def test_a_whole_number_is_whole_units() -> None:
    assert from_decimal(5) == 500


@pytest.mark.parametrize(
    "text",
    [
        "0.001", "0.009", "1.005", "-0.001", "1e-3", "1e-999999", "0.0100000000000000000000001", "NaN", "-NaN", "sNaN", "Infinity",
        "-Infinity", "-0", "-0.00", "-0e5", "1e16", "1e999", "1e999999999", "9" * 2_000, "0." + "0" * 1_500 + "1", "1." + "1" * 1_500,
    ],
)  # fmt: skip
def test_what_is_no_amount_of_money_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_decimal(Decimal(text))


@given(st.decimals())
def test_any_decimal_is_read_exactly_or_refused(value: Decimal) -> None:
    try:
        money = from_decimal(value)
    except ValueError:
        return
    assert Fraction(money, 100) == Fraction(value)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**15))
def test_a_ratio_is_rounded_half_up(numerator: int, denominator: int) -> None:
    assert ratio_half_up(numerator, denominator) == floor(Fraction(numerator, denominator) + Fraction(1, 2))


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_a_positive_ratio_is_rounded_as_decimal_rounds_it(numerator: int, denominator: int) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert ratio_half_up(numerator, denominator) == int(exact)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(0, 7, 0), (1, 2, 1), (3, 2, 2), (5, 2, 3), (-1, 2, 0), (-3, 2, -1), (-5, 3, -2), (7, 3, 2)],
)
def test_a_tie_goes_up(numerator: int, denominator: int, rounded: int) -> None:
    assert ratio_half_up(numerator, denominator) == rounded
