"""Frozen dataclasses ↔ DynamoDB items, built once from the annotations; writing is exact, reading is tolerant.

Attribute names are the field names in camel case, unless the table spells them otherwise. Money and integers are `N`, instants
are 24-character `S`, an absent value is an absent attribute.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar

from tazco.kernel.clock import from_text, to_text
from tazco.kernel.record import Record

Attribute = dict[str, Any]
"""One typed value as DynamoDB writes it: `{"S": "x"}`, `{"N": "5"}`, `{"BOOL": true}`, `{"M": {...}}`, `{"L": [...]}`."""

Item = dict[str, Attribute]
R = TypeVar("R", bound=Record)


class Undecodable(Exception):
    """A stored row lacks an attribute that its record cannot do without, or holds a value of another type."""


def camel_case(name: str) -> str:
    """`available_credit` → `availableCredit`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@dataclass(frozen=True, slots=True)
class _Kind:
    encode: Callable[[Any], Attribute]
    decode: Callable[[Attribute], Any]


def _number(attribute: Attribute) -> int:
    number = Decimal(attribute["N"])
    whole = int(number)
    if whole != number:
        raise ValueError(f"{number} is not a whole number")
    return whole


TEXT = _Kind(lambda value: {"S": value}, lambda attribute: attribute["S"])
INTEGER = _Kind(lambda value: {"N": str(int(value))}, _number)
FLAG = _Kind(lambda value: {"BOOL": value}, lambda attribute: attribute["BOOL"])
INSTANT = _Kind(lambda value: {"S": to_text(value)}, lambda attribute: from_text(attribute["S"]))


def kind_of(hint: Any) -> _Kind:
    """The converter for an annotation; raise `TypeError` for one that has no stored form."""
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return kind_of(next(arm for arm in typing.get_args(hint) if arm is not type(None)))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _Kind(lambda value: {"S": value.value}, lambda attribute: hint(attribute["S"]))
    simple = {str: TEXT, int: INTEGER, bool: FLAG, datetime: INSTANT}.get(hint)
    if simple is None:
        raise TypeError(f"{hint!r} has no stored form")
    return simple


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    attribute: str
    kind: _Kind
    required: bool


class Codec(Generic[R]):
    """Turns records of one type into items and back."""

    def __init__(self, record: type[R], spelling: Mapping[str, str]) -> None:
        self._record = record
        hints = typing.get_type_hints(record)
        self._fields = tuple(
            _Field(
                field.name,
                spelling.get(field.name, camel_case(field.name)),
                kind_of(hints[field.name]),
                field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(record)
        )

    def encode(self, record: R) -> Item:
        """Every attribute of the record that has a value."""
        item: Item = {}
        for field in self._fields:
            value = getattr(record, field.name)
            if value is not None:
                item[field.attribute] = field.kind.encode(value)
        return item

    def decode(self, item: Item) -> R:
        """The record; attributes it does not know are left alone, those it can do without may be missing."""
        values: dict[str, Any] = {}
        for field in self._fields:
            attribute = item.get(field.attribute)
            if attribute is None or "NULL" in attribute:
                if field.required:
                    raise Undecodable(f"a row of {self._record.__name__} has no {field.attribute!r}")
                continue
            try:
                values[field.name] = field.kind.decode(attribute)
            except (KeyError, ValueError, ArithmeticError) as error:
                raise Undecodable(f"{self._record.__name__}.{field.attribute} cannot be read: {error}") from error
        return self._record(**values)
