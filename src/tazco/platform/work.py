"""The work: what a use case reads and writes through; `platform/commands` commits it at once or has it decided again.

A use case is a function `(command, work) -> result` that does no I/O of its own and may run several times.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar, cast, overload

from tazco.kernel.errors import AccountDisabled, Unavailable
from tazco.kernel.events import Event
from tazco.kernel.ids import EcosystemId, NewId, RandomBytes
from tazco.kernel.record import Record, Versioned
from tazco.platform.caller import Account, Origin
from tazco.platform.commit import AlreadyAnswered, Commit
from tazco.platform.database import Database
from tazco.platform.idempotency import Answer, Once, StoredAnswer, alive
from tazco.platform.leases import LEASES, MAINTENANCE_LEASE, NOT_HELD, Maintenance, now_value
from tazco.platform.outbox import OUTBOX, OutboxRow, outbox_rows
from tazco.platform.policy import Policy
from tazco.platform.tables import EntriesOf, Entry, Get, Key, Question, Table

A1 = TypeVar("A1")
A2 = TypeVar("A2")
A3 = TypeVar("A3")
A4 = TypeVar("A4")
R = TypeVar("R", bound=Record)
V = TypeVar("V", bound=Versioned)

INDEX_LAG_PAUSES_SECONDS: Final = (0.02, 0.05, 0.1)

AccountRow = Callable[[EcosystemId], Get[Any]]
"""The question for a caller's own record; its answer is an `Account` or None."""


class CleaningUp(Unavailable):
    """All data is being deleted; only operators may write meanwhile."""

    def __init__(self) -> None:
        super().__init__("All data is being cleaned up. Retry in a moment.", retry_after=5)


@dataclass(slots=True)
class Snapshot:
    """What has been read so far; after a conflict it starts from the rows that the failure returned."""

    rows: dict[tuple[str, Key], Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Change:
    table: Table[Any]
    before: Record | None
    after: Record
    outbox: tuple[OutboxRow, ...] = ()
    as_read: tuple[str, ...] = ()


@dataclass(slots=True)
class Work:
    """One attempt at one command: its instant, its policy, its reads, its writes."""

    origin: Origin
    now: datetime
    policy: Policy
    new_id: NewId
    random_bytes: RandomBytes
    _database: Database
    _snapshot: Snapshot
    _account_row: AccountRow
    _once: Once | None = None
    _maintenance: Maintenance | None = None
    _checked: bool = False
    _barred: bool = False
    _changes: list[_Change] = field(default_factory=list)

    @overload
    async def read(self) -> tuple[()]: ...
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
        """Answer the questions in one round trip; the first of an attempt also looks for a stored answer and the caller's record."""
        guards = [] if self._checked else self._guards()
        rows = self._snapshot.rows
        missing = [
            question
            for question in (*guards, *questions)
            if not (isinstance(question, Get) and (question.table.name, question.key) in rows)
        ]
        answers = dict(zip(map(id, missing), await self._database.read(*missing), strict=True)) if missing else {}
        for question in missing:
            if isinstance(question, Get):
                rows[question.table.name, question.key] = answers[id(question)]
        if not self._checked:
            self._check()
        return tuple(
            rows[question.table.name, question.key] if isinstance(question, Get) else answers[id(question)]
            for question in questions
        )

    async def look_up(self, question: EntriesOf) -> tuple[Entry, ...]:
        """Ask an index; one that knows nothing is asked again a few times, because it lags behind what was written a moment ago."""
        (entries,) = await self.read(question)
        for pause in INDEX_LAG_PAUSES_SECONDS:
            if entries:
                break
            await asyncio.sleep(pause)
            (entries,) = await self.read(question)
        return entries

    def _guards(self) -> list[Question[Any]]:
        guards: list[Question[Any]] = [self._once.row] if self._once else []
        if self._maintenance and self._maintenance.question:
            guards.append(self._maintenance.question)
        ecosystem_id = self.origin.caller.ecosystem_id
        return [*guards, self._account_row(ecosystem_id)] if ecosystem_id else guards

    def _check(self) -> None:
        self._checked = True
        self._check_maintenance()
        rows = self._snapshot.rows
        if self.account is not None and self.account.disabled:
            raise AccountDisabled("This account is disabled. Contact support.")
        if self._once:
            stored = cast("StoredAnswer | None", rows[self._once.row.table.name, self._once.row.key])
            if stored is not None and alive(stored, self.now):
                raise AlreadyAnswered(stored)

    def _check_maintenance(self) -> None:
        if self._maintenance is None:
            return
        place = (MAINTENANCE_LEASE.table.name, MAINTENANCE_LEASE.key)
        if place in self._snapshot.rows:
            self._maintenance.learn(self._snapshot.rows.pop(place))
        if self._maintenance.running:
            raise CleaningUp

    def not_during_cleanup(self) -> None:
        """Commit only if no cleanup is running at that very moment, anywhere, for anybody: for what nothing else would hold back."""
        lease = self._snapshot.rows.pop((MAINTENANCE_LEASE.table.name, MAINTENANCE_LEASE.key), None)
        if lease is not None and lease.until_ms >= self.now.timestamp() * 1000:
            raise CleaningUp
        self._barred = True

    def add(self, table: Table[Any], record: Record, *events: Event) -> None:
        """Insert a row that must not exist yet; a row with a version starts its stream with `events`."""
        if not isinstance(record, Versioned):
            assert not events, "only a versioned row has a stream"
            self._changes.append(_Change(table, None, record))
            return
        outbox = self._outbox(table, record, events)
        started = replace(record, version=1, sequence=len(events), last_event_id=outbox[-1].event_id if outbox else None)
        self._changes.append(_Change(table, None, started, outbox))

    def change(self, table: Table[Any], before: V, after: V, *events: Event) -> None:
        """Turn a row that was read into another; the stream of the row numbers `events`."""
        outbox = self._outbox(table, before, events)
        moved = replace(
            after,
            version=before.version + 1,
            sequence=before.sequence + len(events),
            last_event_id=outbox[-1].event_id if outbox else before.last_event_id,
        )
        self._changes.append(_Change(table, before, moved, outbox))

    def amend(self, table: Table[R], before: R, after: R, *, as_read: tuple[str, ...]) -> None:
        """Turn a row without a version into another, provided that its attributes `as_read` are still what was read."""
        assert not isinstance(before, Versioned), "the version of a row says more"
        self._changes.append(_Change(table, before, after, as_read=as_read))

    @property
    def account(self) -> Account | None:
        """The caller's own record as this attempt read it; None for someone who is not registered."""
        ecosystem_id = self.origin.caller.ecosystem_id
        if not ecosystem_id:
            return None
        assert self._checked, "read first"
        get = self._account_row(ecosystem_id)
        return cast("Account | None", self._snapshot.rows[get.table.name, get.key])

    def to_commit(self, answer: Answer | None) -> Commit:
        """Everything this attempt wants to write, in the fixed order."""
        commit = Commit(self._database)
        if self._once and answer:
            commit.answer(self._once, answer, self.now)
        for change in self._changes:
            if change.before is None:
                commit.insert(change.table, change.after)
            elif isinstance(change.before, Versioned):
                assert isinstance(change.after, Versioned)
                commit.update(change.table, change.before, change.after)
            else:
                commit.amend(change.table, change.before, change.after, change.as_read)
        if self._barred:
            commit.require(LEASES, MAINTENANCE_LEASE.key, NOT_HELD, now_value(self.now))
        for row in self.outbox:
            commit.insert(OUTBOX, row)
        return commit

    @property
    def outbox(self) -> tuple[OutboxRow, ...]:
        """The events of this attempt, in the order in which they happened."""
        return tuple(row for change in self._changes for row in change.outbox)

    def _outbox(self, table: Table[Any], before: Versioned, events: tuple[Event, ...]) -> tuple[OutboxRow, ...]:
        if not events:
            return ()
        assert all(event.aggregate_type == table.aggregate for event in events), f"{events} are not of {table.name}"
        item = table.item(before)
        return outbox_rows(
            events,
            before,
            aggregate_id=table.aggregate_id(item),
            ecosystem_id=table.owner(item),
            correlation_id=self.origin.correlation_id,
            now=self.now,
            new_id=self.new_id,
        )
