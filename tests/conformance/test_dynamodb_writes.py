"""Single writes and batches: what a condition guards, what a key may be, what a number keeps."""

from typing import Any

import pytest

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import refused
from tests.conformance.resources import Rows, key, row

FAILED = "ConditionalCheckFailedException"
INVALID = "ValidationException"
ABSENT = "attribute_not_exists(part)"
ITEM_BYTES_MAX = 400 * 1024


@behaviour(
    Service.DYNAMODB, "A put on condition that there is no row is refused where there is one, and changes nothing", api="PutItem"
)
def test_a_put_that_must_be_the_first_is_refused_where_there_is_a_row(rows: Rows, part: str) -> None:
    rows.put(part, note="first")
    with refused(FAILED):
        rows("PutItem", Item=row(part, note="second"), ConditionExpression=ABSENT)
    assert rows.get(part) == row(part, note="first")


@behaviour(
    Service.DYNAMODB, "A put whose condition fails gives the row that stood in its way, if ALL_OLD is asked for", api="PutItem"
)
def test_a_put_that_fails_gives_the_row_that_stood_in_its_way(rows: Rows, part: str) -> None:
    rows.put(part, note="first")
    with refused(FAILED) as refusal:
        rows(
            "PutItem",
            Item=row(part, note="second"),
            ConditionExpression=ABSENT,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert refusal.body.get("Item") == row(part, note="first")


@behaviour(Service.DYNAMODB, "An update whose condition fails gives the row as it is, if ALL_OLD is asked for", api="UpdateItem")
def test_an_update_that_fails_gives_the_row_as_it_is(rows: Rows, part: str) -> None:
    rows.put(part, version=7)
    with refused(FAILED) as refusal:
        _update(rows, part, "SET version = :new", "version = :old", old=6, new=8, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert refusal.body.get("Item") == row(part, version=7)
    assert rows.get(part) == row(part, version=7)


@behaviour(Service.DYNAMODB, "An update that requires a row never creates one", api="UpdateItem")
def test_an_update_that_requires_a_row_never_creates_one(rows: Rows, part: str) -> None:
    with refused(FAILED) as refusal:
        _update(rows, part, "SET version = :new", "attribute_exists(part)", new=1, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert "Item" not in refusal.body
    assert rows.get(part) is None


@behaviour(Service.DYNAMODB, "A deletion whose condition fails deletes nothing", api="DeleteItem")
def test_a_deletion_whose_condition_fails_deletes_nothing(rows: Rows, part: str) -> None:
    rows.put(part, version=7)
    with refused(FAILED):
        rows(
            "DeleteItem",
            Key=key(part),
            ConditionExpression="version = :old",
            ExpressionAttributeValues={":old": {"N": "6"}},
        )
    assert rows.get(part) == row(part, version=7)


@behaviour(Service.DYNAMODB, "Deleting a row that is not there is no error", api="DeleteItem")
def test_deleting_a_row_that_is_not_there_is_no_error(rows: Rows, part: str) -> None:
    rows("DeleteItem", Key=key(part))
    assert rows.get(part) is None


@behaviour(
    Service.DYNAMODB,
    "A comparison with an attribute that is missing, or of another type, does not hold",
    guide="Expressions.OperatorsAndFunctions",
)
def test_a_comparison_with_a_missing_attribute_or_another_type_does_not_hold(rows: Rows, part: str) -> None:
    rows.put(part, "missing")
    rows.put(part, "note", expires="1")
    for line in ("missing", "note"):
        with refused(FAILED):
            rows(
                "UpdateItem",
                Key=key(part, line),
                UpdateExpression="SET note = :new",
                ConditionExpression="expires <= :now",
                ExpressionAttributeValues={":new": {"S": "late"}, ":now": {"N": "9"}},
            )


@behaviour(
    Service.DYNAMODB, "One update sets and removes attributes and leaves the others alone", guide="Expressions.UpdateExpressions"
)
def test_one_update_sets_and_removes_and_leaves_the_rest_alone(rows: Rows, part: str) -> None:
    rows.put(part, version=1, pendingShard="s", createdAt="t", note="stays")
    _update(rows, part, "SET version = :new REMOVE pendingShard, createdAt", "version = :old", old=1, new=2)
    assert rows.get(part) == row(part, version=2, note="stays")


@behaviour(
    Service.DYNAMODB,
    "An empty string is refused as a key of the table",
    guide="HowItWorks.NamingRulesDataTypes#HowItWorks.DataTypes",
)
@pytest.mark.parametrize("place", [("", "1"), ("x", "")], ids=["partition", "sort"])
def test_an_empty_string_is_refused_as_a_key(rows: Rows, place: tuple[str, str]) -> None:
    with refused(INVALID):
        rows("PutItem", Item=row(*place))


@behaviour(
    Service.DYNAMODB,
    "An empty string is refused as a key of an index",
    guide="HowItWorks.NamingRulesDataTypes#HowItWorks.DataTypes",
)
def test_an_empty_string_is_refused_as_a_key_of_an_index(rows: Rows, part: str) -> None:
    with refused(INVALID):
        rows("PutItem", Item=row(part, pendingShard="", createdAt="t"))


@behaviour(Service.DYNAMODB, "A value of another type is refused as a key of an index", guide="GSI")
def test_another_type_is_refused_as_a_key_of_an_index(rows: Rows, part: str) -> None:
    with refused(INVALID):
        rows("PutItem", Item=row(part, pendingShard=1, createdAt="t"))


@behaviour(
    Service.DYNAMODB,
    "An empty string is kept where it is no key",
    guide="HowItWorks.NamingRulesDataTypes#HowItWorks.DataTypes",
)
def test_an_empty_string_is_kept_where_it_is_no_key(rows: Rows, part: str) -> None:
    rows.put(part, note="")
    assert rows.get(part) == row(part, note="")


@behaviour(
    Service.DYNAMODB,
    "A number keeps 38 digits exactly",
    guide="HowItWorks.NamingRulesDataTypes#HowItWorks.DataTypes.Number",
)
def test_a_number_keeps_38_digits(rows: Rows, part: str) -> None:
    exact = "12345678901234567890123456789012345678"
    rows.put(part, value={"N": exact}, negative={"N": f"-{exact}"})
    assert rows.get(part) == row(part, value={"N": exact}, negative={"N": f"-{exact}"})


@behaviour(
    Service.DYNAMODB,
    "A number of 39 digits is refused and not rounded",
    guide="HowItWorks.NamingRulesDataTypes#HowItWorks.DataTypes.Number",
)
def test_a_number_of_39_digits_is_refused(rows: Rows, part: str) -> None:
    with refused(INVALID):
        rows.put(part, value={"N": "123456789012345678901234567890123456789"})


@behaviour(
    Service.DYNAMODB,
    "Arithmetic in an update is exact up to 38 digits",
    guide="HowItWorks.NamingRulesDataTypes#HowItWorks.DataTypes.Number",
)
def test_arithmetic_is_exact_up_to_38_digits(rows: Rows, part: str) -> None:
    rows.put(part, value={"N": "12345678901234567890123456789012345678"})
    _update(rows, part, "SET #value = #value + :new", "attribute_exists(part)", new=1, ExpressionAttributeNames={"#value": "value"})
    assert rows.get(part) == row(part, value={"N": "12345678901234567890123456789012345679"})


@behaviour(Service.DYNAMODB, "A row of 400 KB, names included, is taken, and one byte more is refused", guide="Constraints")
def test_a_row_has_400_kilobytes_at_most(rows: Rows, part: str) -> None:
    rest = ITEM_BYTES_MAX - sum(map(len, ("part", part, "line", "1", "note")))
    rows.put(part, note="x" * rest)
    with refused(INVALID):
        rows.put(part, note="x" * (rest + 1))


@behaviour(Service.DYNAMODB, "A batch writes 25 rows, puts and deletions together", api="BatchWriteItem")
def test_a_batch_writes_25_rows(rows: Rows, part: str) -> None:
    _batch(rows, [{"PutRequest": {"Item": row(part, f"{number:02}")}} for number in range(25)])
    assert rows.of(part)["Count"] == 25
    _batch(
        rows,
        [{"DeleteRequest": {"Key": key(part, f"{number:02}")}} for number in range(24)]
        + [{"PutRequest": {"Item": row(part, "z")}}],
    )
    assert [each["line"]["S"] for each in rows.of(part)["Items"]] == ["24", "z"]


@behaviour(Service.DYNAMODB, "A batch of 26 writes is refused", api="BatchWriteItem")
def test_a_batch_of_26_writes_is_refused(rows: Rows, part: str) -> None:
    with refused(INVALID):
        _batch(rows, [{"PutRequest": {"Item": row(part, f"{number:02}")}} for number in range(26)])
    assert rows.of(part)["Count"] == 0


@behaviour(Service.DYNAMODB, "A batch that names a row twice is refused", api="BatchWriteItem")
def test_a_batch_that_writes_a_row_twice_is_refused(rows: Rows, part: str) -> None:
    with refused(INVALID):
        _batch(rows, [{"PutRequest": {"Item": row(part)}}, {"DeleteRequest": {"Key": key(part)}}])


def _batch(rows: Rows, requests: list[Any]) -> None:
    wanted = {rows.table: requests}

    def written() -> bool:
        nonlocal wanted
        wanted = rows.here.dynamodb("BatchWriteItem", RequestItems=wanted)["UnprocessedItems"]
        return not wanted

    rows.here.until(written, "the rest of a batch")


def _update(rows: Rows, part: str, expression: str, condition: str, *, new: int, old: int | None = None, **others: Any) -> None:
    values = {":new": {"N": str(new)}, **({} if old is None else {":old": {"N": str(old)}})}
    given = {name: value for name, value in values.items() if name in expression + condition}
    rows(
        "UpdateItem",
        Key=key(part),
        UpdateExpression=expression,
        ConditionExpression=condition,
        ExpressionAttributeValues=given,
        **others,
    )
