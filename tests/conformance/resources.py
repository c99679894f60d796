"""Throw-away resources, each made in one call, and the sweep that deletes whatever has the prefix of a run."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from tazco.platform.resources import error_code
from tests.conformance.here import Here

GONE: Final = frozenset(
    {
        "ResourceNotFoundException",
        "ParameterNotFound",
        "QueueDoesNotExist",
        "NonExistentQueue",
        "ResourceInUseException",  # a table that is being deleted already
    }
)
PAGE_NAMES: Final = 10
INDEX: Final = "ByShard"


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as Tazco's are: `part` + `line`, on demand, and a sparse index of keys only, `pendingShard` + `createdAt`."""

    here: Here
    table: str

    def __call__(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """One operation on this table."""
        return self.here.dynamodb(operation, TableName=self.table, **arguments)

    def put(self, part: str, line: str = "1", /, **values: Any) -> dict[str, Any]:
        """Put a row, whatever stands there; what it cost is in the answer."""
        return self("PutItem", Item=row(part, line, **values), ReturnConsumedCapacity="INDEXES")

    def get(self, part: str, line: str = "1") -> dict[str, Any] | None:
        """The row as it is now."""
        found: dict[str, Any] | None = self("GetItem", Key=key(part, line), ConsistentRead=True).get("Item")
        return found

    def of(self, part: str, **arguments: Any) -> dict[str, Any]:
        """One page of a partition, read consistently unless said otherwise."""
        return self(
            "Query",
            KeyConditionExpression="part = :part",
            ExpressionAttributeValues={":part": {"S": part}, **arguments.pop("values", {})},
            **{"ConsistentRead": True, **arguments},
        )

    def of_shard(self, shard: str, **arguments: Any) -> dict[str, Any]:
        """One page of the index."""
        return self(
            "Query",
            IndexName=INDEX,
            KeyConditionExpression="pendingShard = :shard",
            ExpressionAttributeValues={":shard": {"S": shard}},
            **arguments,
        )


def key(part: str, line: str = "1") -> dict[str, Any]:
    """The key of a row."""
    return {"part": {"S": part}, "line": {"S": line}}


def row(part: str, line: str = "1", /, **values: Any) -> dict[str, Any]:
    """A row: texts become strings, integers become numbers, what is given in DynamoDB's own form stays."""
    return {**key(part, line), **{name: _value(value) for name, value in values.items()}}


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def make_table(here: Here, **others: Any) -> Rows:
    """Create a table and wait until it can be used."""
    name = here.name("rows")
    here.dynamodb(
        "CreateTable",
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": each, "AttributeType": "S"} for each in ("part", "line", "pendingShard", "createdAt")
        ],
        KeySchema=_keys("part", "line"),
        GlobalSecondaryIndexes=[
            {"IndexName": INDEX, "KeySchema": _keys("pendingShard", "createdAt"), "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
        **others,
    )
    here.until(lambda: here.dynamodb("DescribeTable", TableName=name)["Table"]["TableStatus"] == "ACTIVE", "the table")
    return Rows(here, name)


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of one's own."""

    here: Here
    url: str
    arn: str

    def __call__(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """One operation on this queue."""
        return self.here.sqs(operation, QueueUrl=self.url, **arguments)

    def send(self, *bodies: str) -> dict[str, Any]:
        """One batch, its entries numbered from 0."""
        return self("SendMessageBatch", Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)])

    def receive(self, *, hidden: int = 30, wait: int = 0, at_most: int = 10) -> list[dict[str, Any]]:
        """One receive."""
        answer = self(
            "ReceiveMessage",
            MaxNumberOfMessages=at_most,
            VisibilityTimeout=hidden,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def first(self, *, hidden: int = 30) -> dict[str, Any]:
        """The next message, waited for."""
        return self.here.until(lambda: self.receive(hidden=hidden, wait=1, at_most=1), "a message")[0]

    def attributes(self, *names: str) -> dict[str, str]:
        """Its attributes."""
        found: dict[str, str] = self("GetQueueAttributes", AttributeNames=list(names or ("All",)))["Attributes"]
        return found


def make_queue(here: Here, *, policy: Callable[[str], Any] | None = None, **attributes: str) -> Queue:
    """Create a queue; `policy` is made from its ARN."""
    url = here.sqs("CreateQueue", QueueName=here.name("queue"), Attributes=attributes)["QueueUrl"]
    arn = here.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if policy:
        here.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": json.dumps(policy(arn))})
    return Queue(here, url, arn)


def redrive_to(queue: Queue, receives_max: int) -> str:
    """The policy by which a message goes there after so many receives."""
    return json.dumps({"deadLetterTargetArn": queue.arn, "maxReceiveCount": receives_max})


def rules_may_send(arn: str) -> dict[str, Any]:
    """The policy by which rules of this account may send to a queue."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": arn.split(":")[4]}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def sweep(here: Here) -> list[str]:
    """Delete everything whose name begins with the prefix; what there was."""
    assert len(here.prefix) >= len("tazco-"), "a short prefix would sweep what is not ours"
    found: list[str] = []
    for kind, names, delete in _kinds(here):
        for name in names():
            found.append(f"{kind} {name}")
            _delete(delete, name)
    return found


def _delete(delete: Callable[[str], object], name: str) -> None:
    try:
        delete(name)
    except ClientError as error:
        if error_code(error) not in GONE:
            raise


def _kinds(here: Here) -> Iterator[tuple[str, Callable[[], list[str]], Callable[[str], object]]]:
    """Rules before the queues that they fill, all before nothing else depends on them."""
    yield "bus", lambda: _buses(here), lambda name: _delete_bus(here, name)
    yield "queue", lambda: _queues(here), lambda url: here.sqs("DeleteQueue", QueueUrl=url)
    yield "table", lambda: _tables(here), lambda name: _delete_table(here, name)
    yield "user pool", lambda: _pools(here), lambda pool: _delete_pool(here, pool)
    yield "parameter", lambda: _parameters(here), lambda name: here.ssm("DeleteParameter", Name=name)


def _pages(page: Callable[[dict[str, Any]], dict[str, Any]], token: str, into: str) -> Iterator[dict[str, Any]]:
    answer = page({})
    yield answer
    while answer.get(token):
        answer = page({into: answer[token]})
        yield answer


def _buses(here: Here) -> list[str]:
    pages = _pages(lambda more: here.events("ListEventBuses", NamePrefix=here.prefix, **more), "NextToken", "NextToken")
    return [bus["Name"] for page in pages for bus in page["EventBuses"] if bus["Name"].startswith(here.prefix)]


def _delete_bus(here: Here, bus: str) -> None:
    for rule in here.events("ListRules", EventBusName=bus).get("Rules", []):
        targets = here.events("ListTargetsByRule", Rule=rule["Name"], EventBusName=bus).get("Targets", [])
        if targets:
            here.events("RemoveTargets", Rule=rule["Name"], EventBusName=bus, Ids=[target["Id"] for target in targets])
        here.events("DeleteRule", Name=rule["Name"], EventBusName=bus)
    here.events("DeleteEventBus", Name=bus)


def _queues(here: Here) -> list[str]:
    pages = _pages(
        lambda more: here.sqs("ListQueues", QueueNamePrefix=here.prefix, MaxResults=1_000, **more), "NextToken", "NextToken"
    )
    return [url for page in pages for url in page.get("QueueUrls", [])]


def _tables(here: Here) -> list[str]:
    pages = _pages(lambda more: here.dynamodb("ListTables", **more), "LastEvaluatedTableName", "ExclusiveStartTableName")
    return [name for page in pages for name in page["TableNames"] if name.startswith(here.prefix)]


def _delete_table(here: Here, name: str) -> None:
    table = here.dynamodb("DescribeTable", TableName=name)["Table"]
    if table.get("DeletionProtectionEnabled"):
        here.dynamodb("UpdateTable", TableName=name, DeletionProtectionEnabled=False)
        here.until(lambda: here.dynamodb("DescribeTable", TableName=name)["Table"]["TableStatus"] == "ACTIVE", "the table")
    here.dynamodb("DeleteTable", TableName=name)


def _pools(here: Here) -> list[str]:
    pages = _pages(lambda more: here.cognito("ListUserPools", MaxResults=60, **more), "NextToken", "NextToken")
    return [pool["Id"] for page in pages for pool in page["UserPools"] if pool["Name"].startswith(here.prefix)]


def _delete_pool(here: Here, pool: str) -> None:
    if here.cognito("DescribeUserPool", UserPoolId=pool)["UserPool"].get("DeletionProtection") == "ACTIVE":
        here.cognito("UpdateUserPool", UserPoolId=pool, DeletionProtection="INACTIVE")
    here.cognito("DeleteUserPool", UserPoolId=pool)


def _parameters(here: Here) -> list[str]:
    pages = _pages(
        lambda more: here.ssm("GetParametersByPath", Path=f"/{here.prefix}", Recursive=True, MaxResults=PAGE_NAMES, **more),
        "NextToken",
        "NextToken",
    )
    return [parameter["Name"] for page in pages for parameter in page["Parameters"]]
