"""What each command costs in capacity units, measured. `make costs` or `python -m bench.costs` writes docs/costs.json and docs/costs.md.

Every command runs over the embedded cloud, which reports capacity as DynamoDB does (an index inside a transaction once, the table
twice); so do the relay and the worker for the events that a command leaves. The page is arithmetic on these figures: `bench.cost_page`.
"""

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import Any

import httpx
from tests.architecture.pages import write_pages
from tests.notifications.messenger import desk_in
from tests.platform.test_round_trips import Meter, measure
from tests.platform.test_row_sizes import size_of
from tests.stage import Stage, new_stage
from tests.tally.counter import ALL, happened
from tests.world import World, open_world

from bench.cost_page import CHART, FIGURES, drawn
from tazco.local.embedded import EmbeddedCloud
from tazco.notifications.reactions import REACTIONS as NOTIFICATIONS
from tazco.platform.logs import configure_logs
from tazco.platform.outbox import SHARDS
from tazco.platform.relaying import Relay
from tazco.slices import SUBSCRIPTIONS, TABLES
from tazco.tally.reactions import REACTIONS as TALLY

EVENTS = 20
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Units:
    """Read and write units."""

    read: float
    write: float


def taken(meter: Meter, per: int = 1) -> Units:
    """What has been consumed since the meter was set to nothing, for each of `per`."""
    reads = sum(trip.units for trip in meter.trips if trip.reads)
    writes = sum(trip.units for trip in meter.trips if not trip.reads)
    return Units(round(reads / per, 3), round(writes / per, 3))


async def relaying(world: World, meter: Meter) -> dict[str, Units]:
    """What a relay consumes for one event, and what it consumes by looking when there is none: a settling, a look at every shard."""
    holders = [await world.cardholder() for _ in range(EVENTS)]
    relay = Relay.of(world.services)
    while len(relay.shards.held) < SHARDS:
        await relay.settle()
    for shard in relay.shards.held:
        while (await relay.step(shard)).published:
            pass
    idle = await _looks(relay, meter)
    for person, card_id in holders:
        assert (await person.buy(card_id, 1)).status == httpx.codes.CREATED
    meter.trips.clear()
    published = sum([(await relay.step(shard)).published for shard in relay.shards.held])
    assert published == EVENTS, published
    busy = taken(meter)
    per_event = Units(round((busy.read - idle["look"].read) / EVENTS, 3), busy.write / EVENTS)
    return {"event": per_event, **idle}


async def _looks(relay: Relay, meter: Meter) -> dict[str, Units]:
    meter.trips.clear()
    for _ in range(ROUNDS):
        await relay.settle()
    settling = taken(meter, ROUNDS)
    meter.trips.clear()
    for _ in range(ROUNDS):
        for shard in relay.shards.held:
            await relay.step(shard)
    return {"settle": settling, "look": taken(meter, ROUNDS)}


async def working(world: World, meter: Meter) -> dict[str, dict[str, Units]]:
    """Queue → event type → what a worker consumes for one event: counting it, and telling one approver where there is one to tell."""
    desk = await desk_in(world)
    person, asker = await world.cardholder(), await world.person()
    assert (await person[0].buy(person[1], 5)).status == httpx.codes.CREATED
    assert (await person[0].pay(person[1], 5)).status == httpx.codes.CREATED
    request_id = (await asker.ask_for_card()).body["request"]["requestId"]
    subjects = {
        "card.requested": await desk.event_of(request_id, "card.requested"),
        "transaction.payment": await desk.event_of(person[1], "transaction.payment"),
    }
    found: dict[str, dict[str, Units]] = {}
    for reactions in (TALLY, NOTIFICATIONS):
        found[reactions.queue] = {}
        for event_type, react in reactions.react.items():
            event = subjects.get(event_type) or happened(world.clock(), event_type, **ALL[event_type])
            meter.trips.clear()
            await react(desk.services, event)
            found[reactions.queue][event_type] = taken(meter)
    return found


async def kept(world: World) -> dict[str, int]:
    """Table → bytes of a typical row, as DynamoDB counts them."""
    sizes: dict[str, int] = {}
    for table in TABLES:
        rows = [size_of(row) for row in await world.rows(table)]
        if rows:
            sizes[table.name] = sorted(rows)[len(rows) // 2]
    return sizes


async def figures(stage: Stage) -> dict[str, Any]:
    """Everything measured, as it stands in the file."""
    commands = {name: asdict(cost) for name, cost in (await measure(stage)).items()}
    meter = Meter()
    async with open_world(stage, transport=meter, report_capacity=True, trace_events=False) as world:
        return {
            "commands": commands,
            "relay": {name: asdict(units) for name, units in (await relaying(world, meter)).items()},
            "worker": {
                queue: {kind: asdict(units) for kind, units in kinds.items()}
                for queue, kinds in (await working(world, meter)).items()
            },
            "row_bytes": await kept(world),
        }


async def main() -> None:
    """Measure, write the figures, and the page from them."""
    configure_logs("warning")
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    try:
        found = await figures(new_stage(cloud, TABLES, SUBSCRIPTIONS))
    finally:
        await cloud.stop()
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    CHART.write_text(drawn())
    write_pages()
    print(f"written: {FIGURES.name}, {FIGURES.with_suffix('.md').name}")


if __name__ == "__main__":
    asyncio.run(main())
