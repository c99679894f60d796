"""What reads and writes cost, as DynamoDB itself says: the budgets of ARCHITECTURE.md rest on it."""

from typing import Any

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here
from tests.conformance.resources import INDEX, Rows, key, row

KILOBYTE = 1024
UNITS = "read-write-operations"
INDEX_WRITES = "GSI#GSI.ThroughputConsiderations.Writes"


def _filled(part: str, size: int, line: str = "1") -> str:
    """A text that makes a row exactly so large, names included."""
    return "x" * (size - sum(map(len, ("part", part, "line", line, "note"))))


def _units(answer: dict[str, Any]) -> float:
    told = answer.get("ConsumedCapacity")
    assert told, "the answer says nothing of capacity"
    return float(sum(each["CapacityUnits"] for each in (told if isinstance(told, list) else [told])))


def _index_units(answer: dict[str, Any]) -> float:
    told = answer["ConsumedCapacity"]
    tables = told if isinstance(told, list) else [told]
    return float(sum(each.get("GlobalSecondaryIndexes", {}).get(INDEX, {}).get("CapacityUnits", 0) for each in tables))


def _table_units(answer: dict[str, Any]) -> float:
    return _units(answer) - _index_units(answer)


def _update(rows: Rows, part: str, expression: str, **values: str) -> dict[str, Any]:
    return rows(
        "UpdateItem",
        Key=key(part),
        UpdateExpression=expression,
        ReturnConsumedCapacity="INDEXES",
        **({"ExpressionAttributeValues": {f":{name}": {"S": value} for name, value in values.items()}} if values else {}),
    )


@behaviour(Service.DYNAMODB, "A write costs a unit for each KB begun: 1,024 bytes one, a byte more two", guide=UNITS)
def test_a_write_costs_a_unit_for_each_kilobyte(rows: Rows, part: str) -> None:
    assert _units(rows.put(part, note=_filled(part, KILOBYTE))) == 1
    assert _units(rows.put(part, note=_filled(part, KILOBYTE + 1))) == 2


@behaviour(Service.DYNAMODB, "An update costs what the larger of the rows before and after it costs", guide=UNITS)
def test_an_update_costs_the_larger_of_before_and_after(rows: Rows, part: str) -> None:
    rows.put(part, note=_filled(part, 3 * KILOBYTE))
    assert _units(_update(rows, part, "REMOVE note")) == 3
    assert _units(_update(rows, part, "REMOVE note")) == 1


@behaviour(
    Service.DYNAMODB, "A consistent read costs a unit for each 4 KB begun, an eventually consistent one half of it", guide=UNITS
)
def test_a_read_costs_a_unit_for_each_4_kilobytes(rows: Rows, part: str) -> None:
    rows.put(part, note=_filled(part, 4 * KILOBYTE))
    assert _units(rows("GetItem", Key=key(part), ConsistentRead=True, ReturnConsumedCapacity="TOTAL")) == 1
    assert _units(rows("GetItem", Key=key(part), ReturnConsumedCapacity="TOTAL")) == 0.5
    rows.put(part, note=_filled(part, 4 * KILOBYTE + 1))
    assert _units(rows("GetItem", Key=key(part), ConsistentRead=True, ReturnConsumedCapacity="TOTAL")) == 2


@behaviour(Service.DYNAMODB, "Reading a row that is not there costs the least unit", guide=UNITS)
def test_reading_a_row_that_is_not_there_costs_a_unit(rows: Rows, part: str) -> None:
    assert _units(rows("GetItem", Key=key(part), ConsistentRead=True, ReturnConsumedCapacity="TOTAL")) == 1


@behaviour(Service.DYNAMODB, "A batch of reads costs what its reads cost, those that find nothing included", guide=UNITS)
def test_a_batch_costs_what_its_reads_cost(here: Here, rows: Rows, part: str) -> None:
    rows.put(part, "small")
    rows.put(part, "large", note=_filled(part, 4 * KILOBYTE + 1, "large"))
    keys = [key(part, line) for line in ("small", "large", "missing")]
    answer = here.dynamodb(
        "BatchGetItem",
        RequestItems={rows.table: {"Keys": keys, "ConsistentRead": True}},
        ReturnConsumedCapacity="TOTAL",
    )
    assert _units(answer) == 1 + 2 + 1


@behaviour(Service.DYNAMODB, "A query costs the sum of its rows, rounded up once", guide=UNITS)
def test_a_query_rounds_the_sum_of_its_rows(rows: Rows, part: str) -> None:
    for number in range(5):
        rows.put(part, str(number), note=_filled(part, KILOBYTE, str(number)))
    assert _units(rows.of(part, ReturnConsumedCapacity="TOTAL")) == 2


@behaviour(Service.DYNAMODB, "A filter makes a query no cheaper", guide="Query.FilterExpression")
def test_a_filter_makes_a_query_no_cheaper(rows: Rows, part: str) -> None:
    for number in range(5):
        rows.put(part, str(number), note=_filled(part, KILOBYTE, str(number)))
    answer = rows.of(
        part,
        FilterExpression="attribute_not_exists(note)",
        ReturnConsumedCapacity="TOTAL",
    )
    assert (answer["Count"], _units(answer)) == (0, 2)


@behaviour(Service.DYNAMODB, "A row that enters an index costs it a unit", guide=INDEX_WRITES)
def test_entering_an_index_costs_a_unit(rows: Rows, part: str) -> None:
    answer = rows.put(part, pendingShard=part, createdAt="1")
    assert (_table_units(answer), _index_units(answer)) == (1, 1)


@behaviour(Service.DYNAMODB, "A row that leaves an index costs it a unit", guide=INDEX_WRITES)
def test_leaving_an_index_costs_a_unit(rows: Rows, part: str) -> None:
    rows.put(part, pendingShard=part, createdAt="1")
    answer = _update(rows, part, "REMOVE pendingShard, createdAt")
    assert (_table_units(answer), _index_units(answer)) == (1, 1)


@behaviour(Service.DYNAMODB, "A row that moves within an index costs it two units", guide=INDEX_WRITES)
def test_moving_within_an_index_costs_two_units(rows: Rows, part: str) -> None:
    rows.put(part, pendingShard=part, createdAt="1")
    answer = _update(rows, part, "SET createdAt = :at", at="2")
    assert (_table_units(answer), _index_units(answer)) == (1, 2)


@behaviour(Service.DYNAMODB, "A change of what an index does not hold costs it nothing", guide=INDEX_WRITES)
def test_a_change_beside_an_index_costs_it_nothing(rows: Rows, part: str) -> None:
    rows.put(part, pendingShard=part, createdAt="1", note="before")
    answer = _update(rows, part, "SET note = :note", note="after")
    assert (_table_units(answer), _index_units(answer)) == (1, 0)


@behaviour(
    Service.DYNAMODB,
    "Within a transaction a write costs two units for each KB begun",
    guide="transaction-apis#transaction-capacity-handling",
)
def test_a_transaction_costs_two_units_a_kilobyte(here: Here, rows: Rows, part: str) -> None:
    actions = [_put(rows, part, "1"), _put(rows, part, "2", note=_filled(part, KILOBYTE + 1, "2"))]
    assert _transact(here, *actions) == (2 + 4, 0)


@behaviour(Service.DYNAMODB, "Within a transaction a check costs two units", guide="transaction-apis#transaction-capacity-handling")
def test_a_check_costs_two_units(here: Here, rows: Rows, part: str) -> None:
    rows.put(part)
    check = {"TableName": rows.table, "Key": key(part), "ConditionExpression": "attribute_exists(part)"}
    assert _transact(here, {"ConditionCheck": check}) == (2, 0)


@behaviour(
    Service.DYNAMODB,
    "Within a transaction an index costs no more than without",
    source="https://github.com/aws/agent-toolkit-for-aws/blob/main/skills/specialized-skills/database-skills/amazon-dynamodb/scripts/calculate_costs.py",
)
def test_an_index_costs_the_same_within_a_transaction(here: Here, rows: Rows, part: str) -> None:
    assert _transact(here, _put(rows, part, pendingShard=part, createdAt="1")) == (2, 1)


def _put(rows: Rows, part: str, line: str = "1", /, **values: str) -> dict[str, Any]:
    return {"Put": {"TableName": rows.table, "Item": row(part, line, **values)}}


def _transact(here: Here, *actions: dict[str, Any]) -> tuple[float, float]:
    answer = here.dynamodb("TransactWriteItems", TransactItems=list(actions), ReturnConsumedCapacity="INDEXES")
    return _table_units(answer), _index_units(answer)
