"""The work: a use case reads and writes through it, and the loop around it commits everything at once or decides again.

A use case is a function `(command, work) -> result` that does no I/O of its own and may run several times.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar, cast, overload

from tazco.kernel.clock import Clock
from tazco.kernel.errors import AccountDisabled, Refused, Unavailable, VersionConflict
from tazco.kernel.events import Event
from tazco.kernel.ids import EcosystemId, NewId
from tazco.kernel.record import Record, Versioned
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.caller import Account, Origin
from tazco.platform.commit import AlreadyAnswered, Commit, Conflict, Lost, Throttled
from tazco.platform.database import Database, Overloaded
from tazco.platform.idempotency import Answer, Once, StoredAnswer, alive
from tazco.platform.lanes import Lanes
from tazco.platform.leases import MAINTENANCE_LEASE, Maintenance
from tazco.platform.outbox import OUTBOX, outbox_row
from tazco.platform.policy import Policy
from tazco.platform.tables import Get, Key, Question, Table

A1 = TypeVar("A1")
A2 = TypeVar("A2")
A3 = TypeVar("A3")
A4 = TypeVar("A4")
R = TypeVar("R")
V = TypeVar("V", bound=Versioned)

RETRIES_MAX: Final = 5
INFORMED_BACKOFF_SECONDS: Final = 0.0005
"""Base of the pause after a lost commit that told the new state: shorter than a read, so that whoever lost goes next."""

UNINFORMED_BACKOFF_SECONDS: Final = 0.01
BACKOFF_MAX_SECONDS: Final = 0.25
SERVER_FAULT_MIN: Final = 500

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
    before: Versioned | None
    after: Record
    events: tuple[Event, ...]
    held: bool = False


@dataclass(slots=True)
class Work:
    """One attempt at one command: its instant, its policy, its reads, its writes."""

    origin: Origin
    now: datetime
    policy: Policy
    new_id: NewId
    _database: Database
    _snapshot: Snapshot
    _account_row: AccountRow
    _once: Once | None = None
    _maintenance: Maintenance | None = None
    _checked: bool = False
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

    def add(self, table: Table[Any], record: Record, *events: Event) -> None:
        """Insert a row that must not exist yet; a row with a version starts its stream with `events`."""
        if isinstance(record, Versioned):
            record = replace(record, version=1, sequence=len(events))
        else:
            assert not events, "only a versioned row has a stream"
        self._changes.append(_Change(table, None, record, events))

    def change(self, table: Table[Any], before: V, after: V, *events: Event) -> None:
        """Turn a row that was read into another; the stream of the row numbers `events`."""
        moved = replace(after, version=before.version + 1, sequence=before.sequence + len(events))
        self._changes.append(_Change(table, before, moved, events))

    def hold(self, table: Table[Any], record: Versioned) -> None:
        """Require that a row which is only read stays as it was until the commit."""
        self._changes.append(_Change(table, record, record, (), held=True))

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
            if change.held and change.before:
                commit.hold(change.table, change.before)
            elif change.before is None:
                commit.insert(change.table, change.after)
            else:
                assert isinstance(change.after, Versioned)
                commit.update(change.table, change.before, change.after)
        for change in self._changes:
            self._outbox(commit, change)
        return commit

    def _outbox(self, commit: Commit, change: _Change) -> None:
        if not change.events:
            return
        assert isinstance(change.after, Versioned)
        item = change.table.item(change.after)
        first = change.after.sequence - len(change.events) + 1
        for offset, event in enumerate(change.events):
            assert event.aggregate_type == change.table.aggregate, f"{event.type} is not an event of {change.table.name}"
            row = outbox_row(
                event,
                event_id=self.new_id(),
                aggregate_id=change.table.aggregate_id(item),
                ecosystem_id=change.table.owner(item),
                sequence=first + offset,
                correlation_id=self.origin.correlation_id,
                now=self.now,
            )
            commit.insert(OUTBOX, row)


@dataclass(slots=True)
class Commands:
    """Runs use cases: reads, decides, commits; on conflict again from what the failure returned, at most five times."""

    database: Database
    clock: Clock
    new_id: NewId
    policy: Callable[[], Policy]
    account_row: AccountRow
    maintenance: Maintenance
    rng: random.Random = field(default_factory=random.SystemRandom)
    lanes: Lanes = field(default_factory=Lanes)

    async def once(
        self, origin: Origin, use_case: Callable[[Work], Awaitable[R]], *, once: Once, lane: str, render: Callable[[R], Answer]
    ) -> Answer:
        """Run a command under its idempotency key: its effect and the answer to it are one commit, a repetition is a replay."""
        try:
            _, answer = await self._run(origin, use_case, lane, once, render)
        except AlreadyAnswered as repeated:
            return once.replay(repeated.stored)
        except (AccountDisabled, CleaningUp):
            raise
        except Refused:
            (stored,) = await self.database.read(once.row)
            if stored is not None and alive(stored, self.clock()):
                return once.replay(stored)
            raise
        assert answer is not None
        return answer

    async def run(self, origin: Origin, use_case: Callable[[Work], Awaitable[R]], *, lane: str) -> R:
        """Run a command that is idempotent by nature and carries no key."""
        result, _ = await self._run(origin, use_case, lane, None, None)
        return result

    async def _run(
        self,
        origin: Origin,
        use_case: Callable[[Work], Awaitable[R]],
        lane: str,
        once: Once | None,
        render: Callable[[R], Answer] | None,
    ) -> tuple[R, Answer | None]:
        snapshot = Snapshot()
        last: Conflict | Throttled | None = None
        async with self.lanes(lane) as held:
            for attempt in range(RETRIES_MAX + 1):
                if last is not None:
                    await self._back_off(last, attempt)
                work = self._attempt(origin, snapshot, once)
                try:
                    result = await use_case(work)
                    answer = render(result) if render else None
                    commit = work.to_commit(answer)
                    if not commit.empty:
                        held.won(await commit.write())
                except Conflict as conflict:
                    last = conflict
                    held.lost()
                    snapshot = _after(snapshot, conflict)
                except Throttled as throttled:
                    last = throttled
                else:
                    return result, answer
        raise _given_up(last)

    def _attempt(self, origin: Origin, snapshot: Snapshot, once: Once | None) -> Work:
        maintenance = None if origin.caller.is_admin else self.maintenance
        return Work(origin, self.clock(), self.policy(), self.new_id, self.database, snapshot, self.account_row, once, maintenance)

    async def _back_off(self, last: Conflict | Throttled, attempt: int) -> None:
        informed = isinstance(last, Conflict) and last.fresh
        base = INFORMED_BACKOFF_SECONDS if informed else UNINFORMED_BACKOFF_SECONDS
        await asyncio.sleep(self.rng.uniform(0, min(BACKOFF_MAX_SECONDS, base * 2**attempt)))


def _after(snapshot: Snapshot, conflict: Conflict) -> Snapshot:
    """Where to decide from next: the returned rows where there are any, otherwise nothing is known."""
    return Snapshot({**snapshot.rows, **conflict.fresh}) if conflict.fresh else Snapshot()


def _given_up(last: Conflict | Throttled | None) -> Refused:
    if isinstance(last, Throttled):
        return Unavailable("The database asks for a slower pace. Retry with the same Idempotency-Key.", retry_after=1)
    lost = last.lost if last else None
    details = _conflict_details(lost) if lost else {}
    return VersionConflict("Others changed the same record at the same time. Retry with the same Idempotency-Key.", **details)


def _conflict_details(lost: Lost) -> dict[str, Any]:
    named = {"card_id": lost.key["cardId"]} if "cardId" in lost.key else {}
    return {**named, "expected_version": lost.expected, "actual_version": lost.actual}


def as_refusal(error: Exception) -> Refused | None:
    """What a failed dependency means to the caller: try again. None for anything that is a bug."""
    if isinstance(error, AwsUnreachable | Overloaded):
        return Unavailable("A dependency does not answer. Retry with the same Idempotency-Key.", retry_after=5)
    if isinstance(error, AwsError) and (error.throttled or error.status >= SERVER_FAULT_MIN):
        return Unavailable("A dependency is overloaded. Retry with the same Idempotency-Key.", retry_after=1)
    return None
