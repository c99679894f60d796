"""Lists that an index keeps in several shards, merged into one order; what the index says is re-read by key before it is shown."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tazco.kernel.record import Record
from tazco.platform.database import Database
from tazco.platform.tables import EntriesOf, Key, Table

R = TypeVar("R", bound=Record)

Position = tuple[str, ...]
"""Where a row stands in a list: its instant as text, then its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged(Generic[R]):
    """A list in total order, by time and then by id, over all shards of an index that is sorted by time.

    `questions` gives one question a shard, each from an instant onwards (backwards with `newest_first`), that instant included;
    None stands for the beginning. `time` is the sort attribute of the index, the last key attribute is the id. `keep` decides by
    what the row says now whether it is in the list: the index may still name rows that have left it.
    """

    table: Table[R]
    questions: Callable[[str | None], tuple[EntriesOf, ...]]
    time: str
    keep: Callable[[R], bool]
    newest_first: bool = False

    async def page(self, database: Database, after: Position | None, size: int) -> tuple[list[R], Position | None]:
        """The next `size` rows after a position, and the position from which the list goes on; None where it ends."""
        found = await self._next(database, after, size + 1)
        page = found[:size]
        return page, self._position(page[-1]) if len(found) > size else None

    def _position(self, row: R) -> Position:
        item = self.table.item(row)
        return item[self.time]["S"], self.table.key_of(item)[-1]

    async def _next(self, database: Database, after: Position | None, wanted: int) -> list[R]:
        found: list[R] = []
        while len(found) < wanted:
            questions = self.questions(after[0] if after else None)
            shards = await asyncio.gather(*(self._names(database, each, after, wanted) for each in questions))
            named = sorted((name for shard in shards for name in shard), reverse=self.newest_first)[:wanted]
            found += filter(self.keep, await database.rows(self.table, [key for _, key in named]))
            if len(named) < wanted:
                break
            after = named[-1][0]
        return found[:wanted]

    async def _names(
        self, database: Database, question: EntriesOf, after: Position | None, wanted: int
    ) -> list[tuple[Position, Key]]:
        """Positions and keys after `after` in one shard: `wanted` of them, and all that share the last one's instant."""
        names: list[tuple[Position, Key]] = []
        async for item in database.query(question, page_rows=wanted + 1):
            key = self.table.key_of(item)
            position = (item[self.time]["S"], key[-1])
            if len(names) >= wanted and position[0] != names[-1][0][0]:
                break
            if after is None or (position < after if self.newest_first else position > after):
                names.append((position, key))
        return names
