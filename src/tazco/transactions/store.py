"""Where the ledger is, and the questions asked of it."""

from collections.abc import AsyncGenerator, Callable
from typing import Final

from tazco.platform.database import Database
from tazco.platform.tables import Get, Range, RowsOf, Table, composite
from tazco.transactions.model import Transaction

TRANSACTIONS: Final = Table(
    name="transactions",
    record=Transaction,
    partition="ecosystemIdCardId",
    sort="transactionId",
    derived=lambda entry: {"ecosystemIdCardId": composite(entry.ecosystem_id, entry.card_id)},
    wiped_as="transactions",
)


def ledger_of(ecosystem_id: str, card_id: str) -> RowsOf[Transaction]:
    """The transactions of a card, newest first: their ids sort by time."""
    return RowsOf(TRANSACTIONS, composite(ecosystem_id, card_id), Range(newest_first=True))


def transaction(ecosystem_id: str, card_id: str, transaction_id: str) -> Get[Transaction]:
    """One transaction of a card."""
    return Get(TRANSACTIONS, (composite(ecosystem_id, card_id), transaction_id))


def newest_of(ecosystem_id: str, card_id: str, *, rows_max: int) -> RowsOf[Transaction]:
    """The newest transactions of a card."""
    return RowsOf(TRANSACTIONS, composite(ecosystem_id, card_id), Range(newest_first=True, rows_max=rows_max))


async def entries_of(database: Database, ecosystem_id: str, card_id: str, *, rows_max: int) -> AsyncGenerator[Transaction, None]:
    """The newest transactions of a card, so many at most, fetched page by page as they are asked for."""
    left = rows_max
    async for item in database.query(ledger_of(ecosystem_id, card_id)):
        if left == 0:
            return
        left -= 1
        yield TRANSACTIONS.codec.decode(item)


async def page_of_ledger(  # each bounds or chooses something else
    database: Database,
    ecosystem_id: str,
    card_id: str,
    after: tuple[str, ...] | None,
    size: int,
    *,
    keep: Callable[[Transaction], bool],
    rows_max: int,
) -> tuple[list[Transaction], tuple[str, ...] | None]:
    """The next `size` transactions that `keep` takes, newest first, and the position from which the list goes on.

    At most `rows_max` are looked at: a page may hold fewer than `size`, even none, and still not be the last.
    """
    question = ledger_of(ecosystem_id, card_id)
    start = TRANSACTIONS.key_item((question.partition, *after)) if after else None
    found: list[Transaction] = []
    looked, last = 0, ""
    async for item in database.query(question, start=start, page_rows=rows_max + 1):
        if len(found) == size or looked == rows_max:
            return found, (last,)
        entry = TRANSACTIONS.codec.decode(item)
        looked, last = looked + 1, entry.transaction_id
        if keep(entry):
            found.append(entry)
    return found, None
