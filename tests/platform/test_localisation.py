"""Amounts and instants as people read them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.money import Money
from tazco.platform.localisation import instant_text, money_text
from tazco.platform.policy import LOCALES

MOMENT = datetime(2031, 4, 5, 6, 7, 8, 90_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        (20_000, "USD", "en", "$200.00"),
        (123_456, "USD", "en", "$1,234.56"),
        (123_456, "USD", "pt-BR", "$1,234.56"),
        (123_456, "BRL", "pt-BR", "R$\N{NO-BREAK SPACE}1.234,56"),
        (123_456, "BRL", "en", "R$\N{NO-BREAK SPACE}1.234,56"),
        (123_456, "EUR", "en", "EUR 1,234.56"),
        (123_456, "EUR", "pt-BR", "EUR 1.234,56"),
        (5, "USD", "en", "$0.05"),
        (0, "EUR", "pt-BR", "EUR 0,00"),
        (99_999_999_999, "BRL", "pt-BR", "R$\N{NO-BREAK SPACE}999.999.999,99"),
        (-5, "USD", "en", "-$0.05"),
    ],
)
def test_an_amount_is_written_as_its_currency_and_its_reader_want_it(amount: int, currency: str, locale: str, text: str) -> None:
    assert money_text(Money(amount), currency, locale) == text


@given(st.integers(min_value=-(10**15), max_value=10**15), st.sampled_from(LOCALES))
def test_no_cent_of_an_amount_is_lost_in_its_text(amount: int, locale: str) -> None:
    text = money_text(Money(amount), "CHF", locale)
    decimals, thousands = (".", ",") if locale == "en" else (",", ".")
    plain = text.replace("CHF ", "").replace(thousands, "").replace(decimals, ".")
    assert Decimal(plain) * 100 == amount


@pytest.mark.parametrize(
    ("zone", "locale", "text"),
    [
        ("UTC", "en", "2031-04-05 06:07 (UTC)"),
        ("UTC", "pt-BR", "05/04/2031, 06:07 (UTC)"),
        ("Europe/Berlin", "en", "2031-04-05 08:07 (CEST)"),
        ("America/Sao_Paulo", "pt-BR", "05/04/2031, 03:07 (America/Sao_Paulo)"),
        ("Pacific/Kiritimati", "en", "2031-04-05 20:07 (Pacific/Kiritimati)"),
        ("America/Los_Angeles", "en", "2031-04-04 23:07 (PDT)"),
    ],
)
def test_an_instant_is_told_in_its_zone_by_a_name_that_people_know(zone: str, locale: str, text: str) -> None:
    assert instant_text(MOMENT, zone, locale) == text
