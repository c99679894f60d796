"""What the programme costs on AWS. `python -m bench.costs` measures every command's capacity units and writes docs/costs.md.

Measured on the embedded cloud, which counts as AWS does (DynamoDB Local counts index writes inside a transaction twice). Prices
stand in `PRICES`, with their source and date.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.platform.test_round_trips import COMMIT, Bench, Meter, money, people, requests_and_cards
from tests.platform.test_row_sizes import size_of
from tests.stage import Stage, new_stage
from tests.tally.counter import everything_that_happened
from tests.world import Reply, World, open_world

from bench.cost_chart import chart
from tazco.local.embedded import EmbeddedCloud
from tazco.platform.aws import Call
from tazco.platform.consumer import Pace
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.logs import configure_logs
from tazco.platform.outbox import OUTBOX
from tazco.platform.outbox_watch import OutboxWatch
from tazco.platform.relaying import LOOK_SECONDS_IDLE, Relay
from tazco.platform.shards import ROUND_SECONDS
from tazco.platform.wire import Pool
from tazco.platform.wire import Reply as Wire
from tazco.slices import REACTIONS, SUBSCRIPTIONS, TABLES, TIMERS
from tazco.tally.reactions import REACTIONS as TALLY
from tazco.transactions.store import TRANSACTIONS
from tazco.worker import MEASURE_EVERY

PAGE = Path(__file__).parents[1] / "docs/costs.md"
CHART = PAGE.parent / "images/costs.svg"
MONTH_SECONDS = 730 * 3600
MILLION = 1e6


MEASURE = "measure the outbox"


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a unit, and where that stands."""

    what: str
    dollars: float
    unit: str
    source: str


PRICES = {
    "write": Price(
        "DynamoDB write request unit", 0.625, "million", "[on-demand pricing](https://aws.amazon.com/dynamodb/pricing/on-demand)"
    ),
    "read": Price("DynamoDB read request unit", 0.125, "million", "the same page"),
    "storage": Price("DynamoDB storage", 0.25, "GB and month", "the same page, the free 25 GB left out"),
    "event": Price(
        "EventBridge custom event", 1.00, "million, each up to 64 KB", "[pricing](https://aws.amazon.com/eventbridge/pricing)"
    ),
    "queue": Price("SQS standard request", 0.40, "million, each up to 64 KB", "[pricing](https://aws.amazon.com/sqs/pricing)"),
    "lite": Price(
        "Cognito Lite, active user above 10,000", 0.0055, "user and month", "[pricing](https://aws.amazon.com/cognito/pricing)"
    ),
    "essentials": Price("Cognito Essentials, active user above 10,000", 0.015, "user and month", "the same page"),
}
PRICED_ON = "us-east-1, Standard class, as of September 2026; SSM standard parameters are free"
COGNITO_FREE_USERS = 10_000
QUEUE_REQUESTS = 3
"""Sent by the bus, received, deleted, each by itself; under load ten messages share the last two, and it is 1.2."""

USUAL = {
    "purchase": (18, 3.1),
    "declined purchase": (1, 3),
    "replay": (0, 1),
    "payment": (31, 5.2),
    "ask for a card (pending)": (16, 3.1),
    "approve": (32, 5.2),
}
"""Write and read units of the usual design, its relay included: worked out from its writes, on the page, not measured."""


@dataclass(slots=True)
class Ledger(Meter):
    """A meter that also writes down which events a commit takes along."""

    events: list[str] = field(default_factory=list)

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Wire:
        """Look at the commit, and pass it on."""
        if call.operation == COMMIT:
            puts = (action.get("Put", {}).get("Item", {}) for action in json.loads(call.body)["TransactItems"])
            self.events += [item["eventType"]["S"] for item in puts if "eventType" in item and "occurredAt" in item]
        return await Meter.__call__(self, call, pool, request, timeout_seconds)

    def units(self) -> tuple[float, float]:
        """Write and read units since the last look."""
        trips, self.trips[:] = list(self.trips), []
        writing = ("TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
        write = sum(trip.units for trip in trips if trip.operation in writing)
        return write, sum(trip.units for trip in trips) - write


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one call costs: itself, and what follows from its events."""

    name: str
    trips: int
    write: float
    read: float
    events: tuple[str, ...]

    @property
    def deliveries(self) -> int:
        """Messages that the bus puts into queues."""
        return sum(event in subscription.event_types for event in self.events for subscription in SUBSCRIPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that was measured; pairs are write and read units."""

    commands: tuple[Command, ...]
    relay: tuple[float, float]
    counting: tuple[float, float]
    relay_round: tuple[float, float]
    relay_look: tuple[float, float]
    timers: Mapping[str, tuple[float, float]]
    bytes_kept: int
    bytes_a_day: int

    def full(self, command: Command) -> tuple[float, float]:
        """The units of a command, with the relay of its events and their counting in the tally's worker."""
        events, counted = len(command.events), sum(event in TALLY.react for event in command.events)
        write, read = (
            own + events * sent + counted * hour
            for own, sent, hour in zip((command.write, command.read), self.relay, self.counting, strict=True)
        )
        return write, read


def dollars(write: float, read: float, events: float = 0, deliveries: float = 0) -> float:
    """Dollars for a million of each."""
    requests = deliveries * QUEUE_REQUESTS
    return (
        write * PRICES["write"].dollars
        + read * PRICES["read"].dollars
        + events * PRICES["event"].dollars
        + requests * PRICES["queue"].dollars
    )


@dataclass(slots=True)
class Priced(Bench):
    """Runs each command as the table of round trips does, and keeps the events of the last, the usual, run."""

    found: list[Command] = field(default_factory=list)

    async def cost(self, name: str, prepare: Callable[[], Awaitable[Callable[[], Awaitable[Reply]]]], status: int) -> Any:
        """Measure, and write down."""
        meter = self.meter
        assert isinstance(meter, Ledger)

        async def prepared() -> Callable[[], Awaitable[Reply]]:
            act = await prepare()
            meter.events.clear()
            return act

        cost = await Bench.cost(self, name, prepared, status)
        self.found.append(
            Command(name=name, trips=cost.trips, write=cost.commit_units, read=cost.read_units, events=tuple(meter.events))
        )
        return cost


async def more(bench: Priced) -> None:
    """What the table of round trips leaves out."""
    world, operator = bench.world, await bench.world.operator()

    async def reactivate() -> Callable[[], Awaitable[Reply]]:
        person, card_id = await world.cardholder()
        path = f"/v1/admin/cards/{person.ecosystem_id}/{card_id}"
        assert (await operator.post(f"{path}/suspend", {"reason": "Reported stolen"})).status == HTTPStatus.OK
        return lambda: operator.post(f"{path}/reactivate", {"reason": "Found again"})

    async def pending() -> Callable[[], Awaitable[Reply]]:
        await operator.get("/v1/admin/users?limit=1")
        return lambda: operator.get("/v1/admin/card-requests?limit=20")

    await bench.cost("reactivate", reactivate, 200)
    await bench.cost("list pending requests (20)", pending, 200)


async def relayed(world: World, meter: Ledger) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Units of an event on its way to the bus; of a relay's round over its leases; of its look at all shards when there is nothing."""
    relay = Relay.of(world.services)
    await relay.settle()
    meter.trips.clear()
    published = 0
    for shard in relay.shards.held:
        while (step := await relay.step(shard)).found:
            published += step.published
    write, _ = meter.units()  # reads are shared by all that a look finds: counted with the looks
    for shard in relay.shards.held:
        await relay.step(shard)
    look = meter.units()
    await relay.settle()
    leases = meter.units()
    await relay.shards.leave()
    assert published == len(await world.rows(OUTBOX))
    return (round(write / published, 2), 0.0), leases, look


async def measure(stage: Stage) -> Measured:
    """Run everything once."""
    meter = Ledger()
    async with open_world(stage, transport=meter, report_capacity=True, trace_events=False) as world:
        bench = Priced(world, meter)
        for group in (people, requests_and_cards, money):
            await group(bench)
        await more(bench)
        relay, leases, look = await relayed(world, meter)
        bought = next(each for each in await everything_that_happened(world) if each.event_type == "transaction.purchase")
        meter.trips.clear()
        await TALLY.react[bought.event_type](world.services, bought)
        counting = meter.units()
        timers = {}
        for timer in TIMERS:
            meter.trips.clear()
            await timer.run(world.services)
            timers[timer.name] = meter.units()
        await OutboxWatch(world.services.database, world.services.clock, world.services.metrics).look()
        timers[MEASURE] = meter.units()
        kept = [size_of(row) for row in await world.rows(TRANSACTIONS)]
        passing = [size_of(row) for table in (OUTBOX, STORED_ANSWERS) for row in await world.rows(table)]
        return Measured(
            commands=tuple(bench.found),
            relay=relay,
            counting=counting,
            relay_round=leases,
            relay_look=look,
            timers=timers,
            bytes_kept=-(-max(kept) // 100) * 100,
            bytes_a_day=-(-max(passing) // 100) * 100,
        )


def page(found: Measured) -> Iterator[str]:
    """The page."""
    yield "# What it costs"
    yield "<!-- Written by `.venv/bin/python -m bench.costs`; a test compares. Do not edit. -->"
    yield "\nCapacity units are measured, command by command, on the embedded cloud with `ReturnConsumedCapacity`: it counts as AWS does"
    yield "(DynamoDB Local would count index writes inside a transaction twice). Dollars are list prices times units. Measure again with"
    yield "`.venv/bin/python -m bench.costs`. Nothing here was read off an AWS bill.\n"
    yield f"## Prices\n\n{PRICED_ON}.\n"
    yield "| | dollars | per | source |\n|---|--:|---|---|"
    for price in PRICES.values():
        yield f"| {price.what} | {price.dollars:g} | {price.unit} | {price.source} |"
    yield from _commands(found)
    yield from _usual(found)
    yield from _month(found)
    yield from _idle(found)


def _commands(found: Measured) -> Iterator[str]:
    yield "\n## A million of each command\n"
    yield "*Commit* and *read* are the call itself. *All* adds what follows from its events: the relay marks each"
    yield f"({found.relay[0]:g} write units), a worker counts most of them ({found.counting[0]:g} write and {found.counting[1]:g} read units), the bus takes each once, and each queue that wants it costs {QUEUE_REQUESTS} requests"
    yield "(1.2 under load). The messages to approvers are not in it, neither Tazco's rows for them nor WhatsApp's own price.\n"
    yield "| command | trips | commit WRU | read RRU | events | all WRU | all RRU | DynamoDB $ | bus and queues $ | together $ |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for each in found.commands:
        write, read = found.full(each)
        database, all_in = dollars(write, read), dollars(write, read, len(each.events), each.deliveries)
        yield (
            f"| {each.name} | {each.trips} | {each.write:g} | {each.read:g} | {len(each.events)} | {write:g} | {read:g} "
            f"| {database:.2f} | {all_in - database:.2f} | {all_in:.2f} |"
        )
    yield "\nWhere events are traced (`TAZCO_TRACE_EVENTS`), add one write unit for each event."


def beside(found: Measured) -> Iterator[tuple[Command, float, float, float, float]]:
    """Each command that has its like in the usual design: write and read units with the relay, dollars there and here."""
    for each in found.commands:
        if each.name in USUAL:
            write, read = each.write + len(each.events) * found.relay[0], each.read
            yield each, write, read, dollars(*USUAL[each.name]), dollars(write, read)


def picture(found: Measured) -> str:
    """The chart."""
    rows = [(command.name, usual, ours) for command, _, _, usual, ours in beside(found)]
    return chart("DynamoDB dollars for a million commands, relay included", ("the usual design, made as safe", "Tazco"), rows)


def _usual(found: Measured) -> Iterator[str]:
    yield "\n## Beside the usual design\n"
    yield "The usual way to build this on DynamoDB has a counter row for each event stream, an index by status over the outbox and the"
    yield "cards, and an audit row for everything. Made as safe as ours (all of it in one transaction), a purchase writes card, ledger,"
    yield "stored answer, counter, outbox and audit: 6 rows at 2 units each, 3 index entries, and 3 more when the relay moves the outbox row from"
    yield "*pending* to *published*: 18. A payment changes the score too and has two events: 25 + 6. An approval: 26 + 6; a card request:"
    yield "13 + 3. Those figures are worked out from the writes, not measured; ours are the call and its relay, without the tally, which"
    yield "the usual design does not have.\n"
    yield "| command | usual WRU | usual RRU | usual $ per million | ours WRU | ours RRU | ours $ per million | |\n|---|--:|--:|--:|--:|--:|--:|--:|"
    for each, write, read, usual, ours in beside(found):
        usual_write, usual_read = USUAL[each.name]
        yield f"| {each.name} | {usual_write} | {usual_read} | {usual:.2f} | {write:g} | {read:g} | {ours:.2f} | {ours / usual - 1:+.0%} |"
    yield "\n![The same dollars as bars](images/costs.svg)"
    yield "\nOurs costs more where it does more: a declined purchase is a recorded fact with an event, and a replay reads caller and card"
    yield "beside the stored answer, so that it needs no second trip when there is none."


MONTH = (
    ("register", 5_000),
    ("sign in again", 400_000),
    ("dashboard", 1_000_000),
    ("ledger of a card", 400_000),
    ("ask for a card (granted)", 3_000),
    ("ask for a card (pending)", 2_000),
    ("approve", 1_500),
    ("reject", 500),
    ("purchase", 1_000_000),
    ("declined purchase", 30_000),
    ("replay", 10_000),
    ("payment", 120_000),
)
"""A month of a hundred thousand cardholders: an assumption, to be replaced by one's own."""
CARDHOLDERS = 100_000


def _month(found: Measured) -> Iterator[str]:
    by_name = {each.name: each for each in found.commands}
    yield f"\n## A month of {CARDHOLDERS:,} cardholders\n\nAn example: put your own numbers into `MONTH` of `bench/costs.py`.\n"
    yield "| command | times | dollars |\n|---|--:|--:|"
    total = 0.0
    for name, times in MONTH:
        command = by_name[name]
        spent = dollars(*found.full(command), len(command.events), command.deliveries) * times / MILLION
        total += spent
        yield f"| {name} | {times:,} | {spent:.2f} |"
    yield f"| **all** | | **{total:.2f}** |"
    paid = CARDHOLDERS - COGNITO_FREE_USERS
    lite, essentials = (paid * PRICES[plan].dollars for plan in ("lite", "essentials"))
    yield f"\nThe people cost more than their money: Cognito Lite for {CARDHOLDERS:,} active users is ${lite:,.0f} a month, Essentials ${essentials:,.0f}."
    yield f"Lite suffices, because operators are told by their group and people by `sub`: ${essentials - lite:,.0f} saved. A new pool is *Essentials*"
    yield "unless told otherwise: look at yours."
    grown = (1_000_000 + 30_000 + 120_000) * found.bytes_kept / 1e9
    yield f"\nStorage: a ledger row is at most {found.bytes_kept} bytes here; the month adds {grown:.2f} GB for ${grown * PRICES['storage'].dollars:.2f} a month, kept for"
    yield f"ever. Rows of outbox (seven days) and stored answers (a day) are at most {found.bytes_a_day:,} bytes and pass; DynamoDB deletes them"
    yield "for nothing. Point-in-time recovery of the ledger tables is priced by their size on top."


def _idle(found: Measured) -> Iterator[str]:
    looks, rounds = MONTH_SECONDS / LOOK_SECONDS_IDLE, MONTH_SECONDS / ROUND_SECONDS
    look = dollars(*found.relay_look) * looks / MILLION
    leases = dollars(*found.relay_round) * rounds / MILLION
    yield "\n## When nothing happens\n"
    yield "What waiting costs in a month of 730 hours, for one process of each kind.\n"
    yield "| | how often | WRU | RRU | dollars a month |\n|---|---|--:|--:|--:|"
    yield f"| relay: look at all shards, however many relays | {LOOK_SECONDS_IDLE:g} s | {found.relay_look[0]:g} | {found.relay_look[1]:g} | {look:.2f} |"
    yield f"| relay: renew its leases | {ROUND_SECONDS:g} s | {found.relay_round[0]:g} | {found.relay_round[1]:g} | {leases:.2f} |"
    total = look + leases
    every = {**{timer.name: timer.every.total_seconds() for timer in TIMERS}, MEASURE: MEASURE_EVERY.total_seconds()}
    for name, seconds in every.items():
        units = found.timers[name]
        spent = dollars(*units) * MONTH_SECONDS / seconds / MILLION
        total += spent
        yield f"| worker: {name} | {seconds:g} s | {units[0]:g} | {units[1]:g} | {spent:.2f} |"
    requests = len(REACTIONS) / Pace().poll_seconds + (2 * len(REACTIONS) + 1) / MEASURE_EVERY.total_seconds()
    queues = requests * MONTH_SECONDS * PRICES["queue"].dollars / MILLION
    yield f"| worker: wait for messages, measure the queues | {Pace().poll_seconds} s, {MEASURE_EVERY.total_seconds():g} s | | | {queues:.2f} |"
    yield f"| **all** | | | | **{total + queues:.2f}** |"
    yield "\nNot in it: the machines that run the processes, the load balancer, logs, and data transfer."


async def _write(*, to_screen: bool) -> None:
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    try:
        found = await measure(new_stage(cloud, TABLES, SUBSCRIPTIONS))
    finally:
        await cloud.stop()
    text = "\n".join(page(found)) + "\n"
    if to_screen:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text)
        CHART.write_text(picture(found))
        print(f"{PAGE} and {CHART} are written")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="to the screen instead of docs/costs.md")
    configure_logs("warning")
    asyncio.run(_write(to_screen=parser.parse_args().print))
