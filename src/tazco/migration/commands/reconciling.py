"""The proof: every row of the export is read back from the tables, and every sum of money and every card is compared to the cent."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from tazco.kernel.money import ZERO, Money, to_literal
from tazco.migration.commands.checking import STEP, Advance
from tazco.migration.model import SHOWN_MAX, Collection, Compared, Reconciliation, Sum
from tazco.migration.rules.shapes import SHAPES
from tazco.migration.store.catalogue import KINDS, TWICE, Catalogue
from tazco.migration.store.rows import BINDING, TABLE_OF, digest
from tazco.platform.codec import Item
from tazco.platform.database import Database
from tazco.transactions.model import TransactionStatus, TransactionType
from tazco.users.store import BINDINGS, REGISTRATION

COMPARED: Final = """SELECT count(*), coalesce(sum(found = digest), 0), coalesce(sum(found <> digest), 0), coalesce(sum(found IS NULL), 0)
    FROM {kind}"""
ROWS_OFF: Final = "SELECT id, line, found FROM {kind} WHERE found IS NOT digest ORDER BY line LIMIT {rows_max}"
CARDS_OFF: Final = """SELECT cards.id, cards.amount, coalesce(entries.total, 0), ledgers.balance, ledgers.purchases - ledgers.payments
    FROM cards LEFT JOIN (SELECT parent, sum(amount) AS total FROM transactions GROUP BY parent) entries ON entries.parent = cards.id
    LEFT JOIN ledgers ON ledgers.card = cards.id
    WHERE ledgers.card IS NULL OR ledgers.balance <> cards.amount OR ledgers.purchases - ledgers.payments <> coalesce(entries.total, 0)
    ORDER BY cards.line"""
EXPORTED: Final[Mapping[str, str]] = {
    "balances": "SELECT coalesce(sum(amount), 0) FROM cards",
    "purchases": "SELECT coalesce(sum(amount), 0) FROM transactions WHERE amount > 0",
    "payments": "SELECT coalesce(-sum(amount), 0) FROM transactions WHERE amount < 0",
}
IN_TABLES: Final[Mapping[str, str]] = {
    "balances": "SELECT coalesce(sum(balance), 0) FROM ledgers",
    "purchases": "SELECT coalesce(sum(purchases), 0) FROM ledgers",
    "payments": "SELECT coalesce(sum(payments), 0) FROM ledgers",
}


async def reconcile(database: Database, catalogue: Catalogue, advance: Advance) -> Reconciliation:
    """Read all tables of an import to their end, strongly consistent, and compare them with the export in the catalogue.

    Rows that the export does not know are counted and left alone, except on its own cards: there they would falsify the sum.
    """
    catalogue.forget_tables()
    others = dict.fromkeys(KINDS, 0)
    seen = 0
    async for kind, item in _rows(database):
        known = catalogue.mark(kind, _id_of(kind, item), digest(item))
        others[kind] += not known
        _enter(catalogue, kind, item, known=known)
        seen += known
        if known and seen % STEP == 0:
            advance(STEP)
    advance(seen % STEP)
    off, count = _cards_off(catalogue)
    return Reconciliation(
        rows={str(kind): _compared(catalogue, kind, others[kind]) for kind in reversed(KINDS)},
        sums={name: _sum(catalogue, name) for name in EXPORTED},
        rows_off=_rows_off(catalogue),
        cards=int(catalogue.one("SELECT count(*) FROM cards")[0]),
        cards_off=off,
        cards_off_count=count,
    )


async def _rows(database: Database) -> AsyncIterator[tuple[str, Item]]:
    for collection, table in TABLE_OF.items():
        async for item in database.scan(table):
            yield collection, item
    async for item in database.scan(BINDINGS):
        if _text(item, "keyHash") == REGISTRATION:
            yield BINDING, item


def _id_of(kind: str, item: Item) -> str:
    return _text(item, BINDINGS.partition if kind == BINDING else SHAPES[Collection(kind)].id)


def _text(item: Item, name: str) -> str:
    """A text of a row; rows that are not ours may lack it."""
    return str(item.get(name, {}).get("S", ""))


def _cents(item: Item, name: str) -> int:
    return int(item.get(name, {}).get("N", "0"))


def _enter(catalogue: Catalogue, kind: str, item: Item, *, known: bool) -> None:
    """Add a row to the ledger of its card, by what the table says and nothing else."""
    card_id = _text(item, "cardId")
    if kind == Collection.CARDS and known:
        catalogue.enter_ledger(card_id, balance=_cents(item, "balance"))
    elif kind == Collection.TRANSACTIONS and _text(item, "status") == TransactionStatus.COMPLETED and catalogue.has_card(card_id):
        cents, purchase = _cents(item, "amount"), _text(item, "type") == TransactionType.PURCHASE
        catalogue.enter_ledger(card_id, purchases=cents if purchase else 0, payments=0 if purchase else cents)


def _compared(catalogue: Catalogue, kind: str, others: int) -> Compared:
    expected, equal, different, missing = catalogue.one(COMPARED.format(kind=kind))
    return Compared(expected=expected, equal=equal, different=different, missing=missing, others=others)


def _sum(catalogue: Catalogue, name: str) -> Sum:
    return Sum(Money(int(catalogue.one(EXPORTED[name])[0])), Money(int(catalogue.one(IN_TABLES[name])[0])))


def _rows_off(catalogue: Catalogue) -> tuple[str, ...]:
    """The first rows that are missing or different; of a binding the line, for the subject is personal."""
    told: list[str] = []
    for kind in KINDS:
        for row_id, line, found in catalogue.each(ROWS_OFF.format(kind=kind, rows_max=SHOWN_MAX - len(told))):
            name = f"of users line {line}" if kind == BINDING else row_id
            told.append(f"{kind} {name}: {_how_off(found)}")
    return tuple(told)


def _how_off(found: bytes | None) -> str:
    if found is None:
        return "is missing"
    if found == TWICE:
        return "is there more than once, with another owner or instant; take out which one is not of this export"
    return "is not as the export has it"


def _cards_off(catalogue: Catalogue) -> tuple[tuple[str, ...], int]:
    shown: list[str] = []
    count = 0
    for card_id, balance, total, found_balance, found_total in catalogue.each(CARDS_OFF):
        count += 1
        if len(shown) < SHOWN_MAX:
            export = f"balance {to_literal(balance)}, transactions {to_literal(total)}"
            tables = f"balance {to_literal(found_balance or ZERO)}, transactions {to_literal(found_total or ZERO)}"
            shown.append(f"card {card_id}: export {export}; tables {tables}")
    return tuple(shown), count
