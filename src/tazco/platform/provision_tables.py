"""Provisioning of tables: created from their declarations, brought in line where that loses nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from botocore.waiter import WaiterModel, create_waiter_with_client

from tazco.platform.resources import Difference, error_code, unsupported
from tazco.platform.tables import Index, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeDefinitionTypeDef,
        GlobalSecondaryIndexDescriptionTypeDef,
        KeySchemaElementTypeDef,
        TableDescriptionTypeDef,
    )

WAIT_SECONDS: Final = 1
WAITS_MAX: Final = 900
READY: Final = "Table.TableStatus=='ACTIVE' && length((Table.GlobalSecondaryIndexes || `[]`)[?IndexStatus!='ACTIVE'])==`0`"
BACKUPS: Final = "ContinuousBackupsDescription.ContinuousBackupsStatus"
PROTECTED: Final = "PointInTimeRecoveryDescription"


def _waiter(operation: str, path: str, expected: object) -> dict[str, Any]:
    return {
        "operation": operation,
        "delay": WAIT_SECONDS,
        "maxAttempts": WAITS_MAX,
        "acceptors": [
            {"matcher": "path", "argument": path, "expected": expected, "state": "success"},
            {"matcher": "error", "expected": "ResourceNotFoundException", "state": "retry"},
        ],
    }


WAITERS: Final = WaiterModel(
    {
        "version": 2,
        "waiters": {
            "Ready": _waiter("DescribeTable", READY, True),
            "Backups": _waiter("DescribeContinuousBackups", BACKUPS, "ENABLED"),
        },
    }
)
"""botocore knows only a waiter for tables, of 20 seconds; an index that is still being built refuses the next change."""


@dataclass(frozen=True, slots=True)
class TableResource:
    """One table in one account."""

    client: "DynamoDBClient"
    prefix: str
    table: Table[Any]
    kind: str = "table"

    @property
    def name(self) -> str:
        """The table's name in the account."""
        return self.prefix + self.table.name

    def look(self) -> Sequence[Difference] | None:
        """Keys, indexes, billing, protection, expiry and recovery."""
        try:
            found = self.client.describe_table(TableName=self.name)["Table"]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return [*self._keys(found), *self._indexes(found), *self._protection(found), *self._expiry(), *self._recovery()]

    def create(self) -> None:
        """Create the table with all its indexes and wait for both."""
        table = self.table
        indexes: dict[str, Any] = (
            {"GlobalSecondaryIndexes": [index_definition(index) for index in table.indexes]} if table.indexes else {}
        )
        self.client.create_table(
            TableName=self.name,
            AttributeDefinitions=attribute_definitions(table),
            KeySchema=key_schema(table.partition, table.sort),
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=table.ledger,
            **indexes,
        )
        self._wait("Ready")

    def _wait(self, name: str) -> None:
        create_waiter_with_client(name, WAITERS, self.client).wait(TableName=self.name)

    def _keys(self, found: "TableDescriptionTypeDef") -> Iterator[Difference]:
        types = {entry["AttributeName"]: entry["AttributeType"] for entry in found.get("AttributeDefinitions", [])}
        wanted = key_schema(self.table.partition, self.table.sort)
        if found.get("KeySchema") != wanted or any(types.get(name) != "S" for name in self.table.key_names):
            spelt = ", ".join(
                f"{entry['AttributeName']} ({types.get(entry['AttributeName'])})" for entry in found.get("KeySchema", [])
            )
            yield Difference(f"its key is {spelt}, not {', '.join(self.table.key_names)}: move the table away and provision again")
        if found.get("BillingModeSummary", {}).get("BillingMode") != "PAY_PER_REQUEST":
            yield Difference("its capacity is provisioned, not on demand", by_choice=True)

    def _indexes(self, found: "TableDescriptionTypeDef") -> Iterator[Difference]:
        existing = {index.get("IndexName", ""): index for index in found.get("GlobalSecondaryIndexes", [])}
        for index in self.table.indexes:
            if index.name not in existing:
                yield Difference(f"index {index.name} is missing", lambda index=index: self._create_index(index))  # type: ignore[misc]  # mypy does not infer a lambda's default
            elif not _same(existing[index.name], index):
                yield Difference(f"index {index.name} has other keys or projects other attributes: delete it and provision again")
        for name in existing.keys() - {index.name for index in self.table.indexes}:
            yield Difference(f"index {name} is not declared", by_choice=True)

    def _create_index(self, index: Index) -> None:
        self.client.update_table(
            TableName=self.name,
            AttributeDefinitions=attribute_definitions(self.table),
            GlobalSecondaryIndexUpdates=[{"Create": index_definition(index)}],
        )
        self._wait("Ready")

    def _protection(self, found: "TableDescriptionTypeDef") -> Iterator[Difference]:
        if self.table.ledger and not found.get("DeletionProtectionEnabled"):
            yield Difference("it is not protected from deletion", self._protect)

    def _protect(self) -> None:
        self.client.update_table(TableName=self.name, DeletionProtectionEnabled=True)
        self._wait("Ready")

    def _expiry(self) -> Iterator[Difference]:
        if self.table.ttl is None:
            return
        found = self.client.describe_time_to_live(TableName=self.name)["TimeToLiveDescription"]
        if found.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
            yield Difference(f"rows do not expire by {self.table.ttl}", self._expire)
        elif found.get("AttributeName") != self.table.ttl:
            yield Difference(
                f"rows expire by {found.get('AttributeName')}, not {self.table.ttl}: turn that off and provision again"
            )

    def _expire(self) -> None:
        assert self.table.ttl is not None
        self.client.update_time_to_live(
            TableName=self.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": self.table.ttl}
        )

    def _recovery(self) -> Iterator[Difference]:
        if not self.table.ledger:
            return
        try:
            found = self.client.describe_continuous_backups(TableName=self.name)["ContinuousBackupsDescription"]
        except ClientError as error:
            yield unsupported(error, "it has no point-in-time recovery")
            return
        if found.get(PROTECTED, {}).get("PointInTimeRecoveryStatus") != "ENABLED":
            yield Difference("it has no point-in-time recovery", self._recover)

    def _recover(self) -> None:
        self._wait("Backups")
        self.client.update_continuous_backups(
            TableName=self.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )


def key_schema(partition: str, sort: str | None) -> "list[KeySchemaElementTypeDef]":
    """A key as DynamoDB and CloudFormation want it."""
    keys: list[KeySchemaElementTypeDef] = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*keys, {"AttributeName": sort, "KeyType": "RANGE"}] if sort else keys


def index_definition(index: Index) -> Any:
    """An index as DynamoDB and CloudFormation want it."""
    keys = key_schema(index.partition, index.sort)
    return {"IndexName": index.name, "KeySchema": keys, "Projection": {"ProjectionType": "KEYS_ONLY"}}


def _same(found: "GlobalSecondaryIndexDescriptionTypeDef", index: Index) -> bool:
    projection = found.get("Projection", {}).get("ProjectionType")
    return found.get("KeySchema") == key_schema(index.partition, index.sort) and projection == "KEYS_ONLY"


def attribute_definitions(table: Table[Any]) -> "list[AttributeDefinitionTypeDef]":
    """Every attribute that is part of a key, each a string."""
    names = {*table.key_names, *(name for index in table.indexes for name in (index.partition, index.sort) if name)}
    return [{"AttributeName": name, "AttributeType": "S"} for name in sorted(names)]
