"""How fast events leave the house. `make bench` or `python -m bench.events [delay|drain]`.

delay: from the commit of a purchase to the queue, over HTTP, the API relaying its own commits; also with the relay elsewhere.
drain: how fast one relay, and two, empty a full outbox of the embedded cloud.
"""

import argparse
import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
from tests.journeys.fire import rows
from tests.processes import ApiProcess, program
from tests.stage import Stage, new_stage
from tests.witness import WITNESS, Arrival, Witness
from tests.world import open_world

from tazco.cards.events import CardSuspended
from tazco.cards.model import CardStatus
from tazco.kernel.clock import from_text, system_clock
from tazco.kernel.ids import CardId, EcosystemId
from tazco.local.embedded import EmbeddedCloud
from tazco.platform.ids import new_id
from tazco.platform.logs import configure_logs
from tazco.platform.outbox import OUTBOX, OutboxRow, outbox_rows
from tazco.slices import SUBSCRIPTIONS, TABLES
from tazco.users.model import User

PURCHASES = 1_000
PEOPLE = 20
CLIENTS = 4
AGGREGATES = 500
EVENTS_EACH = 4
DRAIN_SECONDS_MAX = 120


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report."""

    what: str
    value: str


def spread(milliseconds: Sequence[float]) -> str:
    """The middle and the tail."""
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"p50 {statistics.median(ordered):.0f} ms, p99 {p99:.0f} ms, worst {ordered[-1]:.0f} ms over {len(ordered):,}"


def delay_of(arrival: Arrival) -> float:
    """Milliseconds from the instant of the command, which is a little before its commit, to the queue."""
    return arrival.sent_ms - from_text(arrival.envelope["occurredAt"]).timestamp() * 1000


async def delay(cloud: EmbeddedCloud) -> list[Figure]:
    """Purchases over HTTP, and when their events were in the queue."""
    return [
        Figure("commit to queue, relay in the API process", spread(await _purchases(cloud, relay_with_api=True))),
        Figure("commit to queue, relay in a process of its own", spread(await _purchases(cloud, relay_with_api=False))),
    ]


async def _purchases(cloud: EmbeddedCloud, *, relay_with_api: bool) -> list[float]:
    stage = new_stage(cloud, TABLES, (*SUBSCRIPTIONS, WITNESS))
    environment = {**stage.environment, "TAZCO_RELAY_WITH_API": str(relay_with_api).lower()}
    async with AsyncExitStack() as stack:
        async with open_world(stage) as world:
            holders = [await world.cardholder(score=720) for _ in range(PEOPLE)]
        if not relay_with_api:
            await stack.enter_async_context(program("relay", environment))
        api = ApiProcess("serve", environment)
        await api.start()
        stack.push_async_callback(api.stop)
        witness, stop = Witness(stage), asyncio.Event()
        await _until(lambda: _idle(stage))
        reading = asyncio.create_task(witness.read(stop))
        gate = asyncio.Semaphore(CLIENTS)
        async with httpx.AsyncClient(timeout=30) as http:

            async def buy(number: int) -> None:
                person, card_id = holders[number % PEOPLE]
                headers = {"authorization": f"Bearer {person.access_token}", "idempotency-key": str(uuid.uuid4())}
                async with gate:
                    url = f"{api.url}/v1/cards/{card_id}/transactions/purchases"
                    reply = await http.post(url, json={"amount": 1}, headers=headers)
                assert reply.status_code == httpx.codes.CREATED, reply.text

            await asyncio.gather(*(buy(number) for number in range(PURCHASES)))
        await _until(lambda: _idle(stage))
        stop.set()
        await reading
    bought = [each for each in witness.arrivals if each.envelope["eventType"] == "transaction.purchase"]
    assert len({each.envelope["eventId"] for each in bought}) == PURCHASES
    return [delay_of(each) for each in bought]


async def drain(cloud: EmbeddedCloud) -> list[Figure]:
    """The same outbox, emptied by one relay and by two."""
    one, two = await _drain(cloud, 1), await _drain(cloud, 2)
    return [
        Figure("one relay empties the outbox, embedded cloud", f"{one:,.0f} events/s"),
        Figure("two relays", f"{two:,.0f} events/s, {two / one:.2f} times one"),
    ]


async def _drain(cloud: EmbeddedCloud, relays: int) -> float:
    stage = new_stage(cloud, TABLES, (*SUBSCRIPTIONS, WITNESS))
    await asyncio.to_thread(_fill, stage, _events())
    async with AsyncExitStack() as stack:
        for _ in range(relays):
            await stack.enter_async_context(program("relay", stage.environment))
        total = AGGREGATES * EVENTS_EACH
        await _until(lambda: _left_at_most(stage, total - 1))
        first, began = await _left(stage), time.perf_counter()
        await _until(lambda: _left_at_most(stage, 0))
        return first / (time.perf_counter() - began)


def _events() -> list[OutboxRow]:
    now, found = system_clock(), list[OutboxRow]()
    for _ in range(AGGREGATES):
        card_id = CardId(new_id())
        events = [
            CardSuspended(
                ecosystem_id=EcosystemId("bench"),
                card_id=card_id,
                reason="bench",
                admin_id="bench",
                previous_status=CardStatus.ACTIVE,
            )
            for _ in range(EVENTS_EACH)
        ]
        found += outbox_rows(
            events,
            User(ecosystem_id=EcosystemId("bench")),
            aggregate_id=card_id,
            ecosystem_id="bench",
            correlation_id="bench",
            now=now,
            new_id=new_id,
        )
    return found


def _fill(stage: Stage, events: list[OutboxRow]) -> None:
    name, dynamodb = stage.names.table_prefix + OUTBOX.name, stage.clients.dynamodb
    for start in range(0, len(events), 25):
        batch: Any = [{"PutRequest": {"Item": OUTBOX.item(row)}} for row in events[start : start + 25]]
        assert not dynamodb.batch_write_item(RequestItems={name: batch})["UnprocessedItems"]


async def _left(stage: Stage) -> int:
    return sum("pendingShard" in row for row in await rows(stage, OUTBOX.name))


async def _left_at_most(stage: Stage, number: int) -> bool:
    return await _left(stage) <= number


async def _idle(stage: Stage) -> bool:
    return await _left_at_most(stage, 0)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DRAIN_SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.05)


MEASUREMENTS: Mapping[str, Callable[[EmbeddedCloud], Awaitable[list[Figure]]]] = {"delay": delay, "drain": drain}


async def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*MEASUREMENTS, []], help="everything unless given")
    chosen = parser.parse_args().what or list(MEASUREMENTS)
    configure_logs("warning")
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    try:
        for name in chosen:
            for figure in await MEASUREMENTS[name](cloud):
                print(f"{figure.what:50} {figure.value}", flush=True)
    finally:
        await cloud.stop()


if __name__ == "__main__":
    asyncio.run(main())
