"""Tables as declarations, and the questions that can be asked of them.

From one declaration come the local resource, the template, the codec and the checks. A question is a value: a store function
makes it, `Database` or `Work` answers it, several in one round trip.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from tazco.kernel.record import Record
from tazco.platform.codec import Codec, Item

R = TypeVar("R", bound=Record)
A_co = TypeVar("A_co", covariant=True)

Key = tuple[str, ...]
"""The values of the key attributes of a table, partition first."""

Entry = Mapping[str, str]
"""What a keys-only index holds of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A global secondary index, keys only: it names rows, the table holds them. Eventually consistent, always."""

    name: str
    partition: str
    sort: str | None = None


def _nothing(_: Any) -> Mapping[str, str | int | None]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Table(Generic[R]):
    """One DynamoDB table and the record that it stores. All key attributes are strings.

    `derived` gives attributes that follow from the record (shards, composite keys); a value of None leaves the attribute out.
    `aggregate` is the type under which the rows' events are numbered; the last key attribute is the aggregate's id and
    `ecosystemId` its owner. `ledger` tables get point-in-time recovery and deletion protection. `wiped_as` is the name under which a cleanup counts the
    rows it deletes; None: a cleanup leaves the table alone.
    """

    name: str
    record: type[R]
    partition: str
    sort: str | None = None
    indexes: tuple[Index, ...] = ()
    spelling: Mapping[str, str] = field(default_factory=dict)
    derived: Callable[[R], Mapping[str, str | int | None]] = _nothing
    ttl: str | None = None
    aggregate: str | None = None
    ledger: bool = True
    wiped_as: str | None = None

    @cached_property
    def codec(self) -> Codec[R]:
        """Items ↔ records of this table."""
        return Codec(self.record, self.spelling)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The key attributes, partition first."""
        return (self.partition,) if self.sort is None else (self.partition, self.sort)

    def item(self, record: R) -> Item:
        """The whole row of a record, derived attributes included."""
        item = self.codec.encode(record)
        for name, value in self.derived(record).items():
            if value is not None:
                item[name] = {"N": str(value)} if isinstance(value, int) else {"S": value}
        return item

    def key_of(self, item: Item) -> Key:
        """The key of a row."""
        return tuple(item[name]["S"] for name in self.key_names)

    def aggregate_id(self, item: Item) -> str:
        """The id under which a row's events are numbered."""
        return self.key_of(item)[-1]

    def owner(self, item: Item) -> str:
        """Whom a row's events concern; a stream without a person belongs to the system."""
        return item["ecosystemId"]["S"] if "ecosystemId" in item else "system"

    def key_item(self, key: Key) -> Item:
        """A key as DynamoDB wants it."""
        return {name: {"S": value} for name, value in zip(self.key_names, key, strict=True)}


class Question(Generic[A_co]):
    """Something that the tables can answer with an `A_co`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Get(Question[R | None], Generic[R]):
    """The row with this key, or None; strongly consistent."""

    table: Table[R]
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A part of a partition: bounds on the sort key, both included, or a prefix; order and size."""

    at_least: str | None = None
    at_most: str | None = None
    newest_first: bool = False
    rows_max: int | None = None


ALL_ROWS = Range()


@dataclass(frozen=True, slots=True)
class RowsOf(Question[tuple[R, ...]], Generic[R]):
    """The rows of one partition, in the order of their sort key; strongly consistent."""

    table: Table[R]
    partition: str
    range: Range = ALL_ROWS


@dataclass(frozen=True, slots=True)
class EntriesOf(Question[tuple[Entry, ...]]):
    """What an index names under one value; lags behind the table, so re-read by key before acting on it."""

    table: Table[Any]
    index: Index
    partition: str
    range: Range = ALL_ROWS


def spread(text: str, shards: int) -> int:
    """Which of so many shards a row goes to: always the same for the same text, and evenly for many."""
    return zlib.crc32(text.encode()) % shards


def composite(*parts: str) -> str:
    """Parts joined by `#`, so that different parts never make the same key: `#` and `%` inside a part are escaped."""
    return "#".join(part.replace("%", "%25").replace("#", "%23") for part in parts)
