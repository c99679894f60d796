"""The tables that an import writes: where they are, and whether they are all there."""

from dataclasses import dataclass
from typing import Final

from tazco.migration.model import CannotImport
from tazco.migration.store.rows import TABLE_OF
from tazco.platform.aws import AwsError
from tazco.platform.database import Database
from tazco.users.store import BINDINGS

ACCOUNT_FIELD: Final = 4
READY: Final = frozenset({"ACTIVE", "UPDATING"})


@dataclass(frozen=True, slots=True)
class Destination:
    """Whose tables they are."""

    endpoint: str
    region: str
    account: str
    prefix: str

    def __str__(self) -> str:
        return f"tables {self.prefix}* of account {self.account}, {self.region}, at {self.endpoint}"


async def look_at(database: Database) -> Destination:
    """The account in which the tables stand; raise `CannotImport` naming those that are missing."""
    missing: list[str] = []
    arn = ""
    for table in (*TABLE_OF.values(), BINDINGS):
        name = database.physical_name(table)
        try:
            found = (await database.call("DescribeTable", {"TableName": name}))["Table"]
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            missing.append(name)
            continue
        if found["TableStatus"] not in READY:
            missing.append(f"{name} ({found['TableStatus'].lower()})")
        arn = str(found["TableArn"])
    endpoint = database.aws.endpoints["dynamodb"]
    if missing:
        raise CannotImport(
            f"At {endpoint} these tables are not there: {', '.join(missing)}.\n"
            "Run `tazco provision` first, or point AWS_ENDPOINT_URL, AWS_REGION and TAZCO_TABLE_PREFIX to where they are."
        )
    return Destination(endpoint, database.aws.region, arn.split(":")[ACCOUNT_FIELD], database.prefix)


async def rows_about(database: Database) -> int:
    """How many rows the tables of an export have by DynamoDB's own count, which is some hours old."""
    counts = [
        (await database.call("DescribeTable", {"TableName": database.physical_name(table)}))["Table"].get("ItemCount", 0)
        for table in TABLE_OF.values()
    ]
    return sum(counts)
