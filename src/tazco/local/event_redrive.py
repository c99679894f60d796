"""Redriving events from a shell: the operators' command, run as the user of this machine."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tazco import __version__
from tazco.delivery.commands import RedriveEvent, redrive_event
from tazco.delivery.model import EventNotFound, EventStatus
from tazco.delivery.store import events_in, in_status
from tazco.kernel.ids import CorrelationId, EventId, Subject
from tazco.local.account import user_here
from tazco.platform.caller import Caller, Origin
from tazco.platform.database import Database
from tazco.platform.outbox import OutboxRow
from tazco.platform.services import Services

PAGE_ROWS: Final = 100


def origin(new_id: Callable[[], str]) -> Origin:
    """Who does it, for the audit: `cli:` and the user of this machine, who has the account's credentials."""
    caller = Caller(subject=Subject(f"cli:{user_here()}"), is_admin=True)
    return Origin(caller=caller, correlation_id=CorrelationId(new_id()), user_agent=f"tazco/{__version__}")


async def listed(database: Database, status: EventStatus, rows_max: int | None = None) -> AsyncIterator[OutboxRow]:
    """Events in a status, oldest first; those that get into it meanwhile are left out or not, as it happens."""
    after, seen = None, 0
    while True:
        page, after = await events_in(status).page(database, after, PAGE_ROWS)
        for row in page:
            if seen == rows_max:
                return
            seen += 1
            yield row
        if after is None:
            return


async def count_dead_letters(database: Database) -> int:
    """How many events are not tried any more."""
    (question,) = in_status(EventStatus.DEAD_LETTER)
    return await database.count(question)


@dataclass(frozen=True, slots=True)
class Redriver:
    """Redrives one event a commit, all of them under one correlation id."""

    services: Services
    origin: Origin

    async def redrive(self, event_id: str) -> OutboxRow:
        """One event; raise `EventNotFound`."""
        command = RedriveEvent(event_id=EventId(event_id))
        return await self.services.commands.run(self.origin, partial(redrive_event, command), lane=f"event#{event_id}")

    async def redrive_all(self, advance: Callable[[int], None]) -> int:
        """Every dead letter, oldest first; one that somebody else redrove meanwhile and that has left is passed over."""
        redriven = 0
        async for row in listed(self.services.database, EventStatus.DEAD_LETTER):
            try:
                await self.redrive(row.event_id)
                redriven += 1
            except EventNotFound:
                continue
            finally:
                advance(1)
        return redriven
