"""How values of an export become values of the program, exactly."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.clock import to_text
from tazco.kernel.money import AMOUNT_MAX, ZERO, Money
from tazco.migration.rules import kinds
from tazco.migration.rules.documents import Unreadable, parse
from tazco.migration.rules.residue import without_residue
from tazco.platform.jsontext import encode

MONEY = kinds.amount(ZERO, AMOUNT_MAX)
CENTS = st.integers(0, int(AMOUNT_MAX)).map(Money)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001 - the zone comes next
    lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000, tzinfo=UTC)
)


def from_literal(literal: str) -> Any:
    return parse(b'{"amount":' + literal.encode() + b"}")["amount"]


@given(CENTS)
def test_every_amount_comes_back_from_its_own_literal(cents: Money) -> None:
    literal = encode(MONEY.write(cents)).decode()
    assert MONEY.read(from_literal(literal)) == cents


@given(CENTS, st.integers(0, 6), st.integers(-3, 9))
def test_an_amount_is_the_same_however_it_is_spelt(cents: Money, zeros: int, exponent: int) -> None:
    value = Decimal(cents).scaleb(-2)
    padded = f"{value:f}" + "0" * zeros if "." in f"{value:f}" else f"{value:f}"
    shifted = f"{value.scaleb(-exponent):f}e{exponent}"
    assert MONEY.read(from_literal(padded)) == MONEY.read(from_literal(shifted)) == cents


@given(st.integers(1, int(AMOUNT_MAX) * 1000).filter(lambda mills: mills % 10))
def test_a_third_decimal_is_refused_and_never_rounded(mills: int) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        MONEY.read(from_literal(f"{Decimal(mills).scaleb(-3):f}"))


@given(st.floats(0, 999_999_999.99).map(lambda each: round(each, 2)))
def test_what_javascript_writes_is_what_is_read(dollars: float) -> None:
    """JSON.stringify writes the shortest literal that gives the same float, as Python's json does."""
    literal = json.dumps(dollars)
    assert MONEY.read(from_literal(literal)) == int(Decimal(literal) * 100)


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=60))
def test_what_floats_leave_beside_a_cent_goes_away_and_nothing_else(cents: list[int]) -> None:
    total = 0.0
    for each in cents:
        total += each / 100
    assert without_residue(from_literal(json.dumps(total))) == Decimal(sum(cents)).scaleb(-2)


@pytest.mark.parametrize("literal", ["0.001", "0.00001", "12.345", "1e999", "1e-5", "123456789012345.678"])
def test_a_third_decimal_that_somebody_meant_stays(literal: str) -> None:
    assert without_residue(from_literal(literal)) == from_literal(literal)


def test_nought_has_no_sign_after_it() -> None:
    assert str(without_residue(from_literal("-1e-15"))) == "0.00"


@pytest.mark.parametrize("literal", ["0.001", "1e-3", "-0", "-0.01", "1e999", "1000000000", '"5"', "true", "[]", "{}"])
def test_what_is_no_amount_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        MONEY.read(from_literal(literal))


@pytest.mark.parametrize(("literal", "cents"), [("1e2", 10_000), ("1.230", 123), ("0", 0), ("5000", 500_000), ("1E+2", 10_000)])
def test_decimals_count_by_value(literal: str, cents: int) -> None:
    assert MONEY.read(from_literal(literal)) == cents


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e", "01", "0x10", ".5"])
def test_what_is_no_json_number_is_no_line(literal: str) -> None:
    with pytest.raises(Unreadable):
        from_literal(literal)


@given(INSTANTS, st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_the_same_in_every_zone_and_spelling(instant: datetime, minutes: int) -> None:
    text = to_text(instant)
    elsewhere = instant.astimezone(timezone(timedelta(minutes=minutes))).isoformat(timespec="milliseconds")
    for spelling in (text, text.replace("Z", "+00:00"), text[:-1] + "000Z", elsewhere):
        assert to_text(kinds.INSTANT.read(spelling)) == text
    if instant.microsecond == 0:
        assert to_text(kinds.INSTANT.read(text.replace(".000Z", "Z"))) == text


@given(INSTANTS)
def test_a_local_time_is_no_instant(instant: datetime) -> None:
    with pytest.raises(ValueError, match="must name its zone"):
        kinds.INSTANT.read(to_text(instant).removesuffix("Z"))


@pytest.mark.parametrize(
    "text",
    [
        "2031-02-30T00:00:00.000Z",
        "2031-04-05",
        "2031-04-05 06:07:08Z",
        "2031-W14-6T06:07:08Z",
        "20310405T060708Z",
        "2031-04-05T24:00:00Z",
        "2031-04-05T06:07:60Z",
        "1969-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00+14:00",
        "٢٠٣١-04-05T06:07:08Z",
        1_933_221_228,
        {"_seconds": 1_933_221_228, "_nanoseconds": 0},
        None,
    ],
)
def test_what_is_no_instant_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        kinds.INSTANT.read(text)


def test_a_number_that_is_too_long_once_it_is_written_out_is_refused() -> None:
    """It would go in as `1e38`, come out with 39 digits, and not go in again."""
    assert kinds.OBJECT.read({"a": Decimal("1E+37")})
    with pytest.raises(ValueError, match="at most 38 digits"):
        kinds.OBJECT.read({"a": Decimal("1E+38")})


def test_personal_values_are_never_quoted() -> None:
    assert kinds.shown(kinds.email(), "ada.lovelace") == "(personal, 12 characters)"
    assert kinds.shown(kinds.text(1, 9), "line\nbreak\x1b[31m" + "x" * 99).startswith('"line\\nbreak\\u001b[31m')
    assert len(kinds.shown(kinds.text(1, 9), "x" * 1_000)) < 60
