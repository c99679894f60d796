"""The proof: what the tables hold of a customer must follow from the ledger, the events, and what the API confirmed."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tazco.card_requests.events import CardRequested
from tazco.cards.events import CardApproved
from tazco.kernel.money import Money, from_decimal, to_literal
from tazco.local.replay.evidence import Events, Evidence, StoredCard
from tazco.local.replay.player import Played
from tazco.platform.jsontext import Malformed, parse_object
from tazco.platform.outbox import OutboxRow
from tazco.scores.events import ScoreChanged
from tazco.transactions.events import PaymentMade, PurchaseMade, TransactionDeclined
from tazco.transactions.model import Transaction, TransactionStatus, TransactionType
from tazco.users.events import UserCreated


class Check(StrEnum):
    """What is proved, in the words of the report."""

    BALANCE = "balance = Σ purchases - Σ payments"
    CREDIT = "available credit = limit - balance"
    LEDGER = "ledger = what the API confirmed"
    SEQUENCE = "sequences run 1..n without gaps"
    FIRST = "one event for each user, request, card"
    TRANSACTION = "one event for each transaction"
    SCORE = "one event for each step of a score"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is not as it must be."""

    check: Check
    customer: str
    text: str


@dataclass(slots=True)
class Reconciliation:
    """How many things each check has looked at, and what it found amiss."""

    looked_at: Counter[Check] = field(default_factory=Counter)
    mismatches: list[Mismatch] = field(default_factory=list)

    def amiss(self, check: Check) -> int:
        """How many mismatches a check has found."""
        return sum(each.check is check for each in self.mismatches)


@dataclass(slots=True)
class _Judge:
    """Judges one customer into a reconciliation."""

    played: Played
    found: Evidence
    events: Events
    verdicts: Reconciliation

    def _hold(self, check: Check, holds: bool, text: str) -> None:  # noqa: FBT001 - the condition itself is the argument
        self.verdicts.looked_at[check] += 1
        if not holds:
            self.verdicts.mismatches.append(Mismatch(check, self.played.customer, text))

    def judge(self) -> None:
        """All checks; a payload that cannot be read ends them and is a mismatch itself."""
        try:
            self._everything()
        except (KeyError, ValueError, ArithmeticError, Malformed) as error:
            self._hold(Check.TRANSACTION, False, f"an event has not the payload of its type: {error!r}")

    def _everything(self) -> None:
        self._person()
        self._requests()
        cards = [stored.card.card_id for stored in self.found.cards]
        expected = [self.played.card_id] if self.played.card_id else []
        if self.played.problem is None or expected:
            self._hold(Check.LEDGER, cards == expected, f"has the cards {cards} instead of {expected}")
        for stored in self.found.cards:
            self._card(stored)

    def _person(self) -> None:
        person, steps = self.found.user, self.found.steps
        rows = self._stream("user", self.played.ecosystem_id, person.sequence if person else 0)
        self._first(rows, UserCreated.type, "user")
        changes = [_payload(row) for row in rows if row.event_type == ScoreChanged.type]
        told = Counter((each["previousScore"], each["newScore"], each["delta"], each["reason"], each["source"]) for each in changes)
        written = Counter((each.previous_value, each.value, each.delta, each.reason, each.source.value) for each in steps)
        for step in told | written:
            self._hold(
                Check.SCORE,
                told[step] == written[step],
                f"score {step[0]} → {step[1]} ({step[3]}): {written[step]} steps, {told[step]} events",
            )
        scores = [(each["previousScore"], each["newScore"]) for each in changes]
        linked = all(before[1] == after[0] for before, after in itertools.pairwise(scores))
        ends = person is None or not scores or scores[-1][1] == person.current_score
        self._hold(Check.SCORE, linked and ends, f"the events of the score do not lead to the present one: {scores}")
        self._no_others(rows, Check.SCORE, {UserCreated.type, ScoreChanged.type})

    def _requests(self) -> None:
        for request in self.found.requests:
            rows = self._stream("cardRequest", request.request_id, request.sequence)
            self._first(rows, CardRequested.type, "card request")
            self._no_others(rows, Check.FIRST, {CardRequested.type})
        ids = [request.request_id for request in self.found.requests]
        expected = [self.played.request_id] if self.played.request_id else []
        if self.played.problem is None or expected:
            self._hold(Check.LEDGER, ids == expected, f"has the requests {ids} instead of {expected}")

    def _card(self, stored: StoredCard) -> None:
        card, ledger = stored.card, stored.ledger
        owed = sum(_effect(entry) for entry in ledger)
        self._hold(
            Check.BALANCE,
            card.balance == owed and 0 <= card.balance <= card.limit,
            f"balance {to_literal(card.balance)}, ledger {to_literal(Money(owed))}, limit {to_literal(card.limit)}",
        )
        self._hold(
            Check.CREDIT,
            stored.available_credit == card.available_credit,
            f"stored {stored.available_credit}, limit - balance {card.available_credit} (in cents)",
        )
        rows = self._stream("card", card.card_id, card.sequence)
        approved = self._first(rows, CardApproved.type, "card")
        limit = approved is not None and _money(_payload(approved)["approvedLimit"]) == card.limit
        self._hold(Check.FIRST, limit, f"card.approved does not tell the limit {to_literal(card.limit)}")
        self._transactions(stored, rows)
        if self.played.problem is None:
            self._confirmed(stored)

    def _transactions(self, stored: StoredCard, rows: Sequence[OutboxRow]) -> None:
        """Each transaction has one event that tells the same; each event a transaction; the balances follow one another."""
        told: dict[str, list[OutboxRow]] = {}
        balance = 0
        for row in rows:
            if row.event_type == CardApproved.type:
                continue
            payload = _payload(row)
            told.setdefault(str(payload.get("transactionId")), []).append(row)
            balance += _told_effect(row, payload)
            after = payload.get("balance" if row.event_type == TransactionDeclined.type else "newBalance", -1)
            self._hold(
                Check.TRANSACTION,
                _money(after) == balance,
                f"event {row.sequence} ({row.event_type}) tells a wrong balance {after}",
            )
        for entry in stored.ledger:
            events = told.pop(entry.transaction_id, [])
            agree = len(events) == 1 and _tells(events[0], entry)
            kinds = ", ".join(row.event_type for row in events) or "no event"
            self._hold(Check.TRANSACTION, agree, f"{entry.status} {entry.type} {to_literal(entry.amount)}: {kinds}")
        for transaction_id, events in told.items():
            self._hold(
                Check.TRANSACTION, False, f"{events[0].event_type} of a transaction {transaction_id} that is not in the ledger"
            )

    def _confirmed(self, stored: StoredCard) -> None:
        """Confirmed is durable, and nothing happened twice."""
        played, ledger = self.played, stored.ledger
        completed = {entry.transaction_id: _effect(entry) for entry in ledger if entry.status is TransactionStatus.COMPLETED}
        confirmed = {**played.purchases, **{each: Money(-paid) for each, paid in played.payments.items()}}
        self._hold(
            Check.LEDGER,
            completed == confirmed,
            f"{len(confirmed.keys() - completed.keys())} confirmed transactions lack, "
            f"{len(completed.keys() - confirmed.keys())} were never confirmed",
        )
        failed = Counter((entry.failure_reason, entry.amount) for entry in ledger if entry.status is TransactionStatus.FAILED)
        self._hold(
            Check.LEDGER, failed == played.declined, f"{failed.total()} declines in the ledger, {played.declined.total()} answered"
        )
        self._hold(Check.LEDGER, stored.card.balance == played.balance, f"the API confirmed {to_literal(played.balance)} last")

    def _stream(self, kind: str, aggregate_id: str, last: int) -> Sequence[OutboxRow]:
        rows = self.events.get((kind, aggregate_id), ())
        numbers = [row.sequence for row in rows]
        self._hold(Check.SEQUENCE, numbers == list(range(1, last + 1)), f"{kind} {aggregate_id}: {numbers}, the row counts {last}")
        return rows

    def _first(self, rows: Iterable[OutboxRow], wanted: str, what: str) -> OutboxRow | None:
        found = [row for row in rows if row.event_type == wanted]
        self._hold(Check.FIRST, [row.sequence for row in found] == [1], f"the {what} has {len(found)} {wanted}")
        return found[0] if found else None

    def _no_others(self, rows: Iterable[OutboxRow], check: Check, known: set[str]) -> None:
        for row in rows:
            if row.event_type not in known:
                self._hold(check, False, f"{row.event_type} does not belong to the stream of {row.aggregate_type}")


def reconcile(played: Iterable[Played], found: dict[str, Evidence], events: Events) -> Reconciliation:
    """Judge everybody who got as far as to be registered."""
    verdicts = Reconciliation()
    for each in played:
        if each.ecosystem_id:
            _Judge(each, found[each.ecosystem_id], events, verdicts).judge()
    return verdicts


def _effect(entry: Transaction) -> int:
    if entry.status is not TransactionStatus.COMPLETED:
        return 0
    return entry.amount if entry.type is TransactionType.PURCHASE else -entry.amount


def _told_effect(row: OutboxRow, payload: dict[str, Any]) -> int:
    sign = {PurchaseMade.type: 1, PaymentMade.type: -1}.get(row.event_type, 0)
    return sign * _money(payload.get("amount", 0))


def _tells(row: OutboxRow, entry: Transaction) -> bool:
    payload = _payload(row)
    if _money(payload["amount"]) != entry.amount:
        return False
    if entry.status is TransactionStatus.COMPLETED:
        return row.event_type == (PurchaseMade.type if entry.type is TransactionType.PURCHASE else PaymentMade.type)
    return (
        row.event_type == TransactionDeclined.type
        and payload["type"] == entry.type
        and payload["failureReason"] == entry.failure_reason
    )


def _payload(row: OutboxRow) -> dict[str, Any]:
    return parse_object(row.payload.encode())


def _money(number: Any) -> Money:
    return from_decimal(number)
