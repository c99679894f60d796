"""Reads: batches, pages, start keys, and what an index can and cannot say."""

from typing import Any

import pytest

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here, refused
from tests.conformance.resources import Rows, key, row

INVALID = "ValidationException"
PAGING = "Query.Pagination"
PAGE_BYTES_MAX = 1024 * 1024


@pytest.fixture(scope="module")
def seven(here: Here, rows: Rows) -> str:
    """A partition, and a shard of the index, of seven rows: pairs of them became due at the same time."""
    part = here.name("seven")
    for number in range(7):
        rows.put(part, str(number), pendingShard=part, createdAt=str(number // 2), note="only in the table")
    here.until(lambda: rows.of_shard(part)["Count"] == 7, "the entries of an index")
    return part


def _lines(answer: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [each["line"]["S"] for each in answer["Items"]]


@behaviour(Service.DYNAMODB, "A batch reads 100 rows consistently; those that are not there are left out", api="BatchGetItem")
def test_a_batch_reads_100_rows(here: Here, rows: Rows, seven: str) -> None:
    answer = _batch(here, rows, seven, 100)
    assert sorted(each["line"]["S"] for each in answer["Responses"][rows.table]) == list("0123456")
    assert answer["UnprocessedKeys"] == {}


@behaviour(Service.DYNAMODB, "A batch of 101 reads is refused", api="BatchGetItem")
def test_a_batch_of_101_reads_is_refused(here: Here, rows: Rows, seven: str) -> None:
    with refused(INVALID):
        _batch(here, rows, seven, 101)


@behaviour(Service.DYNAMODB, "A batch that asks for a row twice is refused", api="BatchGetItem")
def test_a_batch_that_reads_a_row_twice_is_refused(here: Here, rows: Rows, seven: str) -> None:
    with refused(INVALID):
        here.dynamodb("BatchGetItem", RequestItems={rows.table: {"Keys": [key(seven), key(seven)]}})


@behaviour(
    Service.DYNAMODB,
    "A batch of more than 16 MB hands back the keys that are left, and asking for them gives the rest",
    api="BatchGetItem",
)
def test_a_batch_hands_back_the_keys_beyond_16_megabytes(here: Here, rows: Rows, part: str) -> None:
    large = 43
    for number in range(large):
        rows.put(part, str(number), note="x" * 400_000)
    wanted = {rows.table: {"Keys": [key(part, str(number)) for number in range(large)]}}
    answers = []
    while wanted:
        answers.append(here.dynamodb("BatchGetItem", RequestItems=wanted))
        wanted = answers[-1]["UnprocessedKeys"]
    found = [each["line"]["S"] for answer in answers for each in answer["Responses"].get(rows.table, [])]
    assert sorted(found) == sorted(map(str, range(large)))
    assert len(answers) > 1, "all of 17 MB came in one answer"


def _batch(here: Here, rows: Rows, part: str, count: int) -> dict[str, dict[str, list[dict[str, dict[str, str]]]]]:
    keys = [key(part, str(number)) for number in range(count)]
    return here.dynamodb("BatchGetItem", RequestItems={rows.table: {"Keys": keys, "ConsistentRead": True}})


@behaviour(
    Service.DYNAMODB,
    "A consistent query shows what was just written, sorted by the bytes of the sort key, in either direction",
    guide="Query.KeyConditionExpressions",
)
def test_a_query_is_sorted_by_bytes_in_either_direction(rows: Rows, part: str) -> None:
    lines = ["2026-11-24T10:00:00.000Z", "2026-11-24T10:00:00.001Z", "B", "a", "é", "\uffee", "😀"]
    for line in reversed(lines):
        rows.put(part, line)
    assert _lines(rows.of(part)) == lines
    assert _lines(rows.of(part, ScanIndexForward=False)) == lines[::-1]


@behaviour(Service.DYNAMODB, "A range of sort keys includes both its bounds", guide="Query.KeyConditionExpressions")
def test_a_range_includes_both_bounds(rows: Rows, seven: str) -> None:
    answer = rows(
        "Query",
        KeyConditionExpression="part = :part AND line BETWEEN :low AND :high",
        ExpressionAttributeValues={":part": {"S": seven}, ":low": {"S": "2"}, ":high": {"S": "4"}},
    )
    assert _lines(answer) == ["2", "3", "4"]


@behaviour(Service.DYNAMODB, "A page of a query ends after 1 MB, and its key leads to the rest", guide=PAGING)
def test_a_page_ends_after_a_megabyte(rows: Rows, part: str) -> None:
    for number in range(5):
        rows.put(part, str(number), note="x" * 300_000)
    first = rows.of(part)
    assert "LastEvaluatedKey" in first, "all of 1.5 MB came in one page"
    assert first["Count"] * 300_000 <= PAGE_BYTES_MAX + 300_000
    rest = rows.of(part, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert _lines(first) + _lines(rest) == list("01234")
    assert "LastEvaluatedKey" not in rest


@behaviour(
    Service.DYNAMODB,
    "The limit counts rows before the filter: a page may be empty and still not be the last",
    guide="Query.Other#Query.Limit",
)
def test_the_limit_counts_before_the_filter(rows: Rows, seven: str) -> None:
    answer = rows.of(seven, Limit=3, FilterExpression="note = :note", values={":note": {"S": "another"}})
    assert (answer["Count"], answer["ScannedCount"]) == (0, 3)
    assert answer["LastEvaluatedKey"] == key(seven, "2")


@behaviour(Service.DYNAMODB, "A query goes on after the key of a row that is gone", api="Query")
def test_a_query_goes_on_after_a_row_that_is_gone(rows: Rows, seven: str) -> None:
    assert _lines(rows.of(seven, ExclusiveStartKey=key(seven, "45"))) == ["5", "6"]


@behaviour(Service.DYNAMODB, "A start key of another partition is refused", api="Query")
def test_a_start_key_of_another_partition_is_refused(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows.of(seven, ExclusiveStartKey=key("elsewhere", "1"))


@behaviour(Service.DYNAMODB, "A start key without its sort key is refused", api="Query")
def test_a_start_key_without_its_sort_key_is_refused(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows.of(seven, ExclusiveStartKey={"part": {"S": seven}})


@behaviour(Service.DYNAMODB, "A start key with one attribute too many is refused", api="Query")
def test_a_start_key_with_an_attribute_too_many_is_refused(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows.of(seven, ExclusiveStartKey={**key(seven, "2"), "note": {"S": "more"}})


@behaviour(Service.DYNAMODB, "A start key of another type is refused", api="Query")
def test_a_start_key_of_another_type_is_refused(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows.of(seven, ExclusiveStartKey={"part": {"S": seven}, "line": {"N": "2"}})


@behaviour(Service.DYNAMODB, "A start key for an index that lacks the keys of the index is refused", api="Query")
def test_a_start_key_for_an_index_without_its_keys_is_refused(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows.of_shard(seven, ExclusiveStartKey=key(seven, "2"))


@behaviour(Service.DYNAMODB, "An index of keys only gives the keys of index and table and nothing else", api="Projection")
def test_an_index_of_keys_gives_keys(rows: Rows, seven: str) -> None:
    (entry,) = rows.of_shard(seven, Limit=1)["Items"]
    assert entry.keys() == {"part", "line", "pendingShard", "createdAt"}
    assert (entry["part"], entry["createdAt"]) == ({"S": seven}, {"S": "0"})


@behaviour(Service.DYNAMODB, "An index of keys only refuses to give all attributes", api="Query")
def test_an_index_of_keys_refuses_to_give_more(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows.of_shard(seven, Select="ALL_ATTRIBUTES")


@behaviour(
    Service.DYNAMODB,
    "A row without the keys of an index is not in it, and leaves it when it loses one",
    guide="bp-indexes-general-sparse-indexes",
)
def test_an_index_is_sparse(here: Here, rows: Rows, part: str) -> None:
    rows.put(part, "never", pendingShard=part)
    rows.put(part, "once", pendingShard=part, createdAt="1")
    here.until(lambda: _lines(rows.of_shard(part)) == ["once"], "the entry of an index")
    rows("UpdateItem", Key=key(part, "once"), UpdateExpression="REMOVE pendingShard")
    here.until(lambda: not rows.of_shard(part)["Items"], "the end of an entry")
    assert rows.get(part, "once") == row(part, "once", createdAt="1")


@behaviour(
    Service.DYNAMODB, "An index is read page by page in the order of its sort key, ties included, each entry once", guide=PAGING
)
def test_an_index_is_read_page_by_page(rows: Rows, seven: str) -> None:
    entries, start = [], None
    for _ in range(9):
        answer = rows.of_shard(seven, Limit=1, **({"ExclusiveStartKey": start} if start else {}))
        entries += answer["Items"]
        start = answer.get("LastEvaluatedKey")
        if not start:
            break
    assert [each["createdAt"]["S"] for each in entries] == list("0011223")
    assert sorted(each["line"]["S"] for each in entries) == list("0123456")
    assert not start


@behaviour(Service.DYNAMODB, "An index cannot be read consistently", api="Query")
def test_an_index_cannot_be_read_consistently(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows.of_shard(seven, ConsistentRead=True)


@behaviour(Service.DYNAMODB, "Entries of an index can be counted without being read out", api="Query")
def test_entries_can_be_counted(rows: Rows, seven: str) -> None:
    answer = rows.of_shard(seven, Select="COUNT")
    assert (answer["Count"], answer.get("Items")) == (7, None)


@behaviour(Service.DYNAMODB, "A scan goes over all rows page by page, each once, and gives the attributes asked for", api="Scan")
def test_a_scan_goes_over_all_rows(others: Rows) -> None:
    for number in range(7):
        others.put(f"scanned{number}", note="not asked for")
    found, start = [], None
    for _ in range(99):
        arguments: dict[str, Any] = {"ExclusiveStartKey": start} if start else {}
        answer = others("Scan", ConsistentRead=True, Limit=2, ProjectionExpression="part, line", **arguments)
        found += answer["Items"]
        start = answer.get("LastEvaluatedKey")
        if not start:
            break
    assert not start
    assert len(found) == len({str(each) for each in found})
    assert [each for each in found if each["part"]["S"].startswith("scanned") and each.keys() != {"part", "line"}] == []
    assert {each["part"]["S"] for each in found} >= {f"scanned{number}" for number in range(7)}


@behaviour(Service.DYNAMODB, "An index that is not there cannot be read", api="Query")
def test_an_index_that_is_not_there_is_refused(rows: Rows, seven: str) -> None:
    with refused(INVALID):
        rows(
            "Query",
            IndexName="Elsewhere",
            KeyConditionExpression="pendingShard = :shard",
            ExpressionAttributeValues={":shard": {"S": seven}},
        )
