"""Counting."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from tazco.kernel.clock import to_text
from tazco.kernel.ids import EventId
from tazco.platform.work import Work
from tazco.tally.model import Counts, Mark, Tally, hour_of, kept_until, within_reach
from tazco.tally.store import MARKS, TALLIES, event_key, hour_key, mark, shard_of, tally

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Count what an event stands for, in the hour in which it happened."""

    event_id: EventId
    occurred_at: datetime
    counts: Counts


async def count(command: Count, work: Work) -> bool:
    """Count an event unless it is counted already; whether it was counted now.

    The hour's row and the mark of the event are one commit. An event whose hour is forgotten, or not to come for long, is left out.
    What is on its way while a cleanup runs is counted after it.
    """
    began_at = hour_of(command.occurred_at)
    if not within_reach(began_at, work.now):
        log.warning("tally.left_out", event_id=command.event_id, occurred_at=to_text(command.occurred_at))
        return False
    marked, before = await work.read(mark(command.event_id), tally(command.event_id, began_at))
    if marked is not None:
        return False
    expires_at = kept_until(began_at)
    work.add(MARKS, Mark(event_key=event_key(command.event_id), expires_at=expires_at))
    if before is None:
        first = Tally(shard=shard_of(command.event_id), hour=hour_key(began_at), expires_at=expires_at)
        work.add(TALLIES, first.plus(command.counts))
    else:
        work.change(TALLIES, before, before.plus(command.counts))
    return True
