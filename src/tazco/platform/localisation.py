"""Amounts and instants as people read them, by locale, currency and time zone of the policy."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from tazco.kernel.money import MINOR_UNITS_PER_UNIT, Money

NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Format:
    """How one language writes numbers and dates."""

    thousands: str
    decimals: str
    day: str
    instant: str


ENGLISH: Final = Format(",", ".", "%Y-%m-%d", "%Y-%m-%d %H:%M")
BRAZILIAN: Final = Format(".", ",", "%d/%m/%Y", "%d/%m/%Y, %H:%M")
FORMATS: Final = {"en": ENGLISH, "pt-BR": BRAZILIAN}
SIGNS: Final = {"USD": ("$", ENGLISH), "BRL": ("R$" + NO_BREAK_SPACE, BRAZILIAN)}
"""Currencies that are written in their country's way in any language; every other one begins with its code."""


def money_text(amount: Money, currency: str, locale: str) -> str:
    """Minor units → `$1,234.56`, `R$ 1.234,56` with a no-break space, `EUR 1,234.56` or `EUR 1.234,56`.

    `currency` is an ISO 4217 code with two decimals, `locale` `en` or `pt-BR`; raise `KeyError` for another locale.
    """
    sign, form = SIGNS.get(currency, (f"{currency} ", FORMATS[locale]))
    return signed_text(amount, sign, form)


def signed_text(amount: Money, sign: str, form: Format) -> str:
    """Minor units behind a currency's sign, in the digits of a language."""
    units, cents = divmod(abs(amount), MINOR_UNITS_PER_UNIT)
    grouped = f"{units:,}".replace(",", form.thousands)
    return f"{'-' if amount < 0 else ''}{sign}{grouped}{form.decimals}{cents:02d}"


def instant_text(instant: datetime, zone: str, locale: str) -> str:
    """An aware instant → `2031-04-05 06:07 (UTC)` or `05/04/2031, 06:07 (UTC)`, in an IANA zone.

    A zone whose abbreviation is a mere offset (`-03`) is called by its name.
    """
    local = instant.astimezone(ZoneInfo(zone))
    abbreviation = local.tzname() or ""
    name = abbreviation if re.fullmatch(r"[A-Z]{2,}", abbreviation) else zone
    return f"{local.strftime(FORMATS[locale].instant)} ({name})"
