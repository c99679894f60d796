"""Events as the bus brings them, real ones and ones of a test's own; and what the tally makes of them."""

import uuid
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from tazco.kernel.clock import from_text
from tazco.kernel.ids import CorrelationId, EcosystemId, EventId
from tazco.platform.outbox import OUTBOX
from tazco.platform.reactions import Envelope
from tazco.tally.model import Counts, Hour
from tazco.tally.reactions import REACTIONS
from tazco.tally.store import MARKS, TALLIES, hours
from tests.contract.seeds import events
from tests.world import World

ALL: dict[str, dict[str, Any]] = {
    "card.requested": {},
    "card.approved": {"source": "auto"},
    "card.rejected": {},
    "card_request.expired": {},
    "transaction.purchase": {"amount": 5},
    "transaction.payment": {"amount": 5, "paymentStatus": "on_time"},
    "transaction.declined": {},
    "score.changed": {"delta": 5},
}
"""Every type that is counted, with the least that its payload must hold."""


def happened(occurred_at: datetime, event_type: str = "transaction.declined", **payload: Any) -> Envelope:
    """An event of a test's own."""
    return Envelope(
        event_id=EventId(str(uuid.uuid4())),
        event_type=event_type,
        aggregate_type="card",
        aggregate_id="card-1",
        sequence=1,
        ecosystem_id=EcosystemId("user-77"),
        occurred_at=occurred_at,
        correlation_id=CorrelationId("r-1"),
        payload=payload,
    )


async def everything_that_happened(world: World) -> list[Envelope]:
    """Every event in the outbox that is counted."""
    streams = {(row["aggregateId"]["S"], row["aggregateType"]["S"]) for row in await world.rows(OUTBOX)}
    found = [each for stream in sorted(streams) for each in await events(world, *stream)]
    return [
        replace(happened(from_text(each["occurredAt"]), each["eventType"], **each["payload"]), event_id=EventId(each["eventId"]))
        for each in found
        if each["eventType"] in REACTIONS.react
    ]


async def react(world: World, *brought: Envelope) -> None:
    """Have the reactions react, one event after the other."""
    for each in brought:
        await REACTIONS.react[each.event_type](world.services, each)


async def this_hour(world: World, at: datetime | None = None) -> Hour:
    """What is counted in the hour of an instant, or of now."""
    (hour,) = await hours(world.services.database, at or world.clock(), 1)
    return hour


def moved(hour: Hour) -> dict[str, int]:
    """The counts that are not zero."""
    return {name: value for name, value in asdict(hour).items() if name != "began_at" and value}


def counts(**expected: int) -> dict[str, int]:
    """The counts that should not be zero; a name that is none fails."""
    assert set(expected) <= set(asdict(Counts()))
    return expected


async def forget(world: World) -> None:
    """Start from nothing: no tallies, no marks, no events."""
    for table in (TALLIES, OUTBOX):
        await world.services.database.delete_all(table, [table.key_of(item) for item in await world.rows(table)])


async def kept(world: World) -> tuple[int, int]:
    """How many tallies and how many marks there are."""
    keys = [MARKS.key_of(item) for item in await world.rows(MARKS)]
    return sum(key[0].startswith("tally#") for key in keys), sum(key[0].startswith("event#") for key in keys)
