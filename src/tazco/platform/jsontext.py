"""JSON at the edges: numbers are read as integers or decimals and written as literals; no float anywhere."""

import dataclasses
import json
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NoReturn

import orjson

from tazco.kernel.clock import to_text
from tazco.kernel.events import Event
from tazco.kernel.money import Money, to_literal
from tazco.platform.codec import camel_case

PayloadFields = tuple[tuple[str, str, Callable[[Any], Any]], ...]
"""Field, key and writer of each part of a payload."""

Amount = orjson.Fragment
"""Money on its way out: a JSON number literal in whole units."""


class Malformed(Exception):
    """The bytes are no JSON object; the message names the fault without quoting the input."""


def amount(money: Money) -> Amount:
    """Minor units → the number that the wire shows: 120050 → `1200.5`."""
    return orjson.Fragment(to_literal(money))


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON of dicts, lists, strings, integers, booleans, decimals and `Amount`s."""
    return orjson.dumps(value, default=_decimal)


def on_lines(value: Any) -> str:
    """The same for people: a line for each part."""
    return orjson.dumps(value, default=_decimal, option=orjson.OPT_INDENT_2).decode()


def _decimal(value: Any) -> Amount:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def parse_object(raw: bytes) -> dict[str, Any]:
    """A JSON object with decimals instead of floats; raise `Malformed` for anything else."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None
    except (ValueError, ArithmeticError):
        raise Malformed("The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Malformed("The body must be a JSON object.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unchanged(value: Any) -> Any:
    return value


def _writer(hint: Any) -> Callable[[Any], Any]:
    arms = [arm for arm in typing.get_args(hint) if arm is not type(None)] or [hint]
    if arms[0] is Money:
        return amount
    if arms[0] is datetime:
        return to_text
    if isinstance(arms[0], type) and issubclass(arms[0], Enum):
        return lambda member: member.value
    return _unchanged


def _described(event_type: type[Event]) -> PayloadFields:
    hints = typing.get_type_hints(event_type)
    return tuple(
        (field.name, event_type.wire_names.get(field.name, camel_case(field.name)), _writer(hints[field.name]))
        for field in dataclasses.fields(event_type)
    )


_known: dict[type[Event], PayloadFields] = {}


def _fields_of(event_type: type[Event]) -> PayloadFields:
    """Described once per type."""
    if event_type not in _known:
        _known[event_type] = _described(event_type)
    return _known[event_type]


def payload(event: Event) -> Mapping[str, Any]:
    """The payload of an event as the contract spells it; absent values are left out."""
    return {key: write(value) for name, key, write in _fields_of(type(event)) if (value := getattr(event, name)) is not None}
