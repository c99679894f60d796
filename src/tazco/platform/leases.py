"""Leases: one holder at a time, for a while; kept beside the streams because both are rows without an aggregate."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tazco.kernel.clock import Clock
from tazco.kernel.record import Record
from tazco.platform.database import Database
from tazco.platform.outbox import STREAMS
from tazco.platform.tables import Get, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Record):
    """Who holds what until when; `until_ms` is in epoch milliseconds, `fence` grows with every holder where somebody counts them."""

    entity_key: str
    owner: str
    until_ms: int
    fence: int = 0


LEASES: Final = Table(name=STREAMS.name, record=Lease, partition=STREAMS.partition, ledger=False)
PREFIX: Final = "lease#"


@dataclass(slots=True)
class Leases:
    """Takes, renews and gives back leases. Correctness never rests on a lease alone: a slow holder may outlive it."""

    database: Database
    clock: Clock

    async def take(self, name: str, owner: str, length: timedelta) -> bool:
        """Take or renew the lease for `length` from now; False while somebody else holds it."""
        now = self.clock()
        lease = Lease(entity_key=PREFIX + name, owner=owner, until_ms=epoch_ms(now.timestamp() + length.total_seconds()))
        return await self.database.write(
            LEASES,
            lease,
            condition="attribute_not_exists(#p) OR untilMs < :now OR #o = :me",
            names={"#o": "owner"},
            values={":now": {"N": str(epoch_ms(now.timestamp()))}, ":me": {"S": owner}},
        )

    async def give_back(self, name: str, owner: str) -> None:
        """End the lease if it is still ours."""
        lease = Lease(entity_key=PREFIX + name, owner=owner, until_ms=0)
        await self.database.write(LEASES, lease, condition="#o = :me", names={"#o": "owner"}, values={":me": {"S": owner}})


def epoch_ms(seconds: float) -> int:
    """Epoch seconds → whole milliseconds."""
    return int(seconds * 1000)


NOT_HELD: Final = "attribute_not_exists(#p) OR untilMs < :now"
"""The condition of a commit that must not happen while a lease is held; `:now` as `now_value` gives it."""


def now_value(now: datetime) -> dict[str, Any]:
    """`:now` for `NOT_HELD`."""
    return {":now": {"N": str(epoch_ms(now.timestamp()))}}


MAINTENANCE: Final = "cleanup"
MAINTENANCE_CACHE_SECONDS: Final = 1.0
MAINTENANCE_LEASE: Final = Get(LEASES, (PREFIX + MAINTENANCE,))


@dataclass(slots=True)
class Maintenance:
    """Whether a cleanup is running anywhere; at most once a second and process a command asks, together with its first read."""

    clock: Clock
    _seen_at: float = float("-inf")
    _running: bool = False

    @property
    def running(self) -> bool:
        """A cleanup holds its lease, as of the last look."""
        return self._running

    @property
    def question(self) -> Get[Lease] | None:
        """What to read for a fresh look; None while the last one is less than a second old."""
        recent = 0 <= self.clock().timestamp() - self._seen_at < MAINTENANCE_CACHE_SECONDS
        return None if recent else MAINTENANCE_LEASE

    def learn(self, lease: Lease | None) -> None:
        """The answer to `question`."""
        self.note(running=lease is not None and lease.until_ms >= epoch_ms(self.clock().timestamp()))

    def note(self, *, running: bool) -> None:
        """Learn that a cleanup starts or ends in this very process."""
        self._seen_at, self._running = self.clock().timestamp(), running
