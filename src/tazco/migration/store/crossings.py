"""What must hold between documents, asked of the catalogue once all of them are in it."""

from collections.abc import Iterator, Mapping
from typing import Final

from tazco.kernel.money import Money, to_literal
from tazco.migration.model import Collection, Fault, Findings, Imbalance, Oddity
from tazco.migration.store.catalogue import Catalogue
from tazco.platform.ids import new_id

OWNED: Final = (Collection.CARDS, Collection.CARD_REQUESTS, Collection.TRANSACTIONS, Collection.SCORES)

WITHOUT_OWNER: Final = """SELECT owned.line, owned.owner FROM {kind} owned
    LEFT JOIN users ON users.id = owned.owner WHERE users.id IS NULL ORDER BY owned.line"""
WITHOUT_CARD: Final = """SELECT entry.line, entry.parent FROM transactions entry
    LEFT JOIN cards ON cards.id = entry.parent WHERE cards.id IS NULL ORDER BY entry.line"""
ON_ANOTHERS_CARD: Final = """SELECT entry.line, entry.owner FROM transactions entry
    JOIN cards ON cards.id = entry.parent JOIN users ON users.id = entry.owner WHERE cards.owner <> entry.owner ORDER BY entry.line"""
SHARED_SUBJECTS: Final = """SELECT line, first FROM
    (SELECT line, min(line) OVER (PARTITION BY parent) AS first FROM users) WHERE line <> first ORDER BY line"""
OFF_BALANCE: Final = """SELECT cards.id, cards.line, cards.amount, coalesce(ledger.total, 0) FROM cards
    LEFT JOIN (SELECT parent, sum(amount) AS total FROM transactions GROUP BY parent) ledger ON ledger.parent = cards.id
    WHERE cards.amount <> coalesce(ledger.total, 0) ORDER BY cards.line"""

AHEAD: Final = "SELECT count(*), min(line) FROM transactions WHERE id > ?"

ODD: Final[Mapping[Oddity, tuple[Collection, str]]] = {
    Oddity.SAME_EMAIL: (
        Collection.USERS,
        "SELECT count(*), min(line) FROM users WHERE label IN (SELECT label FROM users GROUP BY label HAVING count(*) > 1)",
    ),
    Oddity.TWO_OPEN_CARDS: (
        Collection.CARDS,
        "SELECT count(*), min(line) FROM (SELECT max(line) AS line FROM cards WHERE state <> 'cancelled' GROUP BY owner HAVING count(*) > 1)",
    ),
    Oddity.TWO_PENDING_REQUESTS: (
        Collection.CARD_REQUESTS,
        (
            "SELECT count(*), min(line) FROM"
            " (SELECT max(line) AS line FROM cardRequests WHERE state = 'pending' GROUP BY owner HAVING count(*) > 1)"
        ),
    ),
    Oddity.UNKNOWN_REQUEST: (
        Collection.CARDS,
        "SELECT count(*), min(line) FROM cards WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM cardRequests)",
    ),
    Oddity.UNKNOWN_CARD: (
        Collection.CARD_REQUESTS,
        "SELECT count(*), min(line) FROM cardRequests WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM cards)",
    ),
    Oddity.LEDGER_OUT_OF_ORDER: (
        Collection.TRANSACTIONS,
        (
            "SELECT count(*), min(line) FROM (SELECT line, at, lag(at) OVER (PARTITION BY parent ORDER BY id) AS before FROM transactions)"
            " WHERE at < before"
        ),
    ),
    Oddity.SCORE_NOT_OF_HISTORY: (
        Collection.USERS,
        (
            "SELECT count(*), min(users.line) FROM users JOIN"
            " (SELECT owner, points, row_number() OVER (PARTITION BY owner ORDER BY at DESC, id DESC) AS place FROM scores) newest"
            " ON newest.owner = users.id AND newest.place = 1 WHERE newest.points <> users.points"
        ),
    ),
}
"""How many, and the first line; the first column of a question counts."""


def cross_check(catalogue: Catalogue, names: Mapping[Collection, str], findings: Findings, *, accept_imbalance: bool) -> None:
    """Add to `findings` what does not hold between documents; `names` are those of the files."""
    findings.crossed = True
    for collection, line, fault in _broken(catalogue):
        findings.problem(names[collection], line, fault)
    for found in _off_balance(catalogue):
        findings.imbalance(found)
        if not accept_imbalance:
            findings.problem(names[Collection.CARDS], found.line, _told(found))
    for oddity, (collection, question) in ODD.items():
        count, line = catalogue.one(question)
        findings.odd_many(oddity, count, f"{names.get(collection)}:{line}")
    count, line = catalogue.one(AHEAD, new_id())
    findings.odd_many(Oddity.LEDGER_AHEAD, count, f"{names.get(Collection.TRANSACTIONS)}:{line}")


def _broken(catalogue: Catalogue) -> Iterator[tuple[Collection, int, Fault]]:
    for collection in OWNED:
        for line, owner in catalogue.each(WITHOUT_OWNER.format(kind=collection)):
            yield (
                collection,
                line,
                Fault("is nobody in users. Export the person too, or leave this document out", "ecosystemId", _quoted(owner)),
            )
    for line, card in catalogue.each(WITHOUT_CARD):
        yield (
            Collection.TRANSACTIONS,
            line,
            Fault("is no card in cards. Export the card too, or leave this document out", "cardId", _quoted(card)),
        )
    for line, owner in catalogue.each(ON_ANOTHERS_CARD):
        yield (
            Collection.TRANSACTIONS,
            line,
            Fault("is not the owner of the card. Correct one of the two", "ecosystemId", _quoted(owner)),
        )
    for line, first in catalogue.each(SHARED_SUBJECTS):
        yield (
            Collection.USERS,
            line,
            Fault(f"is the subject of the person on line {first} too: one subject, one person", "firebaseUid"),
        )


def _off_balance(catalogue: Catalogue) -> Iterator[Imbalance]:
    for card_id, line, balance, ledger in catalogue.each(OFF_BALANCE):
        yield Imbalance(card_id, line, Money(balance), Money(ledger))


def _told(found: Imbalance) -> Fault:
    return Fault(
        f"card {found.card_id}: its completed purchases less payments make {to_literal(found.ledger)}."
        " Complete the transactions or correct the balance; --accept-imbalance takes it over as it is",
        "balance",
        to_literal(found.balance),
    )


def _quoted(value: str) -> str:
    return f'"{value[:40]}"'
