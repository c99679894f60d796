"""What an import is told, finds and proves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tazco.kernel.money import Money, to_literal

SHOWN_MAX: Final = 20
"""So many problems, conflicts and differences are told; all are counted."""

LISTED_MAX: Final = 1_000
"""So many cards that do not add up are listed in a report."""


class Collection(StrEnum):
    """The collections of an export, by the names of their files."""

    AUDIT_LOGS = "auditLogs"
    SCORES = "scores"
    TRANSACTIONS = "transactions"
    CARD_REQUESTS = "cardRequests"
    CARDS = "cards"
    USERS = "users"


ORDER: Final = tuple(Collection)
"""What is owned before its owners: nobody can sign in until all that is theirs is there, and an owner's guards follow from it."""


class Oddity(StrEnum):
    """History that today's rules would not let happen. It is imported as it is, counted and told."""

    STORED_TIER = "stored_tier"
    SAME_EMAIL = "same_email"
    TWO_OPEN_CARDS = "two_open_cards"
    TWO_PENDING_REQUESTS = "two_pending_requests"
    CANCELLED_WITH_BALANCE = "cancelled_with_balance"
    UNKNOWN_REQUEST = "unknown_request"
    UNKNOWN_CARD = "unknown_card"
    LEDGER_OUT_OF_ORDER = "ledger_out_of_order"
    LEDGER_AHEAD = "ledger_ahead"
    FLOAT_RESIDUE = "float_residue"
    SCORE_DELTA = "score_delta"
    SCORE_NOT_OF_HISTORY = "score_not_of_history"


ODDITIES: Final[Mapping[Oddity, str]] = {
    Oddity.STORED_TIER: "the stored tier is not that of the score; the tier always follows from the score here",
    Oddity.SAME_EMAIL: "several people have the same e-mail; the identity provider keeps e-mails apart, the tables do not",
    Oddity.TWO_OPEN_CARDS: "a person has more than one open card; the newest stands in the way of another one",
    Oddity.TWO_PENDING_REQUESTS: "a person has more than one pending request; the newest stands in the way of another one",
    Oddity.CANCELLED_WITH_BALANCE: "a cancelled card has a balance; nobody can pay it any more",
    Oddity.UNKNOWN_REQUEST: "a card names a request that is not in the export",
    Oddity.UNKNOWN_CARD: "a request names a card that is not in the export",
    Oddity.LEDGER_OUT_OF_ORDER: "a transaction's id sorts before an earlier one's; ledgers are listed by id",
    Oddity.LEDGER_AHEAD: "a transaction's id sorts after the ids given here; ledgers will list what happens from now on as older",
    Oddity.FLOAT_RESIDUE: "an amount was not a whole cent by less than a millionth, as sums of floats are; taken as the cent, as asked",
    Oddity.SCORE_DELTA: "a step of a score is not value - previousValue",
    Oddity.SCORE_NOT_OF_HISTORY: "a person's score is not the value of the newest step",
}


class CannotImport(Exception):
    """The import or export cannot begin or go on; the message tells cause and cure."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a document: which field, what it holds as far as it may be shown, what it must be."""

    message: str
    field: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault and its place. `line` is None where a whole file is meant."""

    file: str
    line: int | None
    fault: Fault

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        shown = "" if self.fault.value is None else f" = {self.fault.value}"
        return f"{place}  {self.fault.field}{shown}: {self.fault.message}" if self.fault.field else f"{place}  {self.fault.message}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.file,
            "line": self.line,
            "field": self.fault.field,
            "value": self.fault.value,
            "message": self.fault.message,
        }


@dataclass(slots=True)
class Told:
    """How often an oddity was found, and where first."""

    count: int
    first: str


@dataclass(frozen=True, slots=True)
class Imbalance:
    """A card whose balance is not what its transactions make."""

    card_id: str
    line: int
    balance: Money
    ledger: Money

    def as_json(self) -> dict[str, Any]:
        """For programs; amounts as texts, so that no reader makes floats of them."""
        return {
            "cardId": self.card_id,
            "line": self.line,
            "balance": to_literal(self.balance),
            "ledger": to_literal(self.ledger),
            "difference": to_literal(Money(self.balance - self.ledger)),
        }


@dataclass(slots=True)
class Findings:
    """What a check found. Memory stays flat: everything is counted, the first of each are kept.

    `crossed`: documents were also compared with each other, which only those that are right by themselves can be.
    """

    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    oddities: dict[Oddity, Told] = field(default_factory=dict)
    imbalances: list[Imbalance] = field(default_factory=list)
    imbalance_count: int = 0
    crossed: bool = False

    def problem(self, file: str, line: int | None, fault: Fault) -> None:
        """Count a problem and keep it if it is one of the first."""
        self.problem_count += 1
        if len(self.problems) < SHOWN_MAX:
            self.problems.append(Problem(file, line, fault))

    def odd(self, oddity: Oddity, file: str, line: int) -> None:
        """Count an oddity."""
        self.odd_many(oddity, 1, f"{file}:{line}")

    def odd_many(self, oddity: Oddity, count: int, first: str) -> None:
        """Count several of a kind."""
        if count:
            self.oddities.setdefault(oddity, Told(0, first)).count += count

    def imbalance(self, found: Imbalance) -> None:
        """Count a card that does not add up and list it if it is one of the first."""
        self.imbalance_count += 1
        if len(self.imbalances) < LISTED_MAX:
            self.imbalances.append(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the operator has decided: which collections do not exist, which fields to leave out, whether a card may not add up.

    `round_residue` takes amounts that miss a cent by less than a millionth as that cent.
    """

    absent: frozenset[Collection] = frozenset()
    ignored: frozenset[tuple[Collection, str]] = frozenset()
    accept_imbalance: bool = False
    round_residue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is in an export that may be imported: its digest, the documents of each collection, lines in all."""

    digest: str
    documents: Mapping[Collection, int]
    lines: int
    findings: Findings


@dataclass(slots=True)
class Written:
    """What a pass over the tables did: rows put, rows that were there already, rows that are there with other content."""

    put: int = 0
    there: int = 0
    skipped_lines: int = 0
    conflicts: list[str] = field(default_factory=list)
    conflict_count: int = 0

    def conflict(self, text: str) -> None:
        """Count a row that is there with other content."""
        self.conflict_count += 1
        if len(self.conflicts) < SHOWN_MAX:
            self.conflicts.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One kind of rows: how many the export has, how many of them the tables have alike, otherwise or not; and others that are there."""

    expected: int
    equal: int
    different: int
    missing: int
    others: int


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of money by the export and by the tables."""

    export: Money
    tables: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The tables beside the export."""

    rows: Mapping[str, Compared]
    sums: Mapping[str, Sum]
    cards: int
    rows_off: tuple[str, ...]
    cards_off: tuple[str, ...]
    cards_off_count: int

    @property
    def missing(self) -> int:
        """Rows of the export that the tables do not have."""
        return sum(each.missing for each in self.rows.values())

    @property
    def exact(self) -> bool:
        """Every row, every sum and every card is as the export has it."""
        rows = all(each.equal == each.expected for each in self.rows.values())
        return rows and not self.cards_off_count and all(each.export == each.tables for each in self.sums.values())
