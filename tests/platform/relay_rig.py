"""What the tests of the relay stand on: a program behind a seam that sees every call and refuses what a test wants refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.ids import new_id
from tazco.platform.leases import LEASES
from tazco.platform.outbox import OUTBOX, PENDING_EVENTS, OutboxRow, shard_of
from tazco.platform.relaying import Relay
from tazco.platform.services import Services
from tazco.platform.tables import EntriesOf, Get
from tazco.platform.wire import Pool, Reply, WireFailure, request_bytes
from tests.stage import Stage
from tests.world import MovableClock, open_services

TYPE = "transaction.payment"
"""One that a queue of the stage receives."""

Refuse = Callable[[dict[str, Any]], str | None]


def take_all(_: dict[str, Any]) -> str | None:
    """Refuse nothing."""
    return None


class Everything:
    """Contains whatever it is asked for."""

    def __contains__(self, _: object) -> bool:
        return True


@dataclass(slots=True)
class Seam:
    """The way to AWS.

    `whole` are the faults of the next PutEvents calls, `lose` those of other operations, `refuse` gives the error code of an
    event or None, `hidden` are events that the index does not show.
    """

    refuse: Refuse = take_all
    whole: list[str | Reply] = field(default_factory=list)
    hidden: Container[str] = ()
    calls: list[Call] = field(default_factory=list)
    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    lose: dict[str, list[str | Reply]] = field(default_factory=dict)
    before_put: Callable[[], Awaitable[object]] | None = None

    def count(self, operation: str) -> int:
        """How often an operation went out."""
        return sum(call.operation == operation for call in self.calls)

    def order(self, aggregate_id: str) -> list[int]:
        """The sequence numbers of an aggregate as the bus took them, each when it was first taken."""
        taken = [event["sequence"] for event in self.accepted if event["aggregateId"] == aggregate_id]
        return list(dict.fromkeys(taken))

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        """The call, or what is planned for it."""
        self.calls.append(call)
        if call.operation == "PutEvents":
            return await self._put_events(call, pool, request, timeout_seconds)
        planned = self.lose.get(call.operation)
        fault = planned.pop(0) if planned else None
        if isinstance(fault, Reply):
            return fault
        if fault == "lost before":
            raise WireFailure(fault, sent=False)
        reply = await over_the_wire(call, pool, request, timeout_seconds)
        if fault:
            raise WireFailure(fault, sent=True)
        return self._without_hidden(reply) if self.hidden and PENDING_EVENTS.name.encode() in call.body else reply

    def _without_hidden(self, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        body["Items"] = [item for item in body["Items"] if item["eventId"]["S"] not in self.hidden]
        return replace(reply, body=json.dumps(body).encode())

    async def _put_events(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        if self.before_put is not None:
            await self.before_put()
        fault = self.whole.pop(0) if self.whole else None
        if isinstance(fault, Reply):
            return fault
        if fault == "lost before":
            raise WireFailure(fault, sent=False)
        entries = json.loads(call.body)["Entries"]
        events = [json.loads(entry["Detail"]) for entry in entries]
        codes = [self.refuse(event) for event in events]
        self.batches.append(events)
        self.accepted += [event for event, code in zip(events, codes, strict=True) if code is None]
        taken = [entry for entry, code in zip(entries, codes, strict=True) if code is None]
        ids = iter(await self._forward(taken, pool, request, timeout_seconds))
        if fault:
            raise WireFailure(fault, sent=True)
        results = [next(ids) if code is None else {"ErrorCode": code, "ErrorMessage": "planned"} for code in codes]
        return Reply(200, {}, json.dumps({"FailedEntryCount": len(entries) - len(taken), "Entries": results}).encode())

    async def _forward(
        self, entries: list[dict[str, Any]], pool: Pool, request: bytes, timeout_seconds: float
    ) -> list[dict[str, Any]]:
        if not entries:
            return []
        head = request.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in head if not line.lower().startswith("content-length"))
        body = json.dumps({"Entries": entries}).encode()
        reply = await over_the_wire(
            Call("events", "PutEvents", body), pool, request_bytes("POST", "/", headers, body), timeout_seconds
        )
        return list(json.loads(reply.body)["Entries"])


def stream(aggregate_id: str, count: int, services: Services, *, first: int = 1, previous: str | None = None) -> list[OutboxRow]:
    """Pending events of one aggregate, each after the other."""
    rows: list[OutboxRow] = []
    for sequence in range(first, first + count):
        now = services.clock()
        row = OutboxRow(
            event_id=new_id(),
            event_type=TYPE,
            aggregate_type="card",
            aggregate_id=aggregate_id,
            sequence=sequence,
            schema_version=1,
            ecosystem_id="user-1",
            occurred_at=now,
            request_id="r-1",
            payload='{"amount":12.50,"name":"Čapek \\"K\\""}',
            pending_shard=shard_of("card", aggregate_id),
            created_at=now,
            previous_event_id=previous,
        )
        rows.append(row)
        previous = row.event_id
    return rows


def cards_of_one_shard(count: int) -> list[str]:
    """Ids of so many cards whose events wait in the same shard."""
    wanted = shard_of("card", "card-0")
    found = (f"card-{number}" for number in range(100_000) if shard_of("card", f"card-{number}") == wanted)
    return [card for card, _ in zip(found, range(count), strict=False)]


@dataclass(slots=True)
class Rig:
    """A program whose outbox a test fills."""

    stage: Stage
    services: Services
    seam: Seam
    clock: MovableClock

    @property
    def queue_url(self) -> str:
        """The queue that the stage's rule fills."""
        return self.stage.clients.sqs.get_queue_url(QueueName=f"{self.stage.names.table_prefix}notifications")["QueueUrl"]

    def relay(self) -> Relay:
        """One more relay."""
        return Relay.of(self.services)

    async def settled(self) -> Relay:
        """A relay that holds all shards."""
        relay = self.relay()
        await relay.settle()
        assert len(relay.shards.held) == 16
        return relay

    async def settled_again(self) -> Relay:
        """Another relay that holds all shards, after the first has died."""
        self.clock.pass_time(seconds=11)
        return await self.settled()

    async def index(self, row: OutboxRow) -> Reply:
        """What the index says of a row's shard now, to be repeated later."""
        assert row.pending_shard is not None
        database = self.services.database
        question = EntriesOf(OUTBOX, PENDING_EVENTS, row.pending_shard)
        items = [item async for item in database.query(question)]
        return Reply(200, {}, json.dumps({"Items": items, "Count": len(items)}).encode())

    async def write(self, *rows: OutboxRow) -> None:
        """Put rows into the outbox as a commit would."""
        writes = (self.services.database.write(OUTBOX, row, condition="attribute_not_exists(absent)") for row in rows)
        await asyncio.gather(*writes)

    async def read(self, row: OutboxRow) -> OutboxRow | None:
        """A row as it is now."""
        (found,) = await self.services.database.read(Get(OUTBOX, (row.event_id,)))
        return found

    async def pending(self) -> list[str]:
        """The ids of all events that have not left, dead letters included."""
        return [item["eventId"]["S"] async for item in self.services.database.scan(OUTBOX) if "pendingShard" in item]

    async def delete(self, row: OutboxRow) -> None:
        """Delete a row as a cleanup would."""
        await self.services.database.delete_all(OUTBOX, [(row.event_id,)])

    async def received(self, count: int) -> list[dict[str, Any]]:
        """So many events from the queue that the stage's rule fills."""
        sqs, url = self.stage.clients.sqs, self.queue_url
        bodies: list[dict[str, Any]] = []
        while len(bodies) < count:
            reply = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
            messages = reply.get("Messages", [])
            assert messages, f"{len(bodies)} of {count} events arrived"
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


async def step_all(relay: Relay, *, look: bool = True) -> int:
    """One step of each shard; how many events went out."""
    return sum([(await relay.step(shard, look=look)).published for shard in relay.shards.held])


def refusing(event_ids: Iterable[str], code: str = "InternalFailure") -> Refuse:
    """Refuse these events."""
    refused = set(event_ids)
    return lambda event: code if event["eventId"] in refused else None


@asynccontextmanager
async def open_rig(stage: Stage) -> AsyncIterator[Rig]:
    """A program behind a seam on a stage: nothing waits there, nobody holds a shard, the queue is empty."""
    seam, clock = Seam(), MovableClock()
    async with open_services(stage, clock, transport=seam) as services:
        for table in (OUTBOX, LEASES):
            await services.database.delete_all(table, [table.key_of(item) async for item in services.database.scan(table)])
        rig = Rig(stage, services, seam, clock)
        stage.clients.sqs.purge_queue(QueueUrl=rig.queue_url)
        seam.calls.clear()
        yield rig
