"""DynamoDB as this program uses it: several questions in one round trip, pages, and raw conditional writes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast, overload

from tazco.kernel.record import Record
from tazco.platform.aws import Aws, AwsError
from tazco.platform.codec import Item, Undecodable
from tazco.platform.tables import EntriesOf, Entry, Get, Key, Question, RowsOf, Table

R = TypeVar("R", bound=Record)
A1 = TypeVar("A1")
A2 = TypeVar("A2")
A3 = TypeVar("A3")
A4 = TypeVar("A4")

BATCH_GET_MAX: Final = 100
BATCH_WRITE_MAX: Final = 25
UNPROCESSED_ROUNDS_MAX: Final = 8
UNPROCESSED_BASE_SECONDS: Final = 0.025


Broken = Callable[[Key, Undecodable], None]
"""Told of a row that cannot be read."""


class Overloaded(Exception):
    """DynamoDB kept handing parts of a batch back; nothing can be said of them."""


@dataclass(slots=True)
class Database:
    """The tables behind one prefix. `report_capacity` asks DynamoDB to say what each call consumed."""

    aws: Aws
    prefix: str
    report_capacity: bool = False

    def physical_name(self, table: Table[Any]) -> str:
        """The table's name in the account."""
        return self.prefix + table.name

    async def call(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """One raw operation."""
        if self.report_capacity:
            arguments = {**arguments, "ReturnConsumedCapacity": "INDEXES"}
        return await self.aws.call("dynamodb", operation, arguments)

    @overload
    async def read(self, first: Question[A1], /) -> tuple[A1]: ...
    @overload
    async def read(self, first: Question[A1], second: Question[A2], /) -> tuple[A1, A2]: ...
    @overload
    async def read(self, first: Question[A1], second: Question[A2], third: Question[A3], /) -> tuple[A1, A2, A3]: ...
    @overload
    async def read(
        self, first: Question[A1], second: Question[A2], third: Question[A3], fourth: Question[A4], /
    ) -> tuple[A1, A2, A3, A4]: ...
    @overload
    async def read(self, *questions: Question[A1]) -> tuple[A1, ...]: ...
    async def read(self, *questions: Question[Any]) -> tuple[Any, ...]:
        """Answer all questions in one round trip: the gets as one batch, the queries beside it."""
        gets = tuple(
            {(question.table.name, question.key): question for question in questions if isinstance(question, Get)}.values()
        )
        queries = tuple(question for question in questions if not isinstance(question, Get))
        if not queries:
            rows = await self._get_all(gets)
            return tuple(
                rows.get((cast("Get[Any]", question).table.name, cast("Get[Any]", question).key)) for question in questions
            )
        rows, *found = await asyncio.gather(self._get_all(gets), *(self._query_all(query) for query in queries))
        answers = dict(zip(map(id, queries), found, strict=True))
        return tuple(
            rows.get((question.table.name, question.key)) if isinstance(question, Get) else answers[id(question)]
            for question in questions
        )

    async def rows(self, table: Table[R], keys: list[Key], *, broken: Broken | None = None) -> tuple[R, ...]:
        """The rows that exist among `keys`, in their order; with `broken` those that cannot be read are told and left out."""
        unique = list(dict.fromkeys(keys))
        chunks = [unique[start : start + BATCH_GET_MAX] for start in range(0, len(unique), BATCH_GET_MAX)]
        found: dict[tuple[str, Key], Any] = {}
        gets = [tuple(Get(table, key) for key in chunk) for chunk in chunks]
        for rows in await asyncio.gather(*(self._get_all(chunk, broken) for chunk in gets)):
            found.update(rows)
        return tuple(found[table.name, key] for key in unique if (table.name, key) in found)

    async def _get_all(self, gets: tuple[Get[Any], ...], broken: Broken | None = None) -> dict[tuple[str, Key], Any]:
        if not gets:
            return {}
        tables = {self.physical_name(get.table): get.table for get in gets}
        readers = {(get.table.name, get.key): get.table for get in gets}  # a table may hold records of several kinds
        wanted: dict[str, Any] = {}
        for get in gets:
            request = wanted.setdefault(self.physical_name(get.table), {"ConsistentRead": True, "Keys": []})
            request["Keys"].append(get.table.key_item(get.key))
        rows: dict[tuple[str, Key], Any] = {}
        for attempt in range(UNPROCESSED_ROUNDS_MAX):
            reply = await self.call("BatchGetItem", {"RequestItems": wanted})
            for name, items in reply["Responses"].items():
                table = tables[name]
                for item in items:
                    key = table.key_of(item)
                    try:
                        rows[table.name, key] = readers[table.name, key].codec.decode(item)
                    except Undecodable as error:
                        if broken is None:
                            raise
                        broken(key, error)
            wanted = reply.get("UnprocessedKeys") or {}
            if not wanted:
                return rows
            await self._pause(attempt)
        raise Overloaded("DynamoDB left keys of a batch unread")

    async def _pause(self, attempt: int) -> None:
        """DynamoDB hands back what its throughput did not allow: a growing while with full jitter."""
        await asyncio.sleep(self.aws.rng.uniform(0, UNPROCESSED_BASE_SECONDS * 2**attempt))

    async def _query_all(self, question: Question[Any]) -> tuple[Any, ...]:
        assert isinstance(question, RowsOf | EntriesOf)
        found: list[Any] = []
        async for item in self.query(question):
            found.append(entry_of(item) if isinstance(question, EntriesOf) else question.table.codec.decode(item))
            if question.range.rows_max is not None and len(found) >= question.range.rows_max:
                break
        return tuple(found)

    async def query(
        self, question: RowsOf[Any] | EntriesOf, *, start: Item | None = None, page_rows: int | None = None
    ) -> AsyncIterator[Item]:
        """The items of a partition, fetched page by page as they are asked for; `start` is the key after which to begin."""
        arguments = self._query_arguments(question)
        if page_rows or question.range.rows_max:
            arguments["Limit"] = page_rows or question.range.rows_max
        async for reply in self._pages("Query", arguments, start):
            for item in reply["Items"]:
                yield item

    async def _pages(self, operation: str, arguments: dict[str, Any], start: Item | None) -> AsyncIterator[dict[str, Any]]:
        """Reply after reply until there is no more; a page may be empty and still not be the last."""
        while True:
            reply = await self.call(operation, {**arguments, "ExclusiveStartKey": start} if start else arguments)
            yield reply
            start = reply.get("LastEvaluatedKey")
            if not start:
                return

    def _query_arguments(self, question: RowsOf[Any] | EntriesOf) -> dict[str, Any]:
        index = question.index if isinstance(question, EntriesOf) else None
        partition, sort = (index.partition, index.sort) if index else (question.table.partition, question.table.sort)
        condition, names, values = "#p = :p", {"#p": partition}, {":p": {"S": question.partition}}
        low, high = question.range.at_least, question.range.at_most
        if low is not None or high is not None:
            assert sort is not None, "a range needs a sort key"
            names["#s"] = sort
            values.update({name: {"S": bound} for name, bound in ((":low", low), (":high", high)) if bound is not None})
            if low is None or high is None:
                condition += " AND #s >= :low" if high is None else " AND #s <= :high"
            else:
                condition += " AND #s BETWEEN :low AND :high"
        arguments: dict[str, Any] = {
            "TableName": self.physical_name(question.table),
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not question.range.newest_first,
        }
        if index:
            arguments["IndexName"] = index.name
        else:
            arguments["ConsistentRead"] = True
        return arguments

    async def count(self, question: EntriesOf) -> int:
        """How many entries an index has under one value, counted by DynamoDB page by page."""
        arguments = {**self._query_arguments(question), "Select": "COUNT"}
        return sum([int(reply["Count"]) async for reply in self._pages("Query", arguments, None)])

    async def scan(
        self, table: Table[Any], *, start: Item | None = None, page_rows: int | None = None, keys_only: bool = False
    ) -> AsyncIterator[Item]:
        """Every item of a table in DynamoDB's own stable order, strongly consistent, fetched page by page."""
        arguments: dict[str, Any] = {"TableName": self.physical_name(table), "ConsistentRead": True}
        if page_rows:
            arguments["Limit"] = page_rows
        if keys_only:
            arguments["ProjectionExpression"] = ", ".join(f"#k{i}" for i in range(len(table.key_names)))
            arguments["ExpressionAttributeNames"] = {f"#k{i}": name for i, name in enumerate(table.key_names)}
        async for reply in self._pages("Scan", arguments, start):
            for item in reply["Items"]:
                yield item

    async def delete_all(self, table: Table[Any], keys: list[Key]) -> None:
        """Delete rows in batches; deleting one that is gone already is no error."""
        name = self.physical_name(table)
        for start in range(0, len(keys), BATCH_WRITE_MAX):
            wanted = {name: [{"DeleteRequest": {"Key": table.key_item(key)}} for key in keys[start : start + BATCH_WRITE_MAX]]}
            for attempt in range(UNPROCESSED_ROUNDS_MAX):
                reply = await self.call("BatchWriteItem", {"RequestItems": wanted})
                wanted = reply.get("UnprocessedItems") or {}
                if not wanted:
                    break
                await self._pause(attempt)
            else:
                raise Overloaded("DynamoDB left rows of a batch undeleted")

    async def write(
        self,
        table: Table[R],
        record: R,
        *,
        condition: str,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> bool:
        """Put one row if `condition` holds; False if it does not. `#p` names the partition key in the condition.

        A lost answer makes it write twice: give a condition that a second write of the same row meets again.
        """
        arguments: dict[str, Any] = {
            "TableName": self.physical_name(table),
            "Item": table.item(record),
            "ConditionExpression": condition,
        }
        placeholders = {**(names or {}), **({"#p": table.partition} if "#p" in condition else {})}
        if placeholders:
            arguments["ExpressionAttributeNames"] = placeholders
        if values:
            arguments["ExpressionAttributeValues"] = dict(values)
        try:
            await self.call("PutItem", arguments)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True


def entry_of(item: Item) -> Entry:
    """The plain strings of a keys-only index item."""
    return {name: value["S"] for name, value in item.items() if "S" in value}
