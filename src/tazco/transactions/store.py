"""Where the ledger is, and the question asked of it."""

from typing import Final

from tazco.platform.tables import Range, RowsOf, Table, composite
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
