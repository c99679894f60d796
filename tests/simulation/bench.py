"""The bench of the sweep: one moment of the programme, to which one operation is done again and again with a fault at one call."""

import asyncio
import gc
import json
import random
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from tazco.local.stand_in.webhooks import signature_of
from tazco.platform.aws import AwsError, AwsUnreachable, Call
from tazco.platform.bus import BusDown
from tazco.platform.consumer import Consumer, Pace
from tazco.platform.database import Overloaded
from tazco.platform.reactions import Reactions, Timer
from tazco.platform.timers import fire
from tazco.platform.wire import Reply
from tests.platform.faults import COMMIT
from tests.simulation import cloud as clouds
from tests.simulation.cloud import SimCloud
from tests.simulation.faults import BROKEN, Fault
from tests.simulation.history import History, Op, outcomes
from tests.simulation.invariants import Books, violations
from tests.simulation.ledger import RareStates
from tests.simulation.loop import Actor, VirtualLoop, cancel_all
from tests.simulation.process import (
    APP_SECRET,
    PHONE_NUMBER_ID,
    PROVIDER,
    WPP_SECRET,
    Answer,
    ConnectionLost,
    Process,
    Role,
    quiet_logs,
    serve,
    token,
)
from tests.simulation.watching import Watch
from tests.simulation.wire import QUEUES, Net, Trace

ATTEMPTS_MAX: Final = 20
DRAIN_SECONDS_MAX: Final = 3_600.0
OUTAGES: Final = (AwsError, AwsUnreachable, BusDown, Overloaded, TimeoutError)
EMPTY_AFTERWARDS: Final = ("users", "cards", "transactions", "card-requests", "scores", "pending-approvals", "whatsapp-inbound")
META_PATH: Final = "/webhooks/whatsapp"
QUICK: Final = Pace(poll_seconds=1)


@dataclass(slots=True)
class Plan:
    """The fault that is planned, at which call of the operation; everything else goes well. `calls` are those of the operation."""

    at: int = -1
    fault: Fault | None = None
    recording: bool = False
    calls: list[Call] = field(default_factory=list)
    struck: bool = False

    def choose(self, _: Actor, call: Call) -> Fault | None:
        """The fault, once, at its call."""
        if not self.recording:
            return None
        self.calls.append(call)
        if len(self.calls) - 1 == self.at and not self.struck:
            self.struck = True
            return self.fault
        return None

    def shape(self, _actor: Actor, _call: Call, _before: Mapping[str, int], reply: Reply) -> Reply:
        """Nothing more happens."""
        return reply


@dataclass(frozen=True, slots=True)
class Kept:
    """A moment of the programme, with what clients know of it."""

    moment: clouds.Moment
    ops: tuple[Op, ...]
    registered: frozenset[str]
    now: float
    shift: float
    notes: Mapping[str, Any]


@dataclass(slots=True)
class Bench:
    """One variation: everything calm but for the plan."""

    plan: Plan
    loop: VirtualLoop = field(init=False)
    cloud: SimCloud = field(init=False)
    net: Net = field(init=False)
    books: Books = field(init=False)
    watch: Watch = field(init=False)
    history: History = field(default_factory=History)
    found: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    arrived: list[str] = field(default_factory=list)
    provider_down: bool = False
    rival: Callable[["Bench"], Awaitable[None]] | None = None
    _processes: dict[str, Process] = field(default_factory=dict)
    _waiting: dict[Actor, asyncio.Future[Any]] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self.loop = VirtualLoop(random.Random(0))
        self.cloud = SimCloud(self.loop.time, random.Random(1))
        self.net = Net(self.loop, self.cloud, self.plan, random.Random(2), Trace(), self._kill)
        self.net.rival = self._rival
        self.books = Books(self.cloud)
        self.watch = Watch(self.cloud, RareStates(), self._report, lambda: list(self._processes.values()))
        self.net.observers.append(self.watch.saw)
        self.net.senders.append(self.watch.sent)
        quiet_logs(self.watch.log)
        PROVIDER.answer = self._provider

    def _report(self, problem: str) -> None:
        if not (self.plan.fault in BROKEN and problem.startswith("a bug was logged")):
            self.found.append(problem)

    async def _provider(self, request: httpx.Request) -> httpx.Response:
        if self.provider_down:
            return httpx.Response(500, stream=httpx.ByteStream(b"{}"))
        body = json.loads(request.content)
        self.arrived.append(body["biz_opaque_callback_data"])
        content = json.dumps({"messages": [{"id": f"wamid.{len(self.arrived)}"}]}).encode()
        return httpx.Response(200, stream=httpx.ByteStream(content))

    def begin(self, kept: Kept | None) -> None:
        """From a kept moment, or from the beginning."""
        self.cloud.begin(kept.moment if kept else clouds.provisioned())
        if kept:
            self.history.ops = [_copy(op) for op in kept.ops]
            self.history.registered = set(kept.registered)
            self.loop.now, self.cloud.shift = kept.now, kept.shift
            self.notes = dict(kept.notes)
            self.watch.remember(row for row in self.books.rows("outbox") if "pendingShard" not in row)

    def keep(self) -> Kept:
        """The present moment."""
        history = self.history
        ops, people = tuple(_copy(op) for op in history.ops), frozenset(history.registered)
        return Kept(clouds.keep(), ops, people, self.loop.now, self.cloud.shift, dict(self.notes))

    async def process(self, role: Role, name: str = "") -> Process:
        """A process that is up: the one that is there, or its successor."""
        name = name or role.value
        found = self._processes.get(name)
        if found is None or not found.alive:
            recording, self.plan.recording = self.plan.recording, False
            self._number += 1
            actor = self.loop.actor(f"{name}.{self._number}")
            found = Process(
                role, actor, self.net, random.Random(f"{name} {self._number}"), 0.0, slot=0 if name == role.value else 1
            )
            self._processes[name] = found
            await self.loop.start(actor, found.open())
            found.ready = True
            self.plan.recording = recording
        return found

    def _kill(self, actor: Actor) -> None:
        self.loop.kill(actor)
        waiting = self._waiting.pop(actor, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(ConnectionLost("the process died"))

    async def inside(self, process: Process, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of work in a process; `ConnectionLost` where the process dies."""
        waiting: asyncio.Future[Any] = self.loop.create_future()
        self._waiting[process.actor] = waiting

        async def run() -> None:
            try:
                result = await work
            except Exception as error:  # noqa: BLE001  # handed on to whoever waits
                if not waiting.done():
                    waiting.set_exception(error)
            else:
                if not waiting.done():
                    waiting.set_result(result)

        self.loop.start(process.actor, run())
        return await waiting

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, name: str = "") -> Answer:
        """One request to the API process."""
        process = await self.process(Role.API, name)
        answer = await self.inside(process, serve(process, method, path, {"x-request-id": "sweep", **headers}, body))
        assert isinstance(answer, Answer)
        return answer

    async def do(self, op: Op, *, name: str = "") -> Op:
        """A command, asked for with its key until it is settled."""
        self.history.ops.append(op)
        headers = {"authorization": f"Bearer {token(op.who, admin=op.who.startswith('operator'))}", "idempotency-key": op.key}
        for _ in range(ATTEMPTS_MAX):
            with suppress(ConnectionLost):
                op.heard(await self.request(op.method, op.path, headers, json.dumps(op.body).encode(), name=name))
                op.settled_at = self.cloud.epoch
            if op.final is not None:
                return op
            await asyncio.sleep(1.0)
        self.found.append(f"I9: {op.kind} is never settled: {[(each.status, each.body) for each in op.answers[-2:]]}")
        return op

    async def again(self, op: Op) -> None:
        """The same key once more: the same answer."""
        headers = {"authorization": f"Bearer {token(op.who, admin=op.who.startswith('operator'))}", "idempotency-key": op.key}
        answer = await self.request(op.method, op.path, headers, json.dumps(op.body).encode())
        op.answers.append(answer)

    async def register(self, who: str) -> None:
        """Sign in until it works."""
        headers = {"authorization": f"Bearer {token(who, admin=who.startswith('operator'))}"}
        for _ in range(ATTEMPTS_MAX):
            with suppress(ConnectionLost):
                if (await self.request("POST", "/v1/users", headers, b"{}")).status < 300:  # HTTP
                    self.history.registered.add(who)
                    return
            await asyncio.sleep(1.0)
        self.found.append(f"I9: {who} is never registered")

    async def webhook(self, value: Mapping[str, Any], tap: str | None = None) -> None:
        """A notice of the provider, repeated until it is answered with 200; then once more."""
        accepted = 0
        for _ in range(ATTEMPTS_MAX * 5):
            with suppress(ConnectionLost):
                answer = await self.webhook_once(value)
                results = answer.body.get("results", []) if answer.status == 200 else []  # HTTP
                known = outcomes(results)
                if tap:
                    self.history.taps.setdefault(tap, []).extend(known)
                accepted += answer.status == 200 and (bool(known) or tap is None)  # HTTP
            if accepted == 2:  # once, and once more
                return
            await asyncio.sleep(2.0)
        self.found.append("I9: the webhook is never settled")

    async def webhook_once(self, value: Mapping[str, Any]) -> Answer:
        """One delivery of a notice of Meta's."""
        head = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": PHONE_NUMBER_ID}}
        change = {"field": "messages", "value": {**head, **value}}
        raw = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).encode()
        return await self.request("POST", META_PATH, {"x-hub-signature-256": "sha256=" + signature_of(raw, APP_SECRET)}, raw)

    async def bridge(self, path: str, notice: Mapping[str, Any]) -> None:
        """A notice of WPPConnect, repeated until it is answered with 200; then once more."""
        accepted = 0
        for _ in range(ATTEMPTS_MAX * 5):
            with suppress(ConnectionLost):
                answer = await self.request("POST", path, {"x-webhook-secret": WPP_SECRET}, json.dumps(notice).encode())
                if answer.status == 200:  # HTTP
                    accepted += 1
                    self.history.taps.setdefault("text", []).append(answer.body)
            if accepted == 2:  # once, and once more
                return
            await asyncio.sleep(2.0)
        self.found.append("I9: the notice is never settled")

    async def cleaned(self) -> None:
        """Everything is deleted, asked for anew until it is told to be done; then the operator comes back, and Ada."""
        headers = {"authorization": f"Bearer {token('operator', admin=True)}"}
        for _ in range(ATTEMPTS_MAX * 5):
            with suppress(ConnectionLost):
                asked = await self.request("POST", "/v1/admin/cleanup", headers, b"{}")
                body = {"confirmationToken": asked.body.get("confirmationToken", "")}
                done = await self.request("POST", "/v1/admin/cleanup", headers, json.dumps(body).encode())
                if done.status == 200:  # HTTP
                    break
            await asyncio.sleep(5.0)
        else:
            self.found.append("I9: the cleanup is never done")
        self.plan.recording = False
        self.found += [f"I1: {table} still has rows after a cleanup" for table in EMPTY_AFTERWARDS if self.books.rows(table)]
        if not any(row["action"] == "system.cleanup" for row in self.books.rows("audit-logs")):
            self.found.append("I7: a cleanup without an entry in the audit")
        self.history.ops, self.history.registered, self.books.events = [], set(), {}
        self.watch.forget()
        await self.register("operator")
        await self.register("ada")

    async def relayed(self) -> None:
        """One relay's work until the outbox is empty; what fails is tried again, by a successor where the process died."""
        for _ in range(ATTEMPTS_MAX * 5):
            process = await self.process(Role.RELAY)
            relay = process.relay or process.make_relay()
            try:
                await self.inside(process, relay.settle())
                for shard in sorted({row["pendingShard"] for row in self.pending()}):
                    await self.inside(process, relay.step(shard))
            except (*OUTAGES, ConnectionLost):
                await asyncio.sleep(0.5)
            if not self.pending():
                return
            await asyncio.sleep(1.0)
        self.found.append(f"I9: events never leave: {self.pending()}")

    def pending(self) -> list[dict[str, Any]]:
        """What has not left."""
        return [row for row in self.books.rows("outbox") if "pendingShard" in row]

    async def consumed(self, reactions: Reactions) -> None:
        """One worker's work on a queue until it is empty."""
        name = clouds.NAMES.table_prefix + reactions.queue
        for _ in range(ATTEMPTS_MAX * 5):
            process = await self.process(Role.WORKER)
            consumer = process.consumer(reactions)
            consumer.pace = QUICK
            with suppress(ConnectionLost):
                await self.inside(process, _until_empty(consumer, lambda: not self.cloud.messages(name)))
            if not self.cloud.messages(name):
                return
            await asyncio.sleep(1.0)
        self.found.append(f"I9: {name} is never empty")

    async def fired(self, timer: Timer, *, over: Callable[[], bool]) -> None:
        """A timer, again and again until what it is for is done."""
        for _ in range(ATTEMPTS_MAX * 5):
            process = await self.process(Role.WORKER)
            with suppress(ConnectionLost):
                await self.inside(process, fire(timer, process.services))
            if over():
                return
            await asyncio.sleep(timer.every.total_seconds())
        self.found.append(f"I9: timer {timer.name} never gets done")

    async def drained(self) -> None:
        """A relay and a worker of their own run until nothing is left."""
        self.plan.recording = False
        if not self.left():
            return
        running = [await self.process(role, f"last {role.value}") for role in (Role.RELAY, Role.WORKER)]
        relay, worker = running
        self.loop.start(relay.actor, relay._relay())
        self.loop.start(worker.actor, worker._work())
        until = self.loop.now + DRAIN_SECONDS_MAX
        while self.left() and self.loop.now < until:
            await asyncio.sleep(0.25)
        self.found += [f"I9: not drained: {each}" for each in self.left()]

    def left(self) -> list[str]:
        """What is still under way."""
        left = [str(row) for row in self.pending()]
        left += [f"{name}: {message['body'][:100]}" for name in QUEUES for message in self.cloud.messages(name)]
        left += [f"{name}-dlq" for name in QUEUES for _ in self.cloud.messages(f"{name}-dlq")]
        left += [str(row) for row in self.books.rows("whatsapp-notifications") if "nextAttemptAt" in row]
        return left + [str(row) for row in self.books.rows("whatsapp-inbound") if "outcome" not in row]

    async def _rival(self) -> None:
        recording, self.plan.recording = self.plan.recording, False
        assert self.rival is not None, "the scenario has one"
        await self.rival(self)
        self.plan.recording = recording

    def judge(self, since: datetime) -> None:
        """All invariants."""
        self.found += violations(self.books, self.history, since=since)

    @property
    def instant(self) -> datetime:
        """The true time."""
        return datetime.fromtimestamp(self.cloud.epoch, UTC)

    def row(self, table: str, **wanted: Any) -> dict[str, Any]:
        """The only row with these values."""
        rows = [row for row in self.books.rows(table) if all(row.get(name) == value for name, value in wanted.items())]
        assert len(rows) == 1, f"{table} has {len(rows)} rows with {wanted}"
        return rows[0]


async def _until_empty(consumer: Consumer, empty: Callable[[], bool]) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    while not empty() and not running.done():
        await asyncio.sleep(0.1)
    stop.set()
    await running


def _copy(op: Op) -> Op:
    return Op(
        op.kind,
        op.who,
        op.method,
        op.path,
        op.body,
        op.key,
        op.card,
        list(op.answers),
        op.lost,
        op.final,
        op.began_at,
        op.settled_at,
    )


@dataclass(slots=True)
class Fatal:
    """Kills the process right after its first commit that writes into a table."""

    table: str
    done: bool = False

    def choose(self, _: Actor, call: Call) -> Fault | None:
        """The end, once."""
        if self.done or call.operation != COMMIT or self.table.encode() not in call.body:
            return None
        self.done = True
        return Fault.ABANDON_AFTER

    def shape(self, _actor: Actor, _call: Call, _before: Mapping[str, int], reply: Reply) -> Reply:
        """Nothing more happens."""
        return reply


async def died_after(bench: Bench, table: str, work: Callable[[Bench], Awaitable[None]]) -> None:
    """Do something that is cut short after its commit into a table."""
    bench.net.chaos = fatal = Fatal(table)
    await work(bench)
    bench.net.chaos = bench.plan
    assert fatal.done, f"nothing was written into {table}"


def on_bench(plan: Plan, work: Callable[[Bench], Coroutine[Any, Any, Any]]) -> tuple[Bench, Any]:
    """Do something on a fresh bench, in this thread."""
    collecting = gc.isenabled()
    gc.disable()
    bench = Bench(plan)

    async def main() -> Any:
        try:
            return await work(bench)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding of this variation
            bench.found.append("".join(traceback.format_exception(error)))
            return None
        finally:
            bench.net.closed = True
            await cancel_all(bench.loop, asyncio.current_task())

    try:
        result = bench.loop.run_until_complete(bench.loop.create_task(main(), context=bench.loop.world.context))
    finally:
        bench.loop.close()
        if collecting:
            gc.enable()
    return bench, result
