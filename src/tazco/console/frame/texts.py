"""The console's words: written in English where they are used, looked up for other languages in one catalogue each."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from tazco.kernel.clock import to_text
from tazco.kernel.money import Money
from tazco.platform.localisation import FORMATS, money_text, signed_text
from tazco.platform.policy import LOCALES

CATALOGUES: Final = Path(__file__).parents[1] / "locale"
SOURCE: Final = "en"
SIGNS: Final = {("pt-BR", "USD"): "US$\N{NO-BREAK SPACE}", ("en", "BRL"): "R$"}
"""Where a currency of one country is read in the language of the other."""

PARTS: Final = re.compile(r"({\w+})")
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@cache
def catalogue(locale: str) -> Mapping[str, str]:
    """English text → text of the language; English needs none."""
    return {} if locale == SOURCE else json.loads((CATALOGUES / f"{locale}.json").read_text())


@cache
def patterns(locale: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The entries with `{names}` in them, as patterns of what they look like when they are filled in."""
    return tuple(
        (
            re.compile(
                "".join(f"(?P<{part[1:-1]}>.+)" if part.startswith("{") else re.escape(part) for part in PARTS.split(english))
            ),
            text,
        )
        for english, text in catalogue(locale).items()
        if PARTS.search(english)
    )


def preferred(accept_language: str, fallback: str) -> str:
    """The first language that a browser asks for and that we speak, by what it says of their order."""
    spoken = {locale.partition("-")[0].lower(): locale for locale in LOCALES}
    for wish in accept_language.split(","):
        language = wish.partition(";")[0].strip().partition("-")[0].lower()
        if language in spoken:
            return spoken[language]
    return fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """One operator's way of reading: language, currency, time zone."""

    locale: str
    currency: str
    zone: str

    def __call__(self, english: str, **values: object) -> str:
        """The text in the operator's language, `{names}` filled in; English where the catalogue has nothing."""
        text = catalogue(self.locale).get(english, english)
        return text.format(**values) if values else text

    def told(self, message: str) -> str:
        """A message of the API, which speaks English and has filled in its numbers, in the operator's language if it is known."""
        known = catalogue(self.locale).get(message)
        if known is not None or self.locale == SOURCE:
            return known or message
        filled = ((pattern.fullmatch(message), text) for pattern, text in patterns(self.locale))
        return next((text.format(**found.groupdict()) for found, text in filled if found), message)

    def count(self, number: int, one: str, many: str) -> str:
        """`one` or `many` with the number filled in as `{n}`."""
        return self(one if number == 1 else many, n=self.number(number))

    def number(self, number: int) -> str:
        """A whole number with thousands apart."""
        return f"{number:,}".replace(",", FORMATS[self.locale].thousands)

    def money(self, amount: Money) -> str:
        """Minor units as an amount in the policy's currency, its digits as the operator's language writes them."""
        sign = SIGNS.get((self.locale, self.currency))
        if sign is None:
            return money_text(amount, self.currency, self.locale)
        return signed_text(amount, sign, FORMATS[self.locale])

    def instant(self, instant: datetime, *, seconds: bool = False) -> str:
        """An instant in the policy's time zone, to the minute or to the millisecond."""
        local = instant.astimezone(ZoneInfo(self.zone))
        text = local.strftime(FORMATS[self.locale].instant)
        return f"{text}{local.strftime(':%S')}.{local.microsecond // 1000:03d}" if seconds else text

    def machine(self, instant: datetime) -> str:
        """An instant for programs."""
        return to_text(instant)

    def day(self, instant: datetime) -> str:
        """The date."""
        return instant.astimezone(ZoneInfo(self.zone)).strftime(FORMATS[self.locale].day)

    def clock(self, instant: datetime, *, exact: bool = False) -> str:
        """The time of day, to the minute or to the millisecond."""
        local = instant.astimezone(ZoneInfo(self.zone))
        return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}" if exact else f"{local:%H:%M}"

    def ago(self, duration: timedelta) -> str:
        """How long ago, in the largest unit that fits."""
        for unit, one, many in (
            (DAY, "{n} day ago", "{n} days ago"),
            (HOUR, "{n} hour ago", "{n} hours ago"),
            (MINUTE, "{n} minute ago", "{n} minutes ago"),
        ):
            if duration >= unit:
                return self.count(duration // unit, one, many)
        return self("just now")

    def lasting(self, duration: timedelta) -> str:
        """How long: `850 ms`, `12.3 s`, `5 min`, `3 h`, `2 d`."""
        seconds = duration.total_seconds()
        if seconds < 1:
            return f"{round(seconds * 1000)} ms"
        if duration < MINUTE:
            return f"{seconds:.1f}".replace(".", FORMATS[self.locale].decimals) + " s"
        for unit, name in ((DAY, "d"), (HOUR, "h")):
            if duration >= 2 * unit:
                return f"{duration // unit} {name}"
        return f"{duration // MINUTE} min"
