"""Relays and a worker are killed again and again while people buy and pay: every event arrives, each effect once, in order.

`python -m tests.journeys.fire --commands 2000 --kills 50` is the long form; the test suite runs a short one.
"""

import argparse
import asyncio
import collections
import dataclasses
import json
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tazco.local.embedded import EmbeddedCloud
from tazco.notifications.store import NOTIFICATIONS
from tazco.platform.logs import configure_logs
from tazco.platform.outbox import OUTBOX
from tazco.slices import SUBSCRIPTIONS, TABLES
from tazco.tally.store import TALLIES
from tests.clouds.differences import BUS_IN_ORDER
from tests.journeys.test_money_under_fire import post_until_answered
from tests.processes import ApiProcess, Process, program
from tests.stage import AnyCloud, Stage, new_stage
from tests.stand_in import RunningStandIn, stand_in_running
from tests.witness import WITNESS, Witness
from tests.world import Person, open_world

APPROVERS = '[{"name":"Desk 1","phone":"5511900000000"}]'
PHONE = "5511900000000"
CLIENTS = 8
DRAINED_SECONDS_MAX = 30
POLL_SECONDS = 0.2
DONE = {"sent", "delivered", "read"}


@dataclass(slots=True)
class Report:
    """What happened."""

    commands: int = 0
    payments: int = 0
    kills: int = 0
    seconds: float = 0.0
    events: int = 0
    arrivals: int = 0
    missing: int = 0
    invented: int = 0
    out_of_order: list[str] = field(default_factory=list)
    notifications: int = 0
    undelivered: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    to_count: dict[str, int] = field(default_factory=dict)
    messages_on_the_wire: int = 0
    drained_after_seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Everything arrived once in effect, and in order where the bus keeps it."""
        disorder = self.out_of_order if BUS_IN_ORDER else []
        strays = self.missing or self.invented or disorder or self.undelivered
        return not strays and self.notifications == self.payments and self.counted == self.to_count


@dataclass(slots=True)
class Fire:
    """Everything that runs, and who pulls the triggers."""

    stage: Stage
    api: ApiProcess
    victims: list[Process]
    people: list[tuple[Person, str]]
    rng: random.Random
    report: Report = field(default_factory=Report)

    async def command(self, http: httpx.AsyncClient, number: int) -> None:
        """A purchase or a payment of somebody, repeated with its key until it is answered."""
        person, card_id = self.people[number % len(self.people)]
        pays = number // len(self.people) % 2 == 1
        kind, body = ("payments", {"amount": 1.5}) if pays else ("purchases", {"amount": 2, "merchant": "Shop"})
        url = f"{self.api.url}/v1/cards/{card_id}/transactions/{kind}"
        reply = await post_until_answered(http, url, person, body, str(uuid.uuid4()))
        assert reply.status_code == httpx.codes.CREATED, reply.text
        self.report.commands += 1
        self.report.payments += pays

    async def kill(self, kills: int, done: asyncio.Event, commands: int) -> None:
        """Kill somebody at random, spread over the commands, and start it again; go on after the last command if need be."""
        while self.report.kills < kills:
            threshold = (self.report.kills + 1) * commands // (kills + 1)
            while self.report.commands < threshold and not done.is_set():
                await asyncio.sleep(0.01)
            victim = self.rng.choice(self.victims)
            await victim.kill()
            self.report.kills += 1
            await victim.start()

    async def drained(self, witness: Witness) -> None:
        """Until nothing waits any more, or for as long as it may take."""
        began = time.monotonic()
        while time.monotonic() - began < DRAINED_SECONDS_MAX:
            outbox = await rows(self.stage, OUTBOX.name)
            notes = await rows(self.stage, NOTIFICATIONS.name)
            pending = any("pendingShard" in row for row in outbox) or len(witness.event_ids) < len(outbox)
            told = len(notes) == self.report.payments and all(row["deliveryStatus"]["S"] in DONE for row in notes)
            if not pending and told and await self._counted() == _to_count(outbox):
                break
            await asyncio.sleep(POLL_SECONDS)
        self.report.drained_after_seconds = time.monotonic() - began

    async def _counted(self) -> dict[str, int]:
        """What the worker has counted, of all hours."""
        tallies = [row for row in await rows(self.stage, TALLIES.name) if row["ecosystemId"]["S"].startswith("tally#")]
        return {name: sum(int(row[name]["N"]) for row in tallies) for name in ("purchases", "purchased", "payments", "paid")}

    async def judge(self, witness: Witness, stand_in: RunningStandIn) -> None:
        """Compare what was committed with what arrived."""
        report = self.report
        outbox = await rows(self.stage, OUTBOX.name)
        committed = {row["eventId"]["S"] for row in outbox}
        notes = await rows(self.stage, NOTIFICATIONS.name)
        report.events, report.arrivals = len(committed), len(witness.arrivals)
        report.missing, report.invented = len(committed - witness.event_ids), len(witness.event_ids - committed)
        report.out_of_order = witness.out_of_order()
        report.notifications = len(notes)
        report.undelivered = sum(row["deliveryStatus"]["S"] not in DONE for row in notes)
        report.counted, report.to_count = await self._counted(), _to_count(outbox)
        report.messages_on_the_wire = stand_in.thread(PHONE)[-1].number


def _to_count(outbox: list[dict[str, Any]]) -> dict[str, int]:
    """What was committed, in cents, out of the events themselves."""
    amounts: dict[str, list[int]] = {"transaction.purchase": [], "transaction.payment": []}
    for row in outbox:
        if row["eventType"]["S"] in amounts:
            amounts[row["eventType"]["S"]].append(round(json.loads(row["payload"]["S"])["amount"] * 100))
    bought, paid = amounts.values()
    return {"purchases": len(bought), "purchased": sum(bought), "payments": len(paid), "paid": sum(paid)}


def environment_of(stand_in: RunningStandIn) -> dict[str, str]:
    """The variables that point a process of ours to a stand-in as the Cloud API."""
    account = stand_in.account
    return {
        "TAZCO_WHATSAPP_META_BASE_URL": stand_in.url,
        "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID": account.phone_number_id or "",
        "TAZCO_WHATSAPP_META_ACCESS_TOKEN": account.access_token or "",
        "TAZCO_WHATSAPP_META_APP_SECRETS": account.app_secret or "",
        "TAZCO_WHATSAPP_META_VERIFY_TOKEN": account.verify_token or "",
    }


async def rows(stage: Stage, table: str) -> list[dict[str, Any]]:
    """Every row of a table."""
    return await asyncio.to_thread(_scan, stage, table)


def _scan(stage: Stage, table: str) -> list[dict[str, Any]]:
    pages = stage.clients.dynamodb.get_paginator("scan").paginate(TableName=stage.names.table_prefix + table, ConsistentRead=True)
    return [item for page in pages for item in page["Items"]]


@asynccontextmanager
async def _scene(cloud: AnyCloud, people: int, seed: int) -> AsyncIterator[tuple[Fire, RunningStandIn]]:
    stage = new_stage(cloud, TABLES, (*SUBSCRIPTIONS, WITNESS))
    stage.clients.ssm.put_parameter(
        Name=f"{stage.names.ssm_prefix}/whatsapp/approvers", Value=APPROVERS, Type="String", Overwrite=True
    )
    async with AsyncExitStack() as stack:
        stand_in = await stack.enter_async_context(stand_in_running())
        environment = {**stage.environment, **environment_of(stand_in)}
        async with open_world(stage) as world:
            cardholders = [await world.cardholder(score=720) for _ in range(people)]
            for person, card_id in cardholders:
                assert (await person.buy(card_id, 500)).status == httpx.codes.CREATED
        victims = [await stack.enter_async_context(program(name, environment)) for name in ("relay", "relay", "worker")]
        api = ApiProcess("serve", environment)
        await api.start()
        stack.push_async_callback(api.stop)
        yield Fire(stage, api, victims, cardholders, random.Random(seed)), stand_in  # noqa: S311  # a plan, no secret


async def fire(cloud: AnyCloud, *, commands: int, kills: int, people: int = 20, seed: int = 1) -> Report:
    """Run it and report."""
    async with _scene(cloud, people, seed) as (scene, stand_in):
        witness, stop, done = Witness(scene.stage), asyncio.Event(), asyncio.Event()
        reading = asyncio.create_task(witness.read(stop))
        gate, began = asyncio.Semaphore(CLIENTS), time.monotonic()
        async with httpx.AsyncClient(timeout=30) as http:

            async def one(number: int) -> None:
                async with gate:
                    await scene.command(http, number)

            killing = asyncio.create_task(scene.kill(kills, done, commands))
            await asyncio.gather(*(one(number) for number in range(commands)))
            done.set()
            await killing
        scene.report.seconds = time.monotonic() - began
        await scene.drained(witness)
        stop.set()
        await reading
        await scene.judge(witness, stand_in)
        return scene.report


async def main() -> None:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    configure_logs("warning")
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    try:
        report = await fire(cloud, commands=chosen.commands, kills=chosen.kills, seed=chosen.seed)
    finally:
        await cloud.stop()
    for name, value in dataclasses.asdict(report).items():
        print(f"{name.replace('_', ' '):24} {value:.1f}" if isinstance(value, float) else f"{name.replace('_', ' '):24} {value}")
    print("clean" if report.clean else f"NOT CLEAN {collections.Counter(report.out_of_order)}")


if __name__ == "__main__":
    asyncio.run(main())
