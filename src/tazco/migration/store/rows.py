"""Documents ↔ rows: which table takes a collection, what follows from other documents, and the digest of a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol

import orjson

from tazco.audit.store import AUDIT_LOGS
from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.store import CARDS
from tazco.kernel.clock import from_text
from tazco.kernel.record import Record, Versioned
from tazco.migration.model import Collection
from tazco.migration.rules.documents import Values, parse
from tazco.migration.rules.shapes import SHAPES, Shape
from tazco.platform.codec import Item
from tazco.platform.jsontext import encode
from tazco.platform.tables import Table
from tazco.scores.store import SCORES
from tazco.transactions.store import TRANSACTIONS
from tazco.users.store import BINDINGS, USERS, Binding

BINDING: Final = "bindings"
"""The rows that bind a subject to a person; the only ones that no document stands for."""

DIGEST_BYTES: Final = 16

TABLE_OF: Final[Mapping[Collection, Table[Any]]] = {
    Collection.USERS: USERS,
    Collection.CARDS: CARDS,
    Collection.CARD_REQUESTS: CARD_REQUESTS,
    Collection.TRANSACTIONS: TRANSACTIONS,
    Collection.SCORES: SCORES,
    Collection.AUDIT_LOGS: AUDIT_LOGS,
}
EMPTY_LEFT_OUT: Final = frozenset({"productId", "ipAddress", "userAgent"})
"""Texts that a record always has; an empty one was absent."""


class Guards(Protocol):
    """What of a row follows from documents of other collections."""

    def active_card(self, ecosystem_id: str) -> str | None:
        """The newest open card of a person."""
        ...

    def open_request(self, ecosystem_id: str) -> str | None:
        """The newest pending request of a person."""
        ...

    def last_award(self, card_id: str) -> str | None:
        """When a payment of a card last earned points."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """A row to write. `kind` is its collection, or `bindings`; `id` tells it from the others of its kind.

    Rows of the same `document` belong together: a person is nobody without the binding of the subject.
    """

    kind: str
    id: str
    document: str
    table: Table[Any]
    record: Record


def rows_of(collection: Collection, values: Values, guards: Guards) -> tuple[Row, ...]:
    """The rows that a document becomes: its own, and for a person the binding of the subject."""
    shape, table = SHAPES[collection], TABLE_OF[collection]
    given = {field.into: values[field.name] for field in shape.fields if field.into and field.name in values}
    if issubclass(table.record, Versioned):
        given["version"] = 1
    _complete(collection, given, guards)
    document = f"{collection}/{values[shape.id]}"
    row = Row(collection, values[shape.id], document, table, table.record(**given))
    if collection is not Collection.USERS:
        return (row,)
    binding = Binding(subject=given["subject"], bound_to=given["ecosystem_id"], version=1)
    return (row, Row(BINDING, given["subject"], document, BINDINGS, binding))


def _complete(collection: Collection, given: dict[str, Any], guards: Guards) -> None:
    """Add what a document may leave out, and what follows from others."""
    if collection in (Collection.CARDS, Collection.CARD_REQUESTS):
        given.setdefault("updated_at", given["created_at"])
    if collection is Collection.CARDS and "last_award_at" not in given:
        award = guards.last_award(given["card_id"])
        given["last_award_at"] = from_text(award) if award else None
    elif collection is Collection.USERS:
        given["active_card_id"] = guards.active_card(given["ecosystem_id"])
        given["open_request_id"] = guards.open_request(given["ecosystem_id"])
    elif collection is Collection.AUDIT_LOGS:
        given["previous_value"] = encode(given.get("previous_value", {})).decode()
        given["new_value"] = encode(given.get("new_value", {})).decode()
        given.setdefault("ip_address", "")
        given.setdefault("user_agent", "")


def document_of(collection: Collection, item: Item) -> bytes:
    """The document of a row as a line of JSON; raise `Undecodable` or `Unreadable` for a row that cannot be read."""
    record = TABLE_OF[collection].codec.decode(item)
    return encode(_described(SHAPES[collection], record))


def _described(shape: Shape, record: Any) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for field in shape.fields:
        value = getattr(record, field.into or _follows(field.name))
        if value is None or (value == "" and field.name in EMPTY_LEFT_OUT) or (value == 0 and field.name == "sequence"):
            continue
        document[field.name] = parse(value.encode()) if field.kind.label == "object" else field.kind.write(value)
    return document


def _follows(name: str) -> str:
    return {"tier": "tier", "availableCredit": "available_credit"}[name]


def digest(item: Item) -> bytes:
    """The same for rows with the same attributes."""
    return blake2b(orjson.dumps(item, option=orjson.OPT_SORT_KEYS), digest_size=DIGEST_BYTES).digest()
