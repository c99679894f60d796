"""Kinds of fields: how a JSON value becomes a value of the program and back, and how it may be shown. Numbers come as decimals.

Reading raises `ValueError` with what the value must be; it never converts from another type.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from tazco.kernel.clock import from_text, to_text
from tazco.kernel.money import DIGITS_MAX, Money, from_decimal, to_decimal, to_literal
from tazco.migration.rules.residue import without_residue

ID_BYTES_MAX: Final = 256
"""Two of them, each `#` escaped, fit into a key of 2,048 bytes."""

EMAIL_CHARACTERS_MAX: Final = 254
SHOWN_CHARACTERS_MAX: Final = 40
OBJECT_LEVELS_MAX: Final = 16
OBJECT_BYTES_MAX: Final = 100_000
"""Two of them fit into a row of 400 KB; `1e37` is four bytes on a line and 38 in a row."""

NUMBER_DIGITS_MAX: Final = 38
"""As many as DynamoDB keeps."""

INSTANT_FORM: Final = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?P<zone>Z|[+-][01]\d:[0-5]\d)?", re.ASCII
)
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name for the documentation, the way in, the way out; whether its values are personal and never shown; whether money."""

    label: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    personal: bool = False
    money: bool = False


def _unchanged(value: Any) -> Any:
    return value


def _checked_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be storable as UTF-8: it has half of a surrogate pair") from None
    return value


def text(low: int, high: int, *, personal: bool = False) -> Kind:
    """A text of `low` to `high` characters."""

    def read(value: Any) -> str:
        found = _checked_text(value)
        if not low <= len(found) <= high:
            raise ValueError(f"must have {low} to {high} characters; it has {len(found)}")
        return found

    return Kind(f"text, {low} to {high} characters", read, _unchanged, personal)


def identifier(*, personal: bool = False) -> Kind:
    """An opaque id, which may become part of a key."""

    def read(value: Any) -> str:
        found = _checked_text(value)
        if not 1 <= len(found.encode()) <= ID_BYTES_MAX:
            raise ValueError(f"must have 1 to {ID_BYTES_MAX} bytes; it has {len(found.encode())}")
        return found

    return Kind(f"id, 1 to {ID_BYTES_MAX} bytes", read, _unchanged, personal)


def email() -> Kind:
    """An e-mail as registration takes it."""

    def read(value: Any) -> str:
        found = _checked_text(value)
        if "@" not in found or len(found) > EMAIL_CHARACTERS_MAX:
            raise ValueError(f"must contain @ and have at most {EMAIL_CHARACTERS_MAX} characters")
        return found

    return Kind("e-mail", read, _unchanged, personal=True)


def choice(words: type[StrEnum]) -> Kind:
    """One of a few words."""
    known = {word.value: word for word in words}

    def read(value: Any) -> StrEnum:
        found = known.get(value) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"must be one of {', '.join(known)}")
        return found

    return Kind(", ".join(f"`{word}`" for word in known), read, str)


def amount(low: Money, high: Money) -> Kind:
    """Money: a JSON number in whole units with at most two decimals by value."""

    def read(value: Any) -> Money:
        if not isinstance(value, Decimal):
            raise ValueError("must be a number without quotes, in whole units, such as 1200.5")
        try:
            cents = from_decimal(value)
        except ValueError as error:
            cent = without_residue(value)
            cure = "" if cent == value else f". Sums of floats end so: --round-residue takes {cent.normalize():f}"
            raise ValueError(f"must be a number with at most two decimals, such as 1200.5: it {error}{cure}") from None
        if not low <= cents <= high:
            raise ValueError(f"must be from {to_literal(low)} to {to_literal(high)}")
        return cents

    return Kind(f"money, {to_literal(low)} to {to_literal(high)}", read, to_decimal, money=True)


def whole(low: int, high: int) -> Kind:
    """A whole number; `650.0` is one."""

    def read(value: Any) -> int:
        if not isinstance(value, Decimal):
            raise ValueError("must be a whole number without quotes")
        if value.adjusted() > DIGITS_MAX or value != (number := int(value)):
            raise ValueError(f"must be a whole number from {low} to {high}")
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return Kind(f"whole number, {low} to {high}", read, _unchanged)


def _instant(value: Any) -> datetime:
    form = INSTANT_FORM.fullmatch(value) if isinstance(value, str) else None
    if form is None:
        raise ValueError("must be an instant as toISOString() writes it, such as 2031-04-05T06:07:08.090Z")
    if form["zone"] is None:
        raise ValueError("must name its zone: a local time is no instant. Write it in UTC, such as 2031-04-05T06:07:08.090Z")
    try:
        instant = from_text(value)
    except (ValueError, OverflowError):
        raise ValueError("must be a day and a time that exist") from None
    if instant < EARLIEST:
        raise ValueError("must not be before 1970")
    return instant


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object in braces")
    _check_inside(value, OBJECT_LEVELS_MAX)
    size = len(json.dumps(value, ensure_ascii=False, default="{:f}".format).encode())
    if size > OBJECT_BYTES_MAX:
        raise ValueError(f"must have at most {OBJECT_BYTES_MAX} bytes, its numbers written out; it has {size}")
    return value


def _check_inside(value: Any, levels: int) -> None:
    if not levels:
        raise ValueError(f"must be nested at most {OBJECT_LEVELS_MAX} deep")
    if isinstance(value, dict):
        for name, inner in value.items():
            _checked_text(name)
            _check_inside(inner, levels - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_inside(inner, levels - 1)
    elif isinstance(value, Decimal):
        if len(value.as_tuple().digits) > NUMBER_DIGITS_MAX or not -NUMBER_DIGITS_MAX <= value.adjusted() < NUMBER_DIGITS_MAX:
            raise ValueError(f"must hold numbers of at most {NUMBER_DIGITS_MAX} digits")
    elif isinstance(value, str):
        _checked_text(value)


INSTANT: Final = Kind("instant", _instant, to_text)
OBJECT: Final = Kind("object", _object, _unchanged, personal=True)


def storable(text: str) -> str:
    """A text with halves of surrogate pairs escaped, so that it can be printed."""
    return text.encode(errors="backslashreplace").decode()


def shown(kind: Kind, value: Any) -> str:
    """A value as a message may quote it: personal ones only by their length, long ones cut, control characters escaped."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if kind.personal:
        return f"(personal, {len(value)} characters)" if isinstance(value, str) else "(personal)"
    text_form = json.dumps(value) if isinstance(value, str | bool) or value is None else str(value)
    return text_form if len(text_form) <= SHOWN_CHARACTERS_MAX else text_form[:SHOWN_CHARACTERS_MAX] + "…"
