"""What each process may do in the account: every table, index and action by name. The roles follow from it.

A commit is checked by IAM action by action: what a transaction puts needs `PutItem`, what it merely requires `ConditionCheckItem`.
`tests/deployment/test_rights.py` lets each process work and compares what it did with what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """The processes of the programme, each with a role of its own."""

    API = "api"
    RELAY = "relay"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Rights:
    """On one table: the actions, and the indexes that may be queried (`Query` among the actions is the table's own partition)."""

    actions: tuple[str, ...]
    indexes: tuple[str, ...] = ()


GET: Final = "BatchGetItem"
PUT: Final = "PutItem"
UPDATE: Final = "UpdateItem"
QUERY: Final = "Query"
SCAN: Final = "Scan"
CHECK: Final = "ConditionCheckItem"
DELETE: Final = "BatchWriteItem"
"""How rows are deleted. IAM cannot tell its deletions from its insertions: only on tables where either does no harm."""

TABLES: Final[Mapping[Kind, Mapping[str, Rights]]] = {
    Kind.API: {
        "users": Rights((GET, PUT, UPDATE, SCAN), ("UserByFirebaseUid", "UserByEmail")),
        "cards": Rights((GET, PUT, UPDATE, QUERY), ("CardById",)),
        "card-requests": Rights((GET, PUT, UPDATE, QUERY), ("PendingRequests", "RequestById")),
        "transactions": Rights((GET, PUT, QUERY)),
        "scores": Rights((PUT, QUERY)),
        "idempotency": Rights((GET, PUT, UPDATE, QUERY, DELETE)),
        "outbox": Rights((GET, PUT, UPDATE, CHECK), ("PendingEvents", "EventsByCorrelation")),
        "outbox-sequences": Rights((GET, PUT, CHECK)),
        "audit-logs": Rights((GET, PUT, QUERY), ("LogsByActor", "LogsByRequest")),
        "whatsapp-notifications": Rights((GET, PUT, UPDATE), ("ByProviderMessage", "ByRelatedEntity", "ByStatus")),
        "whatsapp-inbound": Rights((GET, PUT, UPDATE), ("BySenderPhone",)),
        "pending-approvals": Rights((GET, PUT, UPDATE), ("TrackersByCode",)),
    },
    Kind.RELAY: {
        "outbox": Rights((GET, UPDATE), ("PendingEvents",)),
        "outbox-sequences": Rights((GET, PUT)),
    },
    Kind.WORKER: {
        "users": Rights((GET, UPDATE)),
        "cards": Rights((PUT, QUERY)),
        "card-requests": Rights((GET, UPDATE)),
        "idempotency": Rights((GET, PUT, UPDATE)),
        "outbox": Rights((PUT,), ("PendingEvents",)),
        "outbox-sequences": Rights((GET,)),
        "audit-logs": Rights((PUT,)),
        "whatsapp-notifications": Rights((GET, PUT, UPDATE), ("PendingNotifications",)),
        "whatsapp-inbound": Rights((GET, UPDATE), ("BySenderPhone", "UnfinishedMessages")),
        "pending-approvals": Rights((GET, UPDATE), ("ExpiredApprovals", "TrackersByCode")),
    },
}

LOOK_AT_QUEUES: Final = ("GetQueueUrl", "GetQueueAttributes")
"""On every queue, dead letters too, for whoever measures or shows them."""

CONSUME: Final = ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")
"""On the queues of subscriptions; the batch calls are the same actions to IAM."""

READ_POLICY: Final = ("GetParametersByPath",)
"""On the path of the policy. IAM judges the path alone: whoever may read it reads everything below."""

TUNE_POLICY: Final = ("GetParameter", "GetParameterHistory", "PutParameter", "DeleteParameter")
"""On the parameters below it, for the console."""

BUS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.API: ("DescribeEventBus",),
    Kind.RELAY: ("PutEvents",),
    Kind.WORKER: (),
}
"""On the bus. `DescribeEventBus` is the readiness check. Signing in needs no right: the pool takes those calls from anybody."""
