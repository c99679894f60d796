"""One broken line each: it is found before anything is written, and told by file, line, field, cause and cure."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from typing import Any

import orjson
import pytest
from rich.console import Console

from tazco.local.migration_screen import checked_as_json, print_checked
from tazco.migration.model import SHOWN_MAX, CannotImport, Collection, Oddity, Wishes
from tazco.migration.rules.documents import LINE_BYTES_MAX
from tazco.migration.store.files import find
from tests.migration.exports import Document, Folder, checked

USERS, CARDS, REQUESTS = Collection.USERS, Collection.CARDS, Collection.CARD_REQUESTS
TRANSACTIONS, SCORES, LOGS = Collection.TRANSACTIONS, Collection.SCORES, Collection.AUDIT_LOGS


def anyone(_: Document) -> bool:
    return True


def where(**fields: str) -> Callable[[Document], bool]:
    return lambda document: all(document.get(name) == value for name, value in fields.items())


PENDING, APPROVED, REJECTED = where(status="pending"), where(status="approved"), where(status="rejected")
BOUGHT = where(type="purchase", status="completed")
PAID = where(type="payment", status="completed")
FAILED = where(status="failed")


@dataclass(frozen=True, slots=True)
class Change:
    """One document changed, and what is said about it."""

    collection: Collection
    which: Callable[[Document], bool]
    fields: dict[str, Any]
    field: str
    message: str


CHANGES = {
    "a field of another name": Change(USERS, anyone, {"phone": "5511"}, "phone", "is not a field"),
    "a field that is missing": Change(USERS, anyone, {"email": None}, "email", "is missing"),
    "money with three decimals": Change(TRANSACTIONS, BOUGHT, {"amount": Decimal("0.001")}, "amount", "more than two decimals"),
    "money in quotes": Change(TRANSACTIONS, BOUGHT, {"amount": "12.50"}, "amount", "without quotes"),
    "a purchase of nothing": Change(TRANSACTIONS, BOUGHT, {"amount": 0}, "amount", "must be from 0.01"),
    "money below nothing": Change(CARDS, anyone, {"balance": Decimal(-5)}, "balance", "must be from 0 to 999999999.99"),
    "money above all bounds": Change(CARDS, anyone, {"limit": 10**9}, "limit", "must be from 0 to 999999999.99"),
    "a time without a zone": Change(SCORES, anyone, {"timestamp": "2031-04-05T06:07:08.090"}, "timestamp", "must name its zone"),
    "a time as a number": Change(USERS, anyone, {"createdAt": 1_933_221_228}, "createdAt", "toISOString()"),
    "a day that does not exist": Change(CARDS, anyone, {"nextDueDate": "2031-02-30T00:00:00Z"}, "nextDueDate", "that exist"),
    "a word that is none": Change(USERS, anyone, {"status": "blocked"}, "status", "must be one of active, disabled"),
    "another type of card": Change(CARDS, anyone, {"type": "debit-card"}, "type", "must be one of credit-card"),
    "a deed that nobody knows": Change(LOGS, anyone, {"action": "user.renamed"}, "action", "must be one of"),
    "a score above a thousand": Change(USERS, anyone, {"currentScore": 1001}, "currentScore", "must be from 0 to 1000"),
    "half a point": Change(SCORES, anyone, {"value": Decimal("500.5")}, "value", "must be a whole number"),
    "a score that is true": Change(USERS, anyone, {"currentScore": True}, "currentScore", "must be a whole number"),
    "an e-mail without @": Change(USERS, anyone, {"email": "nobody"}, "email", "must contain @"),
    "an empty id": Change(LOGS, anyone, {"requestId": ""}, "requestId", "must have 1 to 256 bytes"),
    "an id that fits no key": Change(
        TRANSACTIONS, anyone, {"transactionId": "é" * 129}, "transactionId", "must have 1 to 256 bytes"
    ),
    "an object too deep": Change(
        LOGS, anyone, {"newValue": {"a": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}, "newValue", "nested at most"
    ),
    "a list for an object": Change(LOGS, anyone, {"newValue": []}, "newValue", "must be an object"),
    "credit that does not add up": Change(CARDS, anyone, {"availableCredit": 1}, "availableCredit", "must be limit - balance"),
    "a balance that is not its ledger's": Change(
        CARDS,
        where(status="active"),
        {"limit": 100, "balance": Decimal("99.99"), "availableCredit": Decimal("0.01")},
        "balance",
        "make",
    ),
    "a balance above the limit": Change(
        CARDS, anyone, {"limit": 1, "balance": 2, "availableCredit": Decimal(-1)}, "balance", "is above the limit of 1"
    ),
    "a card of nobody": Change(CARDS, where(status="cancelled"), {"ecosystemId": "ghost"}, "ecosystemId", "is nobody in users"),
    "a request of nobody": Change(REQUESTS, anyone, {"ecosystemId": "ghost"}, "ecosystemId", "is nobody in users"),
    "a score of nobody": Change(SCORES, anyone, {"ecosystemId": "ghost"}, "ecosystemId", "is nobody in users"),
    "a transaction of nobody": Change(TRANSACTIONS, FAILED, {"ecosystemId": "ghost"}, "ecosystemId", "is nobody in users"),
    "a transaction on no card": Change(TRANSACTIONS, FAILED, {"cardId": "ghost"}, "cardId", "is no card in cards"),
    "a transaction on another's card": Change(
        TRANSACTIONS, FAILED, {"ecosystemId": "person-0000001"}, "ecosystemId", "is not the owner of the card"
    ),
    "a subject of two people": Change(
        USERS, where(ecosystemId="person-0000001"), {"firebaseUid": "subject-0000000"}, "firebaseUid", "one subject, one person"
    ),
    "a pending request with a decision": Change(
        REQUESTS, PENDING, {"decidedAt": "2031-04-05T06:07:08Z"}, "decidedAt", "contradicts the status pending"
    ),
    "an approval without a card": Change(REQUESTS, APPROVED, {"cardId": None}, "cardId", "an approved request has it"),
    "a rejection without its time": Change(REQUESTS, REJECTED, {"decidedAt": None}, "decidedAt", "a decided request has it"),
    "a purchase without a merchant": Change(TRANSACTIONS, BOUGHT, {"merchant": None}, "merchant", "a completed purchase has it"),
    "a payment without its points": Change(TRANSACTIONS, PAID, {"scoreImpact": None}, "scoreImpact", "a completed payment has it"),
    "a failure without a reason": Change(
        TRANSACTIONS, FAILED, {"failureReason": None}, "failureReason", "a failed transaction has it"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_document_that_is_wrong_is_told_by_its_place(folder: Folder, change: Change) -> None:
    line = folder.change(change.collection, change.which, **change.fields)
    findings = checked(folder).findings
    assert [(each.file, each.line, each.fault.field) for each in findings.problems] == [
        (f"{change.collection}.ndjson", line, change.field)
    ], findings.problems
    assert change.message in findings.problems[0].fault.message
    assert findings.problem_count == 1


LINES = {
    "half a line": (lambda line: line[: len(line) // 2], "is not JSON"),
    "no object": (lambda _: b"[1]\n", "is no JSON object"),
    "not UTF-8": (lambda line: line.replace(b"person", b"pers\xf6n", 1), "is not UTF-8 from byte"),
    "a field twice": (lambda line: line.replace(b"{", b'{"limit":1,', 1), "has 'limit' twice"),
    "no number": (lambda line: line.replace(b'"limit":', b'"limit":NaN,"x":', 1), "has NaN"),
    "half a character": (lambda line: line.replace(b'"person', b'"\\ud800person', 1), "half of a surrogate pair"),
    "very long": (lambda line: b'{"x":"' + b"x" * LINE_BYTES_MAX * 2 + b'"}' + line[-1:], "more than 100000 bytes"),
    "blanks before a document": (lambda line: b" " * (LINE_BYTES_MAX + 2) + line, "more than 100000 bytes"),
    "a byte order mark": (lambda line: b"\xef\xbb\xbf" + line, "begins with a byte order mark"),
    "very deep": (lambda line: b'{"a":' * 15_000 + b"1" + line[-1:], "nested too deeply"),
}


@pytest.mark.parametrize(("spoilt", "message"), LINES.values(), ids=LINES.keys())
def test_a_line_that_is_no_document_is_told_by_its_place(folder: Folder, spoilt: Callable[[bytes], bytes], message: str) -> None:
    folder.spoil(CARDS, 3, spoilt)
    (problem, *_) = checked(folder).findings.problems
    assert (problem.file, problem.line) == ("cards.ndjson", 3)
    assert message in problem.fault.message


def test_an_object_whose_numbers_outgrow_the_row_is_told(folder: Folder) -> None:
    """`1e37` is four bytes in a file and 38 in a row, so that a line that is not too long could make a row that is."""
    numbers = b",".join([b"1e37"] * 2_600)
    folder.spoil(LOGS, 1, lambda line: line.replace(b'"newValue":{', b'"newValue":{"a":[' + numbers + b"],"))
    (problem,) = checked(folder).findings.problems
    assert (problem.line, problem.fault.field) == (1, "newValue")
    assert "at most 100000 bytes, its numbers written out" in problem.fault.message


def test_a_name_of_control_characters_steers_no_terminal(folder: Folder) -> None:
    folder.spoil(USERS, 1, lambda line: line.replace(b"{", b'{"\\u001b[2J\\ud800\\u202e":1,', 1))
    report, shown = checked(folder), StringIO()
    print_checked(Console(file=shown, width=200), report)
    assert r"users.ndjson:1  \u001b[2J\ud800\u202e: is not a field" in shown.getvalue()
    assert orjson.dumps(checked_as_json(report))


@pytest.mark.parametrize("collection", [*Collection])
def test_a_document_that_is_there_twice_is_told(folder: Folder, collection: Collection) -> None:
    documents = folder.documents(collection)
    folder.write(collection, [*documents, documents[0]])
    (problem,) = checked(folder).findings.problems
    assert (problem.file, problem.line) == (f"{collection}.ndjson", len(documents) + 1)
    assert problem.fault.message == "is that of line 1 too: ids are unique"


def test_all_problems_are_counted_and_the_first_are_kept(folder: Folder) -> None:
    scores = folder.documents(SCORES)
    folder.write(SCORES, [each | {"value": -1} for each in scores])
    findings = checked(folder).findings
    assert findings.problem_count == len(scores) > SHOWN_MAX == len(findings.problems)


def test_a_sound_export_has_nothing_to_tell(folder: Folder) -> None:
    report = checked(folder)
    assert not report.findings.problem_count
    assert not report.findings.oddities
    assert report.documents[USERS] == 20
    assert report.documents[TRANSACTIONS] == 120


def test_blank_lines_null_and_a_missing_last_line_end_do_not_matter(folder: Folder) -> None:
    folder.change(USERS, anyone, lastLoginAt=None)
    folder.spoil(USERS, 1, lambda line: b"\n" + line.replace(b"{", b'{"lastLoginAt":null,', 1))
    folder.file(USERS).write_bytes(folder.file(USERS).read_bytes().rstrip())
    assert not checked(folder).findings.problem_count


def test_a_missing_collection_is_named_unless_it_is_absent_by_choice(folder: Folder) -> None:
    folder.file(LOGS).unlink()
    with pytest.raises(CannotImport, match=r"auditLogs\.ndjson is missing.*--absent auditLogs"):
        checked(folder)
    assert not checked(folder, Wishes(absent=frozenset({LOGS}))).findings.problem_count
    with pytest.raises(CannotImport, match=r"scores\.ndjson is there: leave out --absent scores"):
        checked(folder, Wishes(absent=frozenset({LOGS, SCORES})))


def test_a_collection_may_be_jsonl_but_not_both(folder: Folder) -> None:
    other = folder.file(CARDS).with_suffix(".jsonl")
    folder.file(CARDS).rename(other)
    assert find(folder.path, frozenset()).files[CARDS] == other
    folder.file(CARDS).write_bytes(b"")
    with pytest.raises(CannotImport, match="are both there"):
        checked(folder)


def test_a_field_can_be_left_out_by_choice(folder: Folder) -> None:
    folder.change(USERS, anyone, phone="5511")
    assert not checked(folder, Wishes(ignored=frozenset({(USERS, "phone")}))).findings.problem_count
    assert checked(folder, Wishes(ignored=frozenset({(CARDS, "phone")}))).findings.problem_count == 1


def test_cards_that_do_not_add_up_are_listed_when_they_are_accepted(folder: Folder) -> None:
    line = folder.change(CARDS, where(status="active"), limit=1, balance=7, availableCredit=Decimal(-6))
    findings = checked(folder, Wishes(accept_imbalance=True)).findings
    assert not findings.problem_count
    (found,) = findings.imbalances
    assert (found.line, found.balance, findings.imbalance_count) == (line, 700, 1)


ODD: dict[Oddity, tuple[Collection, Callable[[Document], bool], dict[str, Any]]] = {
    Oddity.STORED_TIER: (USERS, lambda document: document["tier"] != "high", {"tier": "high"}),
    Oddity.SAME_EMAIL: (USERS, where(ecosystemId="person-0000001"), {"email": "person0@export.example"}),
    Oddity.TWO_OPEN_CARDS: (CARDS, where(status="cancelled"), {"status": "active"}),
    Oddity.TWO_PENDING_REQUESTS: (
        REQUESTS,
        REJECTED,
        {"status": "pending", "ecosystemId": "person-0000001", "decidedAt": None, "decisionSource": None, "decidedBy": None},
    ),
    Oddity.UNKNOWN_REQUEST: (CARDS, anyone, {"requestId": "ghost"}),
    Oddity.UNKNOWN_CARD: (REQUESTS, APPROVED, {"cardId": "ghost"}),
    Oddity.LEDGER_OUT_OF_ORDER: (TRANSACTIONS, anyone, {"transactionId": "0198"}),
    Oddity.SCORE_DELTA: (SCORES, anyone, {"delta": 1}),
    Oddity.SCORE_NOT_OF_HISTORY: (SCORES, where(ecosystemId="person-0000001"), {"value": 1, "previousValue": 1, "delta": 0}),
    Oddity.CANCELLED_WITH_BALANCE: (CARDS, lambda document: bool(document["balance"]), {"status": "cancelled"}),
}


def test_ids_that_sort_after_those_of_the_programme_are_told(folder: Folder) -> None:
    newest = max(document["transactionId"] for document in folder.documents(TRANSACTIONS))
    line = folder.change(TRANSACTIONS, where(transactionId=newest), transactionId="65a1f0c2d4e5f6a7b8c9d0e1")
    findings = checked(folder).findings
    assert set(findings.oddities) == {Oddity.LEDGER_AHEAD}
    assert findings.oddities[Oddity.LEDGER_AHEAD].first == f"transactions.ndjson:{line}"


@pytest.mark.parametrize("oddity", [each for each in Oddity if each not in {Oddity.LEDGER_AHEAD, Oddity.FLOAT_RESIDUE}])
def test_history_that_no_rule_would_allow_is_counted_and_let_in(folder: Folder, oddity: Oddity) -> None:
    collection, which, fields = ODD[oddity]
    folder.change(collection, which, **fields)
    findings = checked(folder).findings
    assert not findings.problem_count
    assert set(findings.oddities) == {oddity}
    assert findings.oddities[oddity].first.startswith(f"{collection}.ndjson:") or oddity is Oddity.SCORE_NOT_OF_HISTORY
