"""The second pass: rows are put where there are none, in batches that are whole or not there; what is there is never overwritten."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tazco.migration.commands.checking import Advance, Documents, Placed, rows_in
from tazco.migration.model import SHOWN_MAX, CannotImport, Checked, Written
from tazco.migration.store.catalogue import Catalogue
from tazco.migration.store.checkpoint import Checkpoint
from tazco.migration.store.files import Lines
from tazco.migration.store.rows import BINDING, Row
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.codec import Undecodable
from tazco.platform.commit import ACTIONS_MAX, Commit, Conflict, Throttled
from tazco.platform.database import Database

IN_FLIGHT: Final = 8
BATCH_BYTES_MAX: Final = 400_000
"""Of lines; a transaction of DynamoDB holds ten times as much, and numbers such as `1e37` are eight times as long in a row."""

TRIES_MAX: Final = 12
PAUSE_SECONDS: Final = 0.05
PAUSE_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Batch:
    number: int
    rows: tuple[Row, ...]
    lines: int
    """So many lines from the first on are in this batch or an earlier one."""


@dataclass(slots=True)
class Writer:
    """Writes an export that was checked."""

    database: Database
    checkpoint: Checkpoint
    advance: Advance
    written: Written = field(default_factory=Written)
    _done: dict[int, int] = field(default_factory=dict)
    _next: int = 0
    _lines: int = 0

    async def write(self, documents: Documents, catalogue: Catalogue, checked: Checked, *, resume: bool) -> Written:
        """Put every row that is not there yet; stop at the twentieth that is there with other content.

        Raise `CannotImport` if the files are not those that were checked or DynamoDB is too slow, an AWS failure if it cannot be had:
        what has been written by then is whole, and the same import goes on from there.
        """
        self.written.skipped_lines = self._lines = self.checkpoint.lines() if resume else 0
        self.advance(self._lines)
        lines = Lines(documents.export)
        batches = _batches(rows_in(documents, catalogue, lines, self._lines), checked.lines)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(self._work_off(batches))
        except* (AwsError, AwsUnreachable, CannotImport) as failures:
            raise _first(failures) from None
        if self.written.conflict_count < SHOWN_MAX and lines.digest != checked.digest:
            raise CannotImport("The files changed while they were being imported. Restore them and import again.")
        return self.written

    async def _work_off(self, batches: Iterator[_Batch]) -> None:
        for batch in batches:
            await self._put(batch.rows)
            self._finish(batch)
            if self.written.conflict_count >= SHOWN_MAX:
                return

    def _finish(self, batch: _Batch) -> None:
        """Move on as far as all batches up to here are finished; a conflict stays in the way, so that it is told again."""
        self._done[batch.number] = batch.lines
        while self._next in self._done:
            lines = self._done.pop(self._next)
            self.advance(lines - self._lines)
            self._lines, self._next = lines, self._next + 1
        if not self.written.conflict_count:
            self.checkpoint.save(self._lines)

    async def _put(self, rows: tuple[Row, ...]) -> None:
        left = {(row.table.name, row.table.key_of(row.table.item(row.record))): row for row in rows}
        tries = 0
        while left:
            commit = Commit(self.database)
            for row in left.values():
                commit.insert(row.table, row.record)
            try:
                await commit.write()
            except Conflict as conflict:
                in_the_way = {
                    row.document for place, found in conflict.fresh.items() if not self._alike(row := left.pop(place), found)
                }
                left = {place: row for place, row in left.items() if row.document not in in_the_way}
                tries = 0 if conflict.fresh else tries + 1
            except Throttled:
                tries += 1
            except Undecodable as error:
                await self._put_singly(tuple(left.values()), error)
                return
            else:
                self.written.put += len(left)
                return
            if tries:
                await self._pause(tries)

    def _alike(self, row: Row, found: Any) -> bool:
        if found == row.record:
            self.written.there += 1
            return True
        version = getattr(found, "version", 1)
        since = f", changed {version - 1} times since it was written" if version > 1 else ""
        what = "its subject is bound to somebody here" if row.kind == BINDING else f"is there with other content{since}"
        self.written.conflict(f"{row.document}: {what}")
        return False

    async def _put_singly(self, rows: tuple[Row, ...], error: Undecodable) -> None:
        """One of the rows is there and cannot be read: find out in which document."""
        documents: dict[str, list[Row]] = {}
        for row in rows:
            documents.setdefault(row.document, []).append(row)
        if len(documents) == 1:
            self.written.conflict(f"{rows[0].document}: is there and cannot be read: {error}")
            return
        for each in documents.values():
            await self._put(tuple(each))

    async def _pause(self, tries: int) -> None:
        if tries == TRIES_MAX:
            raise CannotImport(
                f"DynamoDB refused the same rows {TRIES_MAX} times: it asks for a slower pace, or somebody else keeps touching them."
                " Run the import again: it goes on from here."
            )
        await asyncio.sleep(self.database.aws.rng.uniform(0, min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2**tries)))


def _first(failures: BaseExceptionGroup[Any]) -> BaseException:
    """What went wrong first; the writers that it stopped have nothing to add."""
    found = failures.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _batches(placed: Iterator[Placed], lines: int) -> Iterator[_Batch]:
    number, held, size, before = 0, list[Row](), 0, 0
    for each in placed:
        if len(held) + len(each.rows) > ACTIONS_MAX or size + each.size > BATCH_BYTES_MAX:
            yield _Batch(number, tuple(held), before)
            number, held, size = number + 1, [], 0
        held += each.rows
        size, before = size + each.size, each.line
    if held:
        yield _Batch(number, tuple(held), lines)
