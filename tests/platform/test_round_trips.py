"""What each command costs in DynamoDB: round trips one after another, capacity read, capacity committed.

`python -m tests.platform.test_round_trips` prints the table that stands in ARCHITECTURE.md.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest
from bench.cost_page import FIGURES

from tazco.local.embedded import EmbeddedCloud
from tazco.platform.aws import Call, over_the_wire
from tazco.platform.logs import configure_logs
from tazco.platform.outbox import OUTBOX
from tazco.platform.wire import Pool, Reply
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.clouds.differences import INDEX_UNITS, MISSING_ROW_UNITS
from tests.contract.seeds import ago, seed_card, with_policy
from tests.stage import Stage, new_stage
from tests.world import Person, World, open_world
from tests.world import Reply as Answer

COMMIT = "TransactWriteItems"
READING = {"BatchGetItem", "GetItem", "Query", "Scan"}
CACHE_SECONDS = 11


@dataclass(frozen=True, slots=True)
class Trip:
    """One call to DynamoDB: when it began and ended, the units it consumed, the types of the events that it put into the outbox."""

    operation: str
    began: float
    ended: float
    units: float
    events: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        """It changes nothing."""
        return self.operation in READING


@dataclass(slots=True)
class Meter:
    """A transport that writes down every call to DynamoDB."""

    trips: list[Trip] = field(default_factory=list)

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        """Pass the call on."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        reply = await over_the_wire(call, pool, request, timeout_seconds)
        if call.service == "dynamodb":
            self.trips.append(Trip(call.operation, began, loop.time(), _units(call, json.loads(reply.body)), _events(call)))
        return reply


def _events(call: Call) -> tuple[str, ...]:
    if call.operation != COMMIT:
        return ()
    puts = (action["Put"] for action in json.loads(call.body)["TransactItems"] if "Put" in action)
    return tuple(put["Item"]["eventType"]["S"] for put in puts if put["TableName"].endswith(f"-{OUTBOX.name}"))


def _units(call: Call, reply: dict[str, Any]) -> float:
    told = reply.get("ConsumedCapacity", [])
    if not told and call.operation == "BatchGetItem":  # the emulator does not say: one unit for each key of up to 4 KB
        return float(sum(len(wanted["Keys"]) for wanted in json.loads(call.body)["RequestItems"].values()))
    return float(sum(each["CapacityUnits"] for each in (told if isinstance(told, list) else [told])))


def in_sequence(trips: list[Trip]) -> int:
    """How many calls had to wait for one before them: the longest chain in time."""
    depth: list[tuple[float, int]] = []
    for trip in sorted(trips, key=lambda each: each.began):
        before = max((length for ended, length in depth if ended <= trip.began), default=0)
        depth.append((trip.ended, before + 1))
    return max((length for _, length in depth), default=0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request cost; `cold` is the round trips when this process has not seen the caller for a while."""

    name: str
    trips: int
    cold: int
    read_units: float
    commit_units: float
    events: tuple[str, ...]


@dataclass(slots=True)
class Bench:
    """Runs each request twice on twins: once with warm caches, once with cold ones."""

    world: World
    meter: Meter

    async def cost(self, name: str, prepare: Callable[[], Awaitable[Callable[[], Awaitable[Answer]]]], status: int) -> Cost:
        """Prepare, warm up or let the caches run out, and count."""
        runs: list[list[Trip]] = []
        for cold in (True, False):
            act = await prepare()
            if cold:
                self.world.clock.pass_time(seconds=CACHE_SECONDS)
            else:
                self.world.services.maintenance.note(running=False)
            self.meter.trips.clear()
            reply = await act()
            assert reply.status == status, (name, reply)
            runs.append(list(self.meter.trips))
        first, usual = runs
        reads = sum(trip.units for trip in usual if trip.reads)
        writes = sum(trip.units for trip in usual if not trip.reads)
        events = tuple(event for trip in usual for event in trip.events)
        return Cost(name, in_sequence(usual), in_sequence(first), reads, writes, events)

    async def waiting(self) -> str:
        """A pending request."""
        person = await self.world.person()
        return str((await person.ask_for_card()).body["request"]["requestId"])


async def people(bench: Bench) -> list[Cost]:
    """What concerns people and their scores."""
    world = bench.world
    operator = await world.operator()

    async def register() -> Callable[[], Awaitable[Answer]]:
        return (await world.stranger()).register

    async def sign_in() -> Callable[[], Awaitable[Answer]]:
        return (await world.person()).register

    async def dashboard() -> Callable[[], Awaitable[Answer]]:
        person, _ = await world.cardholder()
        return lambda: person.get("/v1/dashboard")

    async def offers() -> Callable[[], Awaitable[Answer]]:
        person = await world.person()
        await person.get("/v1/offers")
        return lambda: person.get("/v1/offers")

    async def adjust() -> Callable[[], Awaitable[Answer]]:
        person = await world.person()
        path = f"/v1/admin/users/{person.ecosystem_id}/score"
        await operator.get(path)
        return lambda: operator.call("PATCH", path, {"score": 640, "reason": "Income verified"})

    async def disable() -> Callable[[], Awaitable[Answer]]:
        person = await world.person()
        await operator.get("/v1/admin/users?limit=1")
        return lambda: operator.post(f"/v1/admin/users/{person.ecosystem_id}/disable", {"reason": "Chargeback fraud"})

    return [
        await bench.cost("register", register, 201),
        await bench.cost("sign in again", sign_in, 200),
        await bench.cost("dashboard", dashboard, 200),
        await bench.cost("offers", offers, 200),
        await bench.cost("adjust a score", adjust, 200),
        await bench.cost("disable a person", disable, 200),
    ]


async def requests_and_cards(bench: Bench) -> list[Cost]:
    """What concerns card requests and the life of cards."""
    world = bench.world
    operator = await world.operator()

    async def ask(score: int) -> Callable[[], Awaitable[Answer]]:
        person = await world.person(score)
        await person.get("/v1/cards")
        return person.ask_for_card

    async def approve() -> Callable[[], Awaitable[Answer]]:
        path = f"/v1/admin/card-requests/{await bench.waiting()}/approve"
        await operator.get("/v1/admin/users?limit=1")
        return lambda: operator.post(path, {"creditLimit": 1200})

    async def reject() -> Callable[[], Awaitable[Answer]]:
        path = f"/v1/admin/card-requests/{await bench.waiting()}/reject"
        await operator.get("/v1/admin/users?limit=1")
        return lambda: operator.post(path, {"reason": "Income not verified"})

    async def suspend() -> Callable[[], Awaitable[Answer]]:
        person, card_id = await world.cardholder()
        await operator.get("/v1/admin/users?limit=1")
        return lambda: operator.post(f"/v1/admin/cards/{person.ecosystem_id}/{card_id}/suspend", {"reason": "Reported stolen"})

    async def cancel() -> Callable[[], Awaitable[Answer]]:
        person, card_id = await world.cardholder()
        return lambda: person.post(f"/v1/cards/{card_id}/cancel")

    found = [
        await bench.cost("ask for a card (pending)", lambda: ask(500), 201),
        await bench.cost("ask for a card (granted)", lambda: ask(720), 201),
        await bench.cost("approve", approve, 200),
        await bench.cost("reject", reject, 200),
        await bench.cost("suspend", suspend, 200),
        await bench.cost("cancel", cancel, 200),
    ]
    await with_policy(world, whatsapp__approvers='[{"name":"Desk 1","phone":"5511900000000"}]')
    found += [
        await bench.cost("ask for a card (approvers asked)", lambda: ask(500), 201),
        await bench.cost("approve (approvers asked)", approve, 200),
    ]
    await with_policy(world, whatsapp__approvers="[]")
    return found


async def money(bench: Bench) -> list[Cost]:
    """What concerns purchases and payments."""
    world = bench.world

    async def holder() -> tuple[Person, str]:
        person, card_id = await world.cardholder()
        assert (await person.buy(card_id, 100)).status == 201
        return person, card_id

    async def purchase() -> Callable[[], Awaitable[Answer]]:
        person, card_id = await holder()
        return lambda: person.buy(card_id, 42.5)

    async def decline() -> Callable[[], Awaitable[Answer]]:
        person, card_id = await holder()
        return lambda: person.buy(card_id, 99_999)

    async def replay() -> Callable[[], Awaitable[Answer]]:
        person, card_id = await holder()
        assert (await person.buy(card_id, 5, key="again")).status == 201
        return lambda: person.buy(card_id, 5, key="again")

    async def payment() -> Callable[[], Awaitable[Answer]]:
        person, card_id = await holder()
        return lambda: person.pay(card_id, 50)

    async def late() -> Callable[[], Awaitable[Answer]]:
        person = await world.person()
        card_id = await seed_card(world, person, balance=5_000, nextDueDate=ago(world, days=9))
        await person.get("/v1/cards")
        return lambda: person.pay(card_id, 50)

    async def ledger() -> Callable[[], Awaitable[Answer]]:
        person, card_id = await holder()
        return lambda: person.get(f"/v1/cards/{card_id}/transactions")

    return [
        await bench.cost("purchase", purchase, 201),
        await bench.cost("declined purchase", decline, 402),
        await bench.cost("replay", replay, 200),
        await bench.cost("payment", payment, 201),
        await bench.cost("late payment", late, 201),
        await bench.cost("ledger of a card", ledger, 200),
    ]


async def measure(stage: Stage) -> dict[str, Cost]:
    """Every cost by name."""
    meter = Meter()
    async with open_world(stage, transport=meter, report_capacity=True) as world:
        bench = Bench(world, meter)
        found = [*await people(bench), *await requests_and_cards(bench), *await money(bench)]
    return {cost.name: cost for cost in found}


def as_markdown(costs: dict[str, Cost]) -> str:
    """The table for people."""
    lines = [
        "| command | round trips | after a pause of the caller | read units | commit units |",
        "|---|--:|--:|--:|--:|",
        *(f"| {cost.name} | {cost.trips} | {cost.cold} | {cost.read_units:g} | {cost.commit_units:g} |" for cost in costs.values()),
    ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
async def costs(stage: Stage) -> AsyncIterator[dict[str, Cost]]:
    """Measured once."""
    found = await measure(stage)
    yield found
    sys.stdout.write(as_markdown(found) + "\n")


async def test_a_purchase_is_two_round_trips_3_read_units_and_9_committed(costs: dict[str, Cost]) -> None:
    for name in ("purchase", "declined purchase"):
        cost = costs[name]
        assert (cost.trips, cost.read_units <= 3, cost.commit_units <= 8 + INDEX_UNITS) == (2, True, True), cost


async def test_a_payment_is_two_round_trips_3_read_units_and_16_committed(costs: dict[str, Cost]) -> None:
    for name in ("payment", "late payment"):
        cost = costs[name]
        assert (cost.trips, cost.read_units <= 3, cost.commit_units <= 16) == (2, True, True), cost


async def test_a_replay_and_every_look_is_one_round_trip_and_commits_nothing(costs: dict[str, Cost]) -> None:
    for name in ("replay", "dashboard", "offers"):
        assert (costs[name].trips, costs[name].commit_units) == (1, 0), costs[name]


@pytest.mark.parametrize(
    "name",
    [
        "ask for a card (pending)",
        "ask for a card (approvers asked)",
        "ask for a card (granted)",
        "adjust a score",
        "suspend",
        "cancel",
        "disable a person",
    ],
)
async def test_every_other_command_is_two_round_trips(costs: dict[str, Cost], name: str) -> None:
    assert costs[name].trips == 2, costs[name]


@pytest.mark.parametrize("name", ["approve", "approve (approvers asked)", "reject"])
async def test_a_decision_has_to_find_the_owner_first(costs: dict[str, Cost], name: str) -> None:
    assert costs[name].trips == 3, costs[name]


async def test_a_caller_who_was_away_costs_one_look_more(costs: dict[str, Cost]) -> None:
    more = {name: cost.cold - cost.trips for name, cost in costs.items()}
    assert max(more.values()) <= 1, more


async def test_the_page_about_costs_counts_with_what_is_measured(costs: dict[str, Cost]) -> None:
    told = json.loads(FIGURES.read_text())["commands"]
    found = json.loads(json.dumps({name: asdict(cost) for name, cost in costs.items()}))
    if INDEX_UNITS > 1 or not MISSING_ROW_UNITS:  # another measure than that of AWS
        told, found = (
            {name: {**each, "read_units": 0, "commit_units": 0} for name, each in side.items()} for side in (told, found)
        )
    assert told == found, "run `make costs`"


async def _print() -> None:
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    try:
        sys.stdout.write(as_markdown(await measure(new_stage(cloud, TABLES, SUBSCRIPTIONS))) + "\n")
    finally:
        await cloud.stop()


if __name__ == "__main__":
    configure_logs("warning")
    asyncio.run(_print())
