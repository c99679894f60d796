"""Tables: how they are declared, protected, recovered, and how their rows expire."""

import time

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here, refused
from tests.conformance.resources import INDEX, Rows, row


@behaviour(Service.DYNAMODB, "A table is described as it was declared: keys, indexes, on demand", api="DescribeTable")
def test_a_table_is_described_as_declared(rows: Rows) -> None:
    table = rows("DescribeTable")["Table"]
    assert [each["AttributeName"] for each in table["KeySchema"]] == ["part", "line"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    (index,) = table["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["Projection"]["ProjectionType"]) == (INDEX, "KEYS_ONLY")
    assert [each["AttributeName"] for each in index["KeySchema"]] == ["pendingShard", "createdAt"]


@behaviour(Service.DYNAMODB, "A table that is not there is told from one that is", api="DescribeTable")
def test_a_table_that_is_not_there_is_told(here: Here) -> None:
    with refused("ResourceNotFoundException"):
        here.dynamodb("DescribeTable", TableName=here.name("missing"))


@behaviour(Service.DYNAMODB, "The names of tables differ by upper and lower case", guide="HowItWorks.NamingRulesDataTypes")
def test_names_of_tables_differ_by_case(here: Here, rows: Rows) -> None:
    with refused("ResourceNotFoundException"):
        here.dynamodb("DescribeTable", TableName=rows.table.upper())


@behaviour(Service.DYNAMODB, "A table cannot be made twice", api="CreateTable")
def test_a_table_cannot_be_made_twice(rows: Rows) -> None:
    with refused("ResourceInUseException"):
        rows(
            "CreateTable",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "part", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "part", "KeyType": "HASH"}],
        )


@behaviour(
    Service.DYNAMODB,
    "A table that is protected from deletion cannot be deleted",
    guide="WorkingWithTables.Basics#WorkingWithTables.Basics.DeletionProtection",
)
def test_a_protected_table_cannot_be_deleted(others: Rows) -> None:
    assert others("DescribeTable")["Table"]["DeletionProtectionEnabled"] is True
    with refused("ValidationException"):
        others("DeleteTable")
    assert others("DescribeTable")["Table"]["TableStatus"] == "ACTIVE"


@behaviour(Service.DYNAMODB, "Point-in-time recovery can be switched on, and is described", api="UpdateContinuousBackups")
def test_point_in_time_recovery_can_be_switched_on(here: Here, others: Rows) -> None:
    here.until(
        lambda: others("DescribeContinuousBackups")["ContinuousBackupsDescription"]["ContinuousBackupsStatus"] == "ENABLED",
        "backups",
    )
    others("UpdateContinuousBackups", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    here.until(
        lambda: (
            others("DescribeContinuousBackups")["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"][
                "PointInTimeRecoveryStatus"
            ]
            == "ENABLED"
        ),
        "point-in-time recovery",
    )


@behaviour(Service.DYNAMODB, "Rows expire by one attribute, which is described, and cannot be given twice", api="UpdateTimeToLive")
def test_rows_expire_by_an_attribute_that_is_described(others: Rows) -> None:
    wanted = {"Enabled": True, "AttributeName": "expires"}
    others("UpdateTimeToLive", TimeToLiveSpecification=wanted)
    found = others("DescribeTimeToLive")["TimeToLiveDescription"]
    assert found["AttributeName"] == "expires"
    assert found["TimeToLiveStatus"] in ("ENABLING", "ENABLED")
    with refused("ValidationException"):
        others("UpdateTimeToLive", TimeToLiveSpecification=wanted)


@behaviour(Service.DYNAMODB, "A row whose time is over is still answered until it is deleted", guide="ttl-expired-items")
def test_a_row_whose_time_is_over_is_still_answered(others: Rows, part: str) -> None:
    over = int(time.time()) - 60
    others.put(part, expires=over)
    assert others.get(part) == row(part, expires=over)
