"""The catalogue of an export: what cross-checks and reconciliation ask, in a temporary file, so that memory stays flat.

Every kind of rows has a table of the same columns: `id`; `owner` (a person); `parent` (a transaction's card, a card's request, a
request's card, a person's subject); `at` (an instant that orders); `state`; `amount` (cents: a card's balance, what a transaction
adds to it); `points`; `label` (a person's e-mail); `line`; `digest` of the row; `found`, the digest of the row in the tables.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tazco.kernel.clock import to_text
from tazco.migration.model import CannotImport, Collection
from tazco.migration.rules.documents import Values, counted, earned
from tazco.migration.store.rows import BINDING, Row, digest

KINDS: Final = (*Collection, BINDING)
CACHE_KIBIBYTES: Final = 8_192
COLUMNS: Final = "id, owner, parent, at, state, amount, points, label, line, digest"
TABLE: Final = """CREATE TABLE {kind} (id TEXT PRIMARY KEY, owner TEXT, parent TEXT, at TEXT, state TEXT, amount INTEGER,
    points INTEGER, label TEXT, line INTEGER, digest BLOB, found BLOB) WITHOUT ROWID, STRICT"""
INDEXES: Final = """
CREATE INDEX open_cards ON cards (owner, at, id) WHERE state <> 'cancelled';
CREATE INDEX pending_requests ON cardRequests (owner, at, id) WHERE state = 'pending';
CREATE INDEX awards ON transactions (parent, at) WHERE state = 'award';
CREATE TABLE ledgers (card TEXT PRIMARY KEY, balance INTEGER, purchases INTEGER, payments INTEGER) WITHOUT ROWID, STRICT;
"""
NEWEST: Final = "ORDER BY at DESC, id DESC LIMIT 1"
AWARD: Final = "award"
TWICE: Final = b""
"""Found under several keys: an id is unique, and a key may hold more than the id (an owner, an instant)."""


@dataclass(slots=True)
class Catalogue:
    """What an export says, by id."""

    database: sqlite3.Connection

    def add(self, collection: Collection, values: Values, line: int, rows: tuple[Row, ...]) -> int | None:
        """Note a document and its rows; the line of an earlier document with the same id, if there is one."""
        facts = (*_facts(collection, values), line)
        for row in rows:
            noted = self._insert(row, facts)
            if not noted and row.kind == collection:
                (first,) = self.one(f"SELECT line FROM {collection} WHERE id = ?", row.id)  # noqa: S608 - a name of ours
                return int(first)
        return None

    def _insert(self, row: Row, facts: tuple[Any, ...]) -> bool:
        statement = f"INSERT OR IGNORE INTO {row.kind} ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a name of ours
        return self.database.execute(statement, (row.id, *facts, digest(row.table.item(row.record)))).rowcount == 1

    def active_card(self, ecosystem_id: str) -> str | None:
        """The newest open card of a person."""
        return self._text(f"SELECT id FROM cards WHERE owner = ? AND state <> 'cancelled' {NEWEST}", ecosystem_id)  # noqa: S608 - ours

    def open_request(self, ecosystem_id: str) -> str | None:
        """The newest pending request of a person."""
        return self._text(f"SELECT id FROM cardRequests WHERE owner = ? AND state = 'pending' {NEWEST}", ecosystem_id)  # noqa: S608 - ours

    def last_award(self, card_id: str) -> str | None:
        """When a payment of a card last earned points."""
        return self._text("SELECT max(at) FROM transactions WHERE parent = ? AND state = 'award'", card_id)

    def has_card(self, card_id: str) -> bool:
        """The export knows the card."""
        return self._text("SELECT id FROM cards WHERE id = ?", card_id) is not None

    def _text(self, question: str, *values: Any) -> str | None:
        found = self.database.execute(question, values).fetchone()
        return str(found[0]) if found and found[0] is not None else None

    def one(self, question: str, *values: Any) -> tuple[Any, ...]:
        """The only row of an answer."""
        found: tuple[Any, ...] = self.database.execute(question, values).fetchone()
        return found

    def each(self, question: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of an answer, one at a time."""
        return iter(self.database.execute(question, values))

    def mark(self, kind: str, row_id: str, found: bytes) -> bool:
        """Note what the tables hold under an id, `TWICE` from the second row on; False if the export does not know it."""
        statement = f"UPDATE {kind} SET found = iif(found IS NULL, ?, x'') WHERE id = ?"  # noqa: S608 - a name of ours
        return self.database.execute(statement, (found, row_id)).rowcount == 1

    def digest_of(self, row: Row) -> bytes | None:
        """The digest of a row as it was checked; None if there was no such row."""
        found = self.database.execute(f"SELECT digest FROM {row.kind} WHERE id = ?", (row.id,)).fetchone()  # noqa: S608 - ours
        return bytes(found[0]) if found else None

    def enter_ledger(self, card_id: str, *, balance: int = 0, purchases: int = 0, payments: int = 0) -> None:
        """Add to what the tables say of a card."""
        statement = (
            "INSERT INTO ledgers VALUES (?, ?, ?, ?) ON CONFLICT (card) DO UPDATE SET balance = balance + excluded.balance,"
            " purchases = purchases + excluded.purchases, payments = payments + excluded.payments"
        )
        self.database.execute(statement, (card_id, balance, purchases, payments))

    def forget_tables(self) -> None:
        """Forget what the tables were found to hold, to look again."""
        for kind in KINDS:
            self.database.execute(f"UPDATE {kind} SET found = NULL WHERE found IS NOT NULL")  # noqa: S608 - a name of ours
        self.database.execute("DELETE FROM ledgers")


def _facts(collection: Collection, values: Values) -> tuple[Any, ...]:
    """Owner, parent, at, state, amount, points, label."""
    owner = values.get("ecosystemId")
    match collection:
        case Collection.USERS:
            return owner, values["firebaseUid"], None, None, None, values["currentScore"], values["email"]
        case Collection.CARDS:
            return owner, values.get("requestId"), _at(values["createdAt"]), values["status"].value, values["balance"], None, None
        case Collection.CARD_REQUESTS:
            return owner, values.get("cardId"), _at(values["createdAt"]), values["status"].value, None, None, None
        case Collection.TRANSACTIONS:
            state = AWARD if earned(values) else values["status"].value
            return owner, values["cardId"], _at(values["timestamp"]), state, counted(values), None, None
        case Collection.SCORES:
            return owner, None, _at(values["timestamp"]), None, None, values["value"], None
        case Collection.AUDIT_LOGS:
            return None, None, None, None, None, None, None


def _at(instant: datetime) -> str:
    return to_text(instant)


@contextmanager
def catalogue() -> Iterator[Catalogue]:
    """An empty catalogue in a file without a name, which is gone with the process however it ends.

    Raise `CannotImport` where there is no room for it.
    """
    database = sqlite3.connect("", isolation_level=None)
    try:
        database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -{CACHE_KIBIBYTES};"
        )
        for kind in KINDS:
            database.execute(TABLE.format(kind=kind))
        database.executescript(INDEXES)
        database.execute("BEGIN")
        yield Catalogue(database)
    except sqlite3.OperationalError as error:
        raise CannotImport(
            f"The temporary catalogue: {error}. Make room, or set SQLITE_TMPDIR to a folder that has some."
        ) from error
    finally:
        database.close()
