"""The faults of a call to AWS, each as what the caller sees and whether the call was carried out."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from tazco.platform.aws import Call
from tazco.platform.wire import Reply
from tests.platform.faults import COMMIT, error

BATCHED: Final = frozenset({"DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessageBatch"})
RETRYING: Final = frozenset({"BatchGetItem", "BatchWriteItem"})


class Fault(StrEnum):
    """By its name; *after* means that the call was carried out all the same."""

    TIMEOUT_BEFORE = "time-out before"
    TIMEOUT_AFTER = "time-out after"
    RESET_BEFORE = "connection reset before"
    RESET_AFTER = "connection reset after"
    ERROR_BEFORE = "500 before"
    ERROR_AFTER = "500 after"
    UNAVAILABLE = "503"
    THROTTLED = "throttling"
    LIMITED = "RequestLimitExceeded"
    THROUGHPUT = "ProvisionedThroughputExceeded"
    IN_PROGRESS = "TransactionInProgress"
    CANCELLED_CONFLICT = "cancelled: TransactionConflict"
    CANCELLED_THROTTLED = "cancelled: ThrottlingError"
    CANCELLED_THROUGHPUT = "cancelled: ProvisionedThroughputExceeded"
    CANCELLED_INVALID = "cancelled: ValidationError"
    RIVAL = "cancelled: ConditionalCheckFailed, by a rival's real commit"
    ABANDON_BEFORE = "process abandoned before"
    ABANDON_AFTER = "process abandoned after"
    PARTLY_REFUSED = "a part of the batch refused"
    PARTLY_UNPROCESSED = "a part of the batch left unprocessed"


AFTER: Final = frozenset({Fault.TIMEOUT_AFTER, Fault.RESET_AFTER, Fault.ERROR_AFTER, Fault.ABANDON_AFTER})
FATAL: Final = frozenset({Fault.ABANDON_BEFORE, Fault.ABANDON_AFTER})
BROKEN: Final = frozenset({Fault.CANCELLED_INVALID})
"""What says that we sent nonsense: it cannot happen to a correct program, and is answered with 500 and no harm."""

_EVERYWHERE: Final = (
    Fault.TIMEOUT_BEFORE,
    Fault.TIMEOUT_AFTER,
    Fault.RESET_BEFORE,
    Fault.RESET_AFTER,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
    Fault.UNAVAILABLE,
    Fault.THROTTLED,
    Fault.LIMITED,
    Fault.ABANDON_BEFORE,
    Fault.ABANDON_AFTER,
)
_OF_A_COMMIT: Final = (
    Fault.IN_PROGRESS,
    Fault.CANCELLED_CONFLICT,
    Fault.CANCELLED_THROTTLED,
    Fault.CANCELLED_THROUGHPUT,
    Fault.CANCELLED_INVALID,
)
_CODES: Final[Mapping[Fault, tuple[int, str]]] = {
    Fault.ERROR_BEFORE: (500, "InternalServerError"),
    Fault.ERROR_AFTER: (500, "InternalServerError"),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable"),
    Fault.THROTTLED: (400, "ThrottlingException"),
    Fault.LIMITED: (400, "RequestLimitExceeded"),
    Fault.THROUGHPUT: (400, "ProvisionedThroughputExceededException"),
    Fault.IN_PROGRESS: (400, "TransactionInProgressException"),
}
_REASONS: Final[Mapping[Fault, str]] = {
    Fault.CANCELLED_CONFLICT: "TransactionConflict",
    Fault.CANCELLED_THROTTLED: "ThrottlingError",
    Fault.CANCELLED_THROUGHPUT: "ProvisionedThroughputExceeded",
    Fault.CANCELLED_INVALID: "ValidationError",
}


def faults_of(call: Call) -> tuple[Fault, ...]:
    """Every fault that can strike this call; `RIVAL` where a scenario has one is added by the sweep."""
    more: tuple[Fault, ...] = ()
    if call.service == "dynamodb":
        more = (Fault.THROUGHPUT,)
    if call.operation == COMMIT:
        more += _OF_A_COMMIT
    if call.operation in RETRYING:
        more += (Fault.PARTLY_UNPROCESSED,)
    if call.operation in BATCHED or call.operation == "PutEvents":
        more += (Fault.PARTLY_REFUSED,)
    return _EVERYWHERE + more


def refusal(fault: Fault, call: Call, position: float) -> Reply:
    """What the service answers instead; `position` from 0 to 1 chooses the action of a commit that is to blame."""
    if fault in _CODES:
        return error(*_CODES[fault])
    actions = len(json.loads(call.body)["TransactItems"])
    blamed = min(actions - 1, int(position * actions))
    reasons = [{"Code": _REASONS[fault] if number == blamed else "None"} for number in range(actions)]
    return error(400, "TransactionCanceledException", CancellationReasons=reasons)


def split(call: Call, position: float) -> tuple[Call | None, Any]:
    """A batch in which a part is not taken: the call for the rest (None: nothing is left), and what was not taken."""
    body = json.loads(call.body)
    if call.operation in RETRYING:
        return _split_items(call, body, position)
    entries = body["Entries"]
    chosen = min(len(entries) - 1, int(position * len(entries)))
    rest = [entry for number, entry in enumerate(entries) if number != chosen]
    remaining = Call(call.service, call.operation, json.dumps({**body, "Entries": rest}).encode()) if rest else None
    return remaining, (chosen, entries[chosen])


def _split_items(call: Call, body: dict[str, Any], position: float) -> tuple[Call | None, Any]:
    """The last key or request of the last table is left; with a high position all of them are."""
    wanted = body["RequestItems"]
    name = max(wanted)
    inside = wanted[name]["Keys"] if call.operation == "BatchGetItem" else wanted[name]
    left = inside if position > 0.5 else inside[-1:]  # half of the time
    kept = [each for each in inside if each not in left]

    def request(those: list[Any]) -> Any:
        return {**wanted[name], "Keys": those} if call.operation == "BatchGetItem" else those

    rest = {other: value for other, value in wanted.items() if other != name}
    if kept:
        rest[name] = request(kept)
    remaining = Call(call.service, call.operation, json.dumps({**body, "RequestItems": rest}).encode()) if rest else None
    return remaining, {name: request(left)}


def joined(call: Call, reply: Reply | None, missed: Any) -> Reply:
    """The answer to the whole batch: that to the rest, and the part that was not taken."""
    body: dict[str, Any] = json.loads(reply.body) if reply else {}
    if call.operation == "BatchGetItem":
        body = {"Responses": {}, **body, "UnprocessedKeys": missed}
    elif call.operation == "BatchWriteItem":
        body["UnprocessedItems"] = missed
    elif call.operation == "PutEvents":
        results = body.get("Entries", [])
        results.insert(missed[0], {"ErrorCode": "InternalFailure", "ErrorMessage": "planned"})
        body = {"FailedEntryCount": 1, "Entries": results}
    else:
        failed = {"Id": missed[1]["Id"], "SenderFault": False, "Code": "InternalError", "Message": "planned"}
        body = {"Successful": body.get("Successful", []), "Failed": [*body.get("Failed", []), failed]}
    return Reply(200, {}, json.dumps(body).encode())
