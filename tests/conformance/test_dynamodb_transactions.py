"""Transactions: all or nothing, reasons in order, the token, and what happens when they meet."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tazco.platform.resources import error_code
from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here, refused
from tests.conformance.resources import Rows, key, row

CANCELLED = "TransactionCanceledException"
THREADS = 6
ROUNDS = 15
GUIDE = "transaction-apis"


def put(rows: Rows, part: str, line: str = "1", /, *, first: bool = False, **values: Any) -> dict[str, Any]:
    """A put as one action of a transaction."""
    condition = {"ConditionExpression": "attribute_not_exists(part)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return {"Put": {"TableName": rows.table, "Item": row(part, line, **values), **(condition if first else {})}}


def check(rows: Rows, part: str, line: str = "1") -> dict[str, Any]:
    """A check that a row is there."""
    return {
        "ConditionCheck": {
            "TableName": rows.table,
            "Key": key(part, line),
            "ConditionExpression": "attribute_exists(part)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def add(rows: Rows, part: str, line: str = "1") -> dict[str, Any]:
    """One more, without any condition: what happens twice shows."""
    return {
        "Update": {
            "TableName": rows.table,
            "Key": key(part, line),
            "UpdateExpression": "ADD counted :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }


def transact(here: Here, *actions: dict[str, Any], **others: Any) -> dict[str, Any]:
    """One transaction."""
    return here.dynamodb("TransactWriteItems", TransactItems=list(actions), **others)


@behaviour(Service.DYNAMODB, "A transaction of which one condition fails writes nothing at all", api="TransactWriteItems")
def test_a_transaction_of_which_one_condition_fails_writes_nothing(here: Here, rows: Rows, part: str) -> None:
    rows.put(part, "taken")
    with refused(CANCELLED):
        transact(here, put(rows, part, "a"), put(rows, part, "taken", first=True), add(rows, part, "b"))
    assert rows.of(part)["Items"] == [row(part, "taken")]


@behaviour(
    Service.DYNAMODB,
    "A cancelled transaction gives a reason for each action, in order: `None` for what was in order, the row for what was not",
    api="CancellationReason",
)
def test_a_cancelled_transaction_gives_a_reason_for_each_action_in_order(here: Here, rows: Rows, part: str) -> None:
    rows.put(part, "taken", version=7)
    with refused(CANCELLED) as refusal:
        transact(
            here, put(rows, part, "a"), put(rows, part, "taken", first=True), check(rows, part, "missing"), add(rows, part, "b")
        )
    reasons = refusal.body["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed", "ConditionalCheckFailed", "None"]
    assert [reason.get("Item") for reason in reasons] == [None, row(part, "taken", version=7), None, None]


@behaviour(Service.DYNAMODB, "A check of a row that is not written cancels the transaction too", api="ConditionCheck")
def test_a_check_of_a_row_that_is_not_written_cancels_too(here: Here, rows: Rows, part: str) -> None:
    rows.put(part, "there")
    transact(here, check(rows, part, "there"), put(rows, part, "a"))
    with refused(CANCELLED):
        transact(here, check(rows, part, "missing"), put(rows, part, "b"))
    assert [each["line"]["S"] for each in rows.of(part)["Items"]] == ["a", "there"]


@behaviour(Service.DYNAMODB, "A transaction that names a row twice is refused as invalid", api="TransactWriteItems")
def test_a_transaction_that_names_a_row_twice_is_invalid(here: Here, rows: Rows, part: str) -> None:
    with refused("ValidationException"):
        transact(here, check(rows, part), put(rows, part))
    assert rows.get(part) is None


@behaviour(Service.DYNAMODB, "A transaction takes 100 actions, and 101 are refused", api="TransactWriteItems")
def test_a_transaction_takes_100_actions_and_no_more(here: Here, rows: Rows, part: str) -> None:
    with refused("ValidationException"):
        transact(here, *(put(rows, part, f"{number:03}") for number in range(101)))
    assert rows.of(part)["Count"] == 0
    transact(here, *(put(rows, part, f"{number:03}") for number in range(100)))
    assert rows.of(part)["Count"] == 100


@behaviour(Service.DYNAMODB, "The same transaction with the same token succeeds again and acts once", api="TransactWriteItems")
def test_the_same_transaction_with_the_same_token_acts_once(here: Here, rows: Rows, part: str) -> None:
    token = str(uuid.uuid4())
    for _ in range(3):
        transact(here, add(rows, part), put(rows, part, "a"), ClientRequestToken=token)
    assert rows.get(part) == row(part, counted=1)


@behaviour(Service.DYNAMODB, "Another transaction with a token that was used is refused", api="TransactWriteItems")
def test_another_transaction_with_the_same_token_is_refused(here: Here, rows: Rows, part: str) -> None:
    token = str(uuid.uuid4())
    transact(here, add(rows, part), ClientRequestToken=token)
    with refused("IdempotentParameterMismatchException"):
        transact(here, add(rows, part, "other"), ClientRequestToken=token)
    assert [each["line"]["S"] for each in rows.of(part)["Items"]] == ["1"]


@behaviour(Service.DYNAMODB, "A transaction reaches over several tables", guide=GUIDE)
def test_a_transaction_reaches_over_several_tables(here: Here, rows: Rows, others: Rows, part: str) -> None:
    others.put(part, "taken")
    with refused(CANCELLED):
        transact(here, put(rows, part), put(others, part, "taken", first=True))
    assert rows.get(part) is None
    transact(here, put(rows, part), put(others, part, "free", first=True))
    assert rows.get(part) is not None
    assert others.get(part, "free") is not None


@dataclass(slots=True)
class Contention:
    """Many who change one row at once: each reads its version, and writes on condition that it still is that one."""

    rows: Rows
    part: str
    codes: "Counter[str]" = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, write: Callable[[int], None]) -> None:
        """Let all of them write until each has succeeded so often."""
        self.rows.put(self.part, version=0)
        with ThreadPoolExecutor(THREADS) as threads:
            for done in [threads.submit(self._one, write) for _ in range(THREADS)]:
                done.result()

    def _one(self, write: Callable[[int], None]) -> None:
        for _ in range(ROUNDS):
            while not self._succeeds(write):
                pass

    def _succeeds(self, write: Callable[[int], None]) -> bool:
        found = self.rows.get(self.part)
        assert found is not None
        try:
            write(int(found["version"]["N"]))
        except ClientError as error:
            reasons = error.response.get("CancellationReasons", [])
            codes = [str(reason["Code"]) for reason in reasons if reason["Code"] != "None"]
            with self._lock:
                self.codes.update(codes or [error_code(error)])
            if not {*codes, error_code(error)} & {"ConditionalCheckFailed", "ConditionalCheckFailedException", *CONFLICTS}:
                raise
            return False
        return True


CONFLICTS = ("TransactionConflict", "TransactionConflictException", "TransactionInProgressException")


def _step(rows: Rows, part: str, version: int) -> dict[str, Any]:
    return {
        "TableName": rows.table,
        "Key": key(part),
        "UpdateExpression": "SET version = :new",
        "ConditionExpression": "version = :old",
        "ExpressionAttributeValues": {":old": {"N": str(version)}, ":new": {"N": str(version + 1)}},
    }


@pytest.fixture(scope="module")
def crowd(here: Here, rows: Rows) -> Contention:
    """Transactions that meet each other and plain writes on one row, and a row for each success of a transaction."""
    contention = Contention(rows, here.name("crowd"))

    def write(version: int) -> None:
        step = _step(rows, contention.part, version)
        if version % 3:
            transact(here, {"Update": step}, put(rows, contention.part, f"v{version:04}", first=True))
        else:
            here.dynamodb("UpdateItem", **step)
            rows.put(contention.part, f"v{version:04}")

    contention.run(write)
    return contention


@behaviour(
    Service.DYNAMODB,
    f"{THREADS} who change one row at once, by transactions and by plain writes, lose no change",
    guide=f"{GUIDE}#transaction-isolation",
)
def test_changes_at_once_are_never_lost(rows: Rows, crowd: Contention) -> None:
    assert rows.get(crowd.part) == row(crowd.part, version=THREADS * ROUNDS)
    lines = [each["line"]["S"] for each in rows.of(crowd.part)["Items"]]
    assert lines == ["1", *(f"v{version:04}" for version in range(THREADS * ROUNDS))]


@behaviour(
    Service.DYNAMODB,
    "A transaction that meets another write on a row is cancelled with `TransactionConflict`",
    guide=f"{GUIDE}#transaction-conflict-handling",
)
def test_transactions_that_meet_are_cancelled_with_a_conflict(crowd: Contention) -> None:
    assert crowd.codes["TransactionConflict"], f"never seen in {THREADS * ROUNDS} writes: {dict(crowd.codes)}"


@behaviour(
    Service.DYNAMODB,
    "A plain write that meets a transaction on a row is refused with `TransactionConflictException`",
    guide=f"{GUIDE}#transaction-conflict-handling",
)
def test_a_plain_write_that_meets_a_transaction_is_refused_with_a_conflict(crowd: Contention) -> None:
    assert crowd.codes["TransactionConflictException"], f"never seen in {THREADS * ROUNDS} writes: {dict(crowd.codes)}"
