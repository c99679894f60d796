"""What a process calls, as IAM sees it; and what a role of the template allows, in the same words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tazco.deployment.data import table_id
from tazco.deployment.messages import queue_id
from tazco.deployment.template import Json
from tazco.platform.aws import Call, over_the_wire
from tazco.platform.settings import Names
from tazco.platform.wire import Pool, Reply

OF_A_TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
TESTS_LOOK = "GetItem"
"""Tests look at rows with it; the program never does, as a test says."""

OF_A_BATCH = {
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "SendMessageBatch": "SendMessage",
}
Right = tuple[str, str]
"""An action and what it is done to: the resource of the template, and what of it."""


@dataclass(slots=True)
class Recording:
    """A transport that writes down what goes out under these names."""

    names: Names
    seen: set[Right] = field(default_factory=set)

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        """The call, unchanged."""
        if call.operation != TESTS_LOOK:
            self.seen.update(self._rights(call.service, call.operation, json.loads(call.body)))
        return await over_the_wire(call, pool, request, timeout_seconds)

    def _rights(self, service: str, operation: str, asked: Json) -> Iterator[Right]:
        if service == "dynamodb":
            for action, table in self._on_tables(operation, asked):
                yield f"dynamodb:{action}", table
        elif service == "sqs":
            name = asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2]
            yield f"sqs:{OF_A_BATCH.get(operation, operation)}", queue_id(self._below(name))
        elif service == "events":
            yield f"events:{operation}", "Bus"
        elif service == "ssm":
            path = asked.get("Path")
            yield f"ssm:{operation}", "policy" if path else "policy/*"
        else:
            assert service == "cognito-idp", service
            assert operation in ("InitiateAuth", "RespondToAuthChallenge", "RevokeToken"), "these need no right, others do"

    def _on_tables(self, operation: str, asked: Json) -> Iterator[Right]:
        if operation == "TransactWriteItems":
            for action in asked["TransactItems"]:
                ((kind, body),) = action.items()
                yield OF_A_TRANSACTION[kind], self._table(body["TableName"])
        elif operation in ("BatchGetItem", "BatchWriteItem"):
            for name in asked["RequestItems"]:
                yield operation, self._table(name)
        else:
            index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
            yield operation, self._table(asked["TableName"]) + index

    def _table(self, name: str) -> str:
        return table_id(self._below(name))

    def _below(self, name: str) -> str:
        assert name.startswith(self.names.table_prefix), name
        return name.removeprefix(self.names.table_prefix)


def granted(role: Json, **conditions: bool) -> set[Right]:
    """Everything that a role allows, apart from the use of the key."""
    (policy,) = role["Properties"]["Policies"]
    found: set[Right] = set()
    for statement in policy["PolicyDocument"]["Statement"]:
        if "Fn::If" in statement:
            condition, then, _ = statement["Fn::If"]
            if not conditions.get(condition, False):
                continue
            statement = then  # noqa: PLW2901  # the statement behind the condition
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        found |= {(action, _named(resource)) for action in statement["Action"] for resource in resources}
    return {(action, resource) for action, resource in found if not action.startswith("kms:")}


def _named(resource: Any) -> str:
    """`UsersTable`, `UsersTable/index/UserByEmail`, `policy`."""
    ((function, value),) = resource.items()
    if function == "Fn::GetAtt":
        return str(value[0])
    assert function == "Fn::Sub", resource
    text = str(value)
    if ":parameter" in text:
        return "policy/*" if text.endswith("/*") else "policy"
    return text.replace("${", "").replace(".Arn}", "")
