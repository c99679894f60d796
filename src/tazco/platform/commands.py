"""Running use cases: read, decide, commit everything at once; after a lost commit decide again from what it returned."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tazco.kernel.clock import Clock
from tazco.kernel.errors import AccountDisabled, Refused, Unavailable, VersionConflict
from tazco.kernel.ids import NewId, RandomBytes
from tazco.platform.caller import Origin
from tazco.platform.commit import AlreadyAnswered, Conflict, Lost, Throttled
from tazco.platform.database import Database
from tazco.platform.idempotency import Answer, Once, alive
from tazco.platform.lanes import Lanes
from tazco.platform.leases import Maintenance
from tazco.platform.outbox import OutboxRow
from tazco.platform.policy import Policy
from tazco.platform.work import AccountRow, CleaningUp, Snapshot, Work

R = TypeVar("R")

RETRIES_MAX: Final = 5
INFORMED_BACKOFF_SECONDS: Final = 0.001
"""Longest pause after a lost commit that told the new state: shorter than a read, so that whoever lost goes next."""

UNINFORMED_BACKOFF_SECONDS: Final = 0.01
BACKOFF_MAX_SECONDS: Final = 0.25

Committed = Callable[[tuple[OutboxRow, ...]], None]
"""Told of events right after their commit; must neither wait nor raise."""


def nobody(_: tuple[OutboxRow, ...]) -> None:
    """Nobody in this process listens: a relay elsewhere finds the events in the outbox."""


@dataclass(slots=True)
class Commands:
    """Runs use cases: reads, decides, commits; on conflict again from what the failure returned, at most five times."""

    database: Database
    clock: Clock
    new_id: NewId
    policy: Callable[[], Policy]
    account_row: AccountRow
    maintenance: Maintenance
    random_bytes: RandomBytes = secrets.token_bytes
    committed: Committed = nobody
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
        lost: Lost | None = None
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
                        self._tell(work)
                except Conflict as conflict:
                    last = conflict
                    lost = conflict.lost or lost
                    held.lost()
                    snapshot = _after(snapshot, conflict)
                except Throttled as throttled:
                    last = throttled
                else:
                    return result, answer
        raise _given_up(last, lost)

    def _attempt(self, origin: Origin, snapshot: Snapshot, once: Once | None) -> Work:
        maintenance = None if origin.caller.is_admin else self.maintenance
        return Work(
            origin,
            self.clock(),
            self.policy(),
            self.new_id,
            self.random_bytes,
            self.database,
            snapshot,
            self.account_row,
            once,
            maintenance,
        )

    def _tell(self, work: Work) -> None:
        if outbox := work.outbox:
            self.committed(outbox)

    async def _back_off(self, last: Conflict | Throttled, attempt: int) -> None:
        informed = isinstance(last, Conflict) and last.fresh
        longest = INFORMED_BACKOFF_SECONDS if informed else min(BACKOFF_MAX_SECONDS, UNINFORMED_BACKOFF_SECONDS * 2**attempt)
        await asyncio.sleep(self.rng.uniform(0, longest))


def _after(snapshot: Snapshot, conflict: Conflict) -> Snapshot:
    """Where to decide from next: the returned rows where there are any, otherwise nothing is known."""
    return Snapshot({**snapshot.rows, **conflict.fresh}) if conflict.fresh else Snapshot()


def _given_up(last: Conflict | Throttled | None, lost: Lost | None) -> Refused:
    if isinstance(last, Throttled):
        return Unavailable("The database asks for a slower pace. Retry with the same Idempotency-Key.", retry_after=1)
    details = _conflict_details(lost) if lost else {}
    return VersionConflict("Others changed the same record at the same time. Retry with the same Idempotency-Key.", **details)


def _conflict_details(lost: Lost) -> dict[str, Any]:
    named = {"card_id": lost.key["cardId"]} if "cardId" in lost.key else {}
    return {**named, "expected_version": lost.expected, "actual_version": lost.actual}
