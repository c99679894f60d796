"""The commit: everything that a command changes as one `TransactWriteItems`, and one classifier for how it can fail."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NoReturn

from tazco.kernel.record import Record, Versioned
from tazco.platform.aws import AwsError
from tazco.platform.codec import Item
from tazco.platform.database import Database
from tazco.platform.idempotency import STORED_ANSWERS, Answer, Once, StoredAnswer
from tazco.platform.tables import Key, Table

ACTIONS_MAX: Final = 100
CANCELLED: Final = "TransactionCanceledException"
CONDITION_FAILED: Final = "ConditionalCheckFailed"
IN_CONFLICT: Final = "TransactionConflict"
NO_FAILURE: Final = "None"
ZERO: Final = {"N": "0"}
"""A count that a row written by another program may lack."""

THROTTLED: Final = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})


class Conflict(Exception):
    """Somebody else was faster. `fresh` holds the rows as they are now, where the failure told them."""

    def __init__(self, fresh: Mapping[tuple[str, Key], Any], *, lost: "Lost | None" = None) -> None:
        super().__init__("the rows changed since they were read")
        self.fresh = fresh
        self.lost = lost


@dataclass(frozen=True, slots=True)
class Lost:
    """Which row had moved on, from which version to which."""

    key: Mapping[str, str]
    expected: int
    actual: int


class Throttled(Exception):
    """DynamoDB asks for a slower pace; nothing was written."""


class AlreadyAnswered(Exception):
    """The idempotency key has an answer already; nothing was written."""

    def __init__(self, stored: StoredAnswer) -> None:
        super().__init__("already answered")
        self.stored = stored


@dataclass(frozen=True, slots=True)
class _Action:
    kind: str
    body: dict[str, Any]
    table: Table[Any]
    key: Key
    version: int


@dataclass(slots=True)
class Commit:
    """Collects conditioned writes in a fixed order: the answer first, then rows, then events."""

    database: Database
    _actions: list[_Action] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Nothing to write."""
        return not self._actions

    def answer(self, once: Once, answer: Answer, now: datetime) -> None:
        """Store the answer, on condition that there is none or only an expired one. Must be the first action."""
        assert self.empty, "the answer comes first, so that reason 0 is always its own"
        row = once.store(answer, now)
        self._put(STORED_ANSWERS, row, "attribute_not_exists(#p) OR expiresAt <= :now", {":now": {"N": str(int(now.timestamp()))}})

    def insert(self, table: Table[Any], record: Record) -> None:
        """Put a row that must not exist yet."""
        self._put(table, record, "attribute_not_exists(#p)", {})

    def _put(self, table: Table[Any], record: Record, condition: str, values: dict[str, Any]) -> None:
        item = table.item(record)
        body = {"Item": item, "ConditionExpression": condition, "ExpressionAttributeNames": {"#p": table.partition}}
        if values:
            body["ExpressionAttributeValues"] = values
        self._add("Put", body, table, table.key_of(item), 0)

    def update(self, table: Table[Any], before: Versioned, after: Versioned) -> None:
        """Write what differs, on condition that the row is still the one that was read; never re-create a deleted row."""
        names, values = {"#v": "version"}, {":v": {"N": str(before.version)}}
        condition = "#v = :v"
        if not before.version:
            names["#p"] = table.partition
            condition = "attribute_exists(#p) AND (attribute_not_exists(#v) OR #v = :v)"
        self._write_difference(table, before, after, condition, names, values)

    def amend(self, table: Table[Any], before: Record, after: Record, as_read: Sequence[str]) -> None:
        """As `update`, for a row without a version: on condition that the attributes `as_read` are still what was read."""
        item, names, values, terms = table.item(before), {"#p": table.partition}, {}, ["attribute_exists(#p)"]
        for position, attribute in enumerate(as_read):
            name, value = f"#r{position}", f":r{position}"
            names[name] = attribute
            absent = f"attribute_not_exists({name})"
            if attribute not in item:
                terms.append(absent)
                continue
            values[value] = item[attribute]
            terms.append(f"({absent} OR {name} = {value})" if item[attribute] == ZERO else f"{name} = {value}")
        self._write_difference(table, before, after, " AND ".join(terms), names, values)

    def _write_difference(
        self, table: Table[Any], before: Record, after: Record, condition: str, names: dict[str, str], values: dict[str, Any]
    ) -> None:
        old, new = table.item(before), table.item(after)
        key = table.key_of(old)
        assert key == table.key_of(new), "an update keeps the key"
        sets, removes = [], []
        for position, name in enumerate(sorted(old.keys() | new.keys())):
            if old.get(name) == new.get(name):
                continue
            names[f"#a{position}"] = name
            if name in new:
                values[f":a{position}"] = new[name]
                sets.append(f"#a{position} = :a{position}")
            else:
                removes.append(f"#a{position}")
        body = {"Key": table.key_item(key), "ConditionExpression": condition, "ExpressionAttributeNames": names}
        if values:
            body["ExpressionAttributeValues"] = values
        clauses = [f"{verb} {', '.join(parts)}" for verb, parts in (("SET", sets), ("REMOVE", removes)) if parts]
        if clauses:
            body["UpdateExpression"] = " ".join(clauses)
        self._add("Update" if clauses else "ConditionCheck", body, table, key, getattr(before, "version", 0))

    def require(self, table: Table[Any], key: Key, condition: str, values: dict[str, Any]) -> None:
        """Write nothing, but require a condition of a row that may not exist; `#p` names the partition key."""
        body = {
            "Key": table.key_item(key),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#p": table.partition},
            "ExpressionAttributeValues": values,
        }
        self._add("ConditionCheck", body, table, key, 0)

    def _add(self, kind: str, body: dict[str, Any], table: Table[Any], key: Key, version: int) -> None:
        assert all((action.table.name, action.key) != (table.name, key) for action in self._actions), "one action a row"
        assert len(self._actions) < ACTIONS_MAX, "a commit has at most 100 actions"
        body["TableName"] = self.database.physical_name(table)
        body["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        self._actions.append(_Action(kind, body, table, key, version))

    async def write(self) -> float:
        """All or nothing; how many seconds it took. Raise `AlreadyAnswered`, `Conflict` or `Throttled` when nothing was written.

        The token makes it safe to send the same attempt again after a lost answer.
        """
        arguments = {
            "ClientRequestToken": str(uuid.uuid4()),
            "TransactItems": [{action.kind: action.body} for action in self._actions],
        }
        began = asyncio.get_running_loop().time()
        try:
            await self.database.call("TransactWriteItems", arguments)
        except AwsError as error:
            if error.throttled:
                raise Throttled(str(error)) from error
            if error.code != CANCELLED:
                raise
            self._raise_reason(error)
        return asyncio.get_running_loop().time() - began

    def _raise_reason(self, error: AwsError) -> NoReturn:
        reasons = error.body.get("CancellationReasons") or []
        assert len(reasons) == len(self._actions), f"one reason an action: {error}"
        failed = [
            (action, reason) for action, reason in zip(self._actions, reasons, strict=True) if reason.get("Code") != NO_FAILURE
        ]
        codes = {reason["Code"] for _, reason in failed}
        first_action, first_reason = failed[0]
        if first_action.table is STORED_ANSWERS and first_reason["Code"] == CONDITION_FAILED and "Item" in first_reason:
            raise AlreadyAnswered(STORED_ANSWERS.codec.decode(first_reason["Item"])) from error
        if codes & THROTTLED and CONDITION_FAILED not in codes:
            raise Throttled(str(error)) from error
        if codes & {CONDITION_FAILED, IN_CONFLICT}:
            moved = [(action, reason) for action, reason in failed if reason["Code"] == CONDITION_FAILED]
            fresh = {(action.table.name, action.key): _decoded(action.table, reason.get("Item")) for action, reason in moved}
            raise Conflict(fresh, lost=_lost(*moved[0]) if moved else None) from error
        raise error


def _decoded(table: Table[Any], item: Item | None) -> Any:
    return table.codec.decode(item) if item else None


def _lost(action: _Action, reason: Mapping[str, Any]) -> Lost:
    item = reason.get("Item") or {}
    actual = int(item.get("version", {}).get("N", "0"))
    return Lost(dict(zip(action.table.key_names, action.key, strict=True)), action.version, actual)
