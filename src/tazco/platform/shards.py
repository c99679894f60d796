"""Shards: which of them this relay may work on, and how the relays that live share them.

A row per shard says who holds it. Relays count each other by seats, which are leases too: as many as there are shards, because
a relay beyond that would have nothing to do. All of it is read in one round trip.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from tazco.kernel.clock import Clock
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.database import Database, Overloaded
from tazco.platform.leases import LEASES, PREFIX, Lease, epoch_ms
from tazco.platform.outbox import PENDING_PREFIX, SHARDS
from tazco.platform.tables import Key

LEASE_LENGTH: Final = timedelta(seconds=10)
MARGIN_SECONDS: Final = 2.0
"""So long before the end of a lease its holder begins nothing more: for calls under way, and for clocks that differ."""

ROUND_SECONDS: Final = 3.0
HUNGRY_SECONDS: Final = 1.0
ROUND_SECONDS_MIN: Final = 0.5
EXPIRY_SLACK_SECONDS: Final = 0.25
"""The leases of a relay that died end within milliseconds of each other: one look for all of them."""

SHARD_KEYS: Final = {f"{PENDING_PREFIX}#{number}": f"{PREFIX}shard#{number}" for number in range(SHARDS)}
SEAT_KEYS: Final = tuple(f"{PREFIX}relay#{number}" for number in range(SHARDS))
ALL_KEYS: Final[list[Key]] = [(key,) for key in (*SHARD_KEYS.values(), *SEAT_KEYS)]

HOLDS: Final = "#o = :me AND fence = :fence"
FREE: Final = f"attribute_not_exists(#p) OR (fence = :before AND (untilMs < :now OR #o = :me)) OR ({HOLDS})"
"""The last part lets the same request succeed again after a lost answer."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Held:
    fence: int
    until: float


@dataclass(slots=True)
class Shards:
    """What one relay holds. A lease keeps others from doing the work twice; that nothing goes wrong if they do is not up to it."""

    database: Database
    clock: Clock
    owner: str
    rng: random.Random = field(default_factory=random.SystemRandom)
    monotonic: Callable[[], float] = time.monotonic
    _held: dict[str, _Held] = field(default_factory=dict)
    _leaving: set[str] = field(default_factory=set)

    def fence(self, shard: str) -> int | None:
        """The fencing number under which to work on a shard now; None where it is not ours, or not for long enough any more."""
        held = self._held.get(SHARD_KEYS[shard])
        if held is None or shard in self._leaving or self.monotonic() >= held.until - MARGIN_SECONDS:
            return None
        return held.fence

    @property
    def held(self) -> tuple[str, ...]:
        """The shards to work on."""
        return tuple(shard for shard in SHARD_KEYS if self.fence(shard) is not None)

    @property
    def leaving(self) -> tuple[str, ...]:
        """The shards that are somebody else's share: finish what is in flight and give them back."""
        return tuple(self._leaving)

    async def settle(self) -> float:
        """Renew what is held, take what is missing, pick what is too much; in how many seconds to do it again."""
        rows = {row.entity_key: row for row in await self.database.rows(LEASES, ALL_KEYS)}
        now_ms = epoch_ms(self.clock().timestamp())
        others = {key: row for key, row in rows.items() if row.owner != self.owner and row.until_ms >= now_ms}
        fences = {key: row.fence for key, row in rows.items()}
        await self._renew()
        share = await self._share(others, fences)
        await self._fill(share, others, fences)
        self._leave_surplus(share)
        return self._rest(share, [row.until_ms - now_ms for row in others.values()])

    async def _renew(self) -> None:
        held = list(self._held.items())
        renewals = (self._write(key, lease.fence, HOLDS, {}) for key, lease in held)
        outcomes = await asyncio.gather(*renewals, return_exceptions=True)
        lost = [key for (key, _), outcome in zip(held, outcomes, strict=True) if outcome is False]
        for key in lost:
            self._forget(key)
        if lost:
            log.warning("relay.leases_lost", relay=self.owner, leases=lost)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _share(self, others: Collection[str], fences: Mapping[str, int]) -> int:
        """How many shards are ours: relays rank by their seats, so that the shares add up to all shards; none without a seat."""
        free = [key for key in SEAT_KEYS if key not in others]
        self.rng.shuffle(free)
        for key in free:
            if self._seat is not None or await self._take(key, fences):
                break
        if self._seat is None:
            return 0
        seats = sorted({self._seat, *(key for key in SEAT_KEYS if key in others)}, key=SEAT_KEYS.index)
        each, over = divmod(SHARDS, len(seats))
        return each + (seats.index(self._seat) < over)

    @property
    def _seat(self) -> str | None:
        return next((key for key in SEAT_KEYS if key in self._held), None)

    async def _fill(self, share: int, others: Collection[str], fences: Mapping[str, int]) -> None:
        free = [key for key in SHARD_KEYS.values() if key not in others and key not in self._held]
        self.rng.shuffle(free)
        missing = max(0, share - self._count)
        await asyncio.gather(*(self._take(key, fences) for key in free[:missing]))

    def _leave_surplus(self, share: int) -> None:
        surplus = max(0, self._count - len(self._leaving) - share)
        self._leaving.update(self.rng.sample(self.held, min(surplus, len(self.held))))

    def _rest(self, share: int, others_left_ms: list[int]) -> float:
        longest = HUNGRY_SECONDS if self._count < share else ROUND_SECONDS
        expiry = min(others_left_ms, default=int(ROUND_SECONDS * 1000)) / 1000 + EXPIRY_SLACK_SECONDS
        return max(ROUND_SECONDS_MIN, min(longest, expiry))

    @property
    def _count(self) -> int:
        return sum(key in self._held for key in SHARD_KEYS.values())

    async def _take(self, key: str, fences: Mapping[str, int]) -> bool:
        before = fences.get(key, 0)
        now = {":now": {"N": str(epoch_ms(self.clock().timestamp()))}, ":before": {"N": str(before)}}
        return await self._write(key, before + 1, FREE, now)

    async def _write(self, key: str, fence: int, condition: str, values: Mapping[str, dict[str, str]]) -> bool:
        """Hold a lease from the moment before the request on, whatever the answer takes."""
        until = self.monotonic() + LEASE_LENGTH.total_seconds()
        until_ms = epoch_ms((self.clock() + LEASE_LENGTH).timestamp())
        if not await self._put(Lease(entity_key=key, owner=self.owner, until_ms=until_ms, fence=fence), condition, values):
            return False
        if condition != HOLDS or key in self._held:  # a shard that was given back while it was renewed stays given back
            self._held[key] = _Held(fence, until)
        return True

    async def _put(self, lease: Lease, condition: str, values: Mapping[str, dict[str, str]]) -> bool:
        return await self.database.write(
            LEASES,
            lease,
            condition=condition,
            names={"#o": "owner"},
            values={":me": {"S": self.owner}, ":fence": {"N": str(lease.fence)}, **values},
        )

    def _forget(self, key: str) -> _Held | None:
        self._leaving -= {shard for shard, of_shard in SHARD_KEYS.items() if of_shard == key}
        return self._held.pop(key, None)

    async def give_back(self, shard: str) -> None:
        """Let others have a shard at once; nothing happens where it is not ours any more."""
        await self._give_back(SHARD_KEYS[shard])

    async def _give_back(self, key: str) -> None:
        """The row stays: it remembers the fence."""
        if (held := self._forget(key)) is not None:
            await self._put(Lease(entity_key=key, owner=self.owner, until_ms=0, fence=held.fence), HOLDS, {})

    async def leave(self) -> None:
        """Give back everything; what DynamoDB does not hear of runs out by itself."""
        outcomes = await asyncio.gather(*(self._give_back(key) for key in list(self._held)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, AwsError | AwsUnreachable | Overloaded):
                log.warning("relay.lease_kept", owner=self.owner, error=str(outcome))
            elif isinstance(outcome, BaseException):
                raise outcome
