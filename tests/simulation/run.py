"""One seeded run: people, operators, approvers and a provider against several processes of the programme, in a storm.

A day of a run: everybody acts while faults strike and processes die; then the storm ends, open commands are asked for until they
are settled, everything drains within a limit of virtual time, and the invariants are judged. Then days pass, and it begins again.
"""

import asyncio
import gc
import random
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.simulation import cloud as clouds
from tests.simulation.approvers import Phones
from tests.simulation.chaos import Storm
from tests.simulation.cloud import SimCloud
from tests.simulation.faults import FATAL, Fault
from tests.simulation.history import History
from tests.simulation.invariants import Books, violations
from tests.simulation.ledger import Rare, RareStates
from tests.simulation.loop import Actor, Stuck, VirtualLoop, cancel_all
from tests.simulation.people import Clients, Operator, Session
from tests.simulation.process import PROVIDER, ConnectionLost, Process, Role, quiet_logs
from tests.simulation.watching import Watch
from tests.simulation.wire import QUEUES, Net, Trace

DRAIN_SECONDS_MAX: Final = 3_600.0
PAUSE_SECONDS: Final = (0.5, 25.0)
RESTART_SECONDS: Final = (0.2, 6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The size of a run; shrinking makes it smaller."""

    seed: int
    people: int = 4
    sessions: int = 2
    steps: int = 9
    days: int = 3
    apis: int = 2
    relays: int = 1
    workers: int = 2
    rate: float = 0.08
    kills: float = 0.5

    @property
    def command(self) -> str:
        """What replays it."""
        default = Options(seed=self.seed)
        changed = [
            f"--{name} {value}" for name, value in asdict(self).items() if name != "seed" and value != getattr(default, name)
        ]
        return " ".join(["python -m tests.simulation --seed", str(self.seed), *changed])


@dataclass(slots=True)
class Result:
    """What came of a run."""

    options: Options
    digest: str = ""
    found: list[str] = field(default_factory=list)
    operations: int = 0
    calls: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    pauses: int = 0
    virtual_seconds: float = 0.0
    rare: RareStates = field(default_factory=RareStates)
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """The stage and everybody on it."""

    options: Options
    trace: Trace
    loop: VirtualLoop = field(init=False)
    cloud: SimCloud = field(init=False)
    net: Net = field(init=False)
    storm: Storm = field(init=False)
    clients: Clients = field(init=False)
    books: Books = field(init=False)
    watch: Watch = field(init=False)
    phones: Phones = field(init=False)
    rare: RareStates = field(default_factory=RareStates)
    history: History = field(default_factory=History)
    processes: list[Process] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    kills: int = 0
    pauses: int = 0
    sessions: list[Session] = field(default_factory=list)
    _births: Counter[str] = field(default_factory=Counter)
    _over: bool = False

    def __post_init__(self) -> None:
        seed = self.options.seed
        self.loop = VirtualLoop(self.chance("schedule"))
        self.cloud = SimCloud(self.loop.time, self.chance("cloud"))
        self.cloud.begin(clouds.provisioned())
        self.storm = Storm(self.chance("storm"), self.cloud, self.rare, self.options.rate, self._struck)
        self.storm.cursed = int(seed % 8 == 0)
        self.net = Net(self.loop, self.cloud, self.storm, self.chance("net"), self.trace, self.kill)
        self.books = Books(self.cloud)
        self.watch = Watch(self.cloud, self.rare, self.found.append, lambda: self.processes)
        self.net.observers.append(self.watch.saw)
        self.net.senders.append(self.watch.sent)
        self.clients = Clients(
            self.loop, self.chance("clients"), self.history, self.rare, self.apis, self.trace, lambda: self.cloud.epoch
        )
        self.phones = Phones(self.loop, self.chance("phones"), self.clients, self.rare, self.storm)

    def chance(self, purpose: str) -> random.Random:
        """A source of its own for each purpose, so that a smaller run resembles the larger one."""
        return random.Random(f"{self.options.seed} {purpose}")

    def apis(self) -> list[Process]:
        """The API processes that take requests now."""
        return [process for process in self.processes if process.role is Role.API and process.ready and process.alive]

    def start(self, role: Role, slot: int) -> None:
        """A process, or its successor."""
        name = f"{role.value}{slot}"
        self._births[name] += 1
        rng = self.chance(f"{name} {self._births[name]}")
        actor = self.loop.actor(f"{name}.{self._births[name]}")
        process = Process(role, actor, self.net, rng, rng.uniform(-0.4, 0.4), slot=slot)
        self.processes.append(process)
        task = self.loop.start(actor, process.run())
        task.add_done_callback(self._ended, context=self.loop.world.context.copy())

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not self._over and not task.cancelled() and (error := task.exception()) is not None:
            self.found.append("a process ended: " + "".join(traceback.format_exception(error)))

    def kill(self, actor: Actor) -> None:
        """SIGKILL; the supervisor starts a successor a little later."""
        process = next(each for each in self.processes if each.actor is actor)
        self.kills += 1
        self.trace.note(f"{self.loop.now:.6f} kill {actor.name}")
        if process.role is Role.WORKER and any(
            message["visible_at"] > self.cloud.epoch for q in QUEUES for message in self.cloud.messages(q)
        ):
            self.rare.saw(Rare.WORKER_CRASH)
        self.loop.kill(actor)
        self.processes.remove(process)
        for waiting in list(process.exchanges):
            if not waiting.done():
                waiting.set_exception(ConnectionLost("the process died"))
        pause = self.storm.rng.uniform(*RESTART_SECONDS)
        self.loop.call_at(self.loop.now + pause, self.start, process.role, process.slot, context=self.loop.world.context.copy())

    def _struck(self, actor: Actor, call: Any, fault: Fault) -> None:
        self.watch.struck(actor, call, fault)
        if fault in FATAL:
            self.storm.on = self.storm.on and self.kills < 60  # a run of restarts only tests nothing

    async def nemesis(self) -> None:
        """Kill and stop processes at any instant, not only at calls."""
        rng = self.chance("nemesis")
        while True:
            await asyncio.sleep(rng.uniform(0.5, 4.0) / max(self.options.kills, 0.01))
            if not self.processes:
                continue
            process = rng.choice(self.processes)
            if rng.random() < 0.5:  # one or the other
                self.kill(process.actor)
            else:
                seconds = rng.uniform(*PAUSE_SECONDS)
                self.pauses += 1
                self.rare.saw(Rare.PROCESS_PAUSED)
                if process.relay and process.relay.shards.held and seconds > 10:  # the length of a lease
                    self.rare.saw(Rare.RELAY_PAUSED)
                self.trace.note(f"{self.loop.now:.6f} pause {process.actor.name} {seconds:.3f}")
                process.actor.paused_until = self.loop.now + seconds

    async def live(self) -> None:
        """All days."""
        for role, count in ((Role.API, self.options.apis), (Role.RELAY, self.options.relays), (Role.WORKER, self.options.workers)):
            for slot in range(count):
                self.start(role, slot)
        PROVIDER.answer = self.phones.answer
        operator = Operator(self.clients, "operator", self.cloud)
        people = [f"person{number}" for number in range(self.options.people) for _ in range(self.options.sessions)]
        self.sessions = [Session(self.clients, who, random.Random(0), self.cloud) for who in people]
        await operator.register()
        for day in range(self.options.days):
            since = datetime.fromtimestamp(self.cloud.epoch - 1, UTC)
            await self._act(operator, day)
            await self._calm()
            await self._settle(operator)
            stuck = await self._drained(operator)
            self.found += stuck
            self.found += violations(self.books, self.history, since=since, drained=not stuck)
            if self.found:
                return
            self._pass_days()

    async def _act(self, operator: Operator, day: int) -> None:
        self.storm.on = True
        self.phones.morning()
        nemesis = self.loop.start(self.loop.actor("nemesis"), self.nemesis()) if self.options.kills else None
        for number, each in enumerate(self.sessions):
            each.rng = self.chance(f"session {day} {number}")
        work = [self.loop.start(self.loop.actor(each.who), each.act(self.options.steps)) for each in self.sessions]
        work.append(
            self.loop.start(self.loop.actor("operator"), operator.act(self.options.steps * 2, self.chance(f"operator {day}")))
        )
        await asyncio.gather(*work)
        if nemesis:
            nemesis.cancel()

    async def _calm(self) -> None:
        self.storm.on = False
        for process in self.processes:
            process.actor.paused_until = 0.0
        while len(self.apis()) < self.options.apis:
            await asyncio.sleep(0.5)

    async def _settle(self, operator: Operator) -> None:
        """Every command whose end nobody knows is asked for again, with its key."""
        await operator.enable_everybody()
        for op in self.history.open:
            for _ in range(50):
                if op.final is not None:
                    break
                await self.clients.attempt(op)
                await asyncio.sleep(0.2)
            else:
                self.found.append(f"I9: {op.kind} {op.key} is never settled: {op.answers[-1:]}")
        await self.phones.settle()

    async def _drained(self, operator: Operator) -> list[str]:
        """Wait until nothing is under way, helping dead letters on as an operator does; what is left is stuck."""
        began = self.loop.now
        while self.loop.now - began < DRAIN_SECONDS_MAX:
            await operator.redrive_dead_letters()
            await operator.move_dead_messages(self.apis()[0])
            left = self._left()
            if not left:
                return []
            await asyncio.sleep(1.0)
        return [f"I9: not drained after {DRAIN_SECONDS_MAX:g} s: {each}" for each in left]

    def _left(self) -> list[str]:
        left = [f"event {row['eventId']} {row['pendingShard']}" for row in self.books.rows("outbox") if "pendingShard" in row]
        left += [f"{name}: {message['body'][:200]}" for name in QUEUES for message in self.cloud.messages(name)]
        left += [f"{name}-dlq: a message" for name in QUEUES for _ in self.cloud.messages(f"{name}-dlq")]
        left += [str(row) for row in self.books.rows("whatsapp-notifications") if "nextAttemptAt" in row]
        left += [str(row) for row in self.books.rows("whatsapp-inbound") if "outcome" not in row]
        return left + self.phones.left()

    def _pass_days(self) -> None:
        """Days pass, often to just before something expires; TTL deletes some of what is over, and not all."""
        rng = self.chance(f"days {self.cloud.shift}")
        waiting = [row["expiresAt"] for row in self.books.rows("pending-approvals") if row.get("status") == "pending"]
        dates = [datetime.fromisoformat(row["nextDueDate"]).timestamp() for row in self.books.rows("cards") if row["balance"]]
        due = [date for date in dates if date > self.cloud.epoch + 7_200]
        if waiting and rng.random() < 0.9:  # mostly
            soonest = datetime.fromisoformat(min(waiting)).timestamp()
            self.cloud.shift += max(0.0, soonest - self.cloud.epoch - rng.uniform(0, 5))
        elif due and rng.random() < 0.4:  # often enough
            self.cloud.shift += rng.choice(due) - self.cloud.epoch + rng.uniform(-1, 20) * 3_600
        else:
            self.cloud.shift += timedelta(days=rng.choice((1, 2, 7, 31, 45)), hours=rng.uniform(0, 2)).total_seconds()
        now = self.cloud.epoch
        for table in ("idempotency", "outbox", "whatsapp-inbound"):
            for _ in range(clouds.expired(clouds.NAMES.table_prefix + table, before=now, chosen=lambda: rng.random() < 0.5)):
                self.rare.saw(Rare.TTL_DELETED)

    def result(self) -> Result:
        """The figures."""
        return Result(
            options=self.options,
            digest=self.trace.digest,
            found=self.found,
            operations=len(self.history.ops),
            calls=sum(self.net.operations.values()),
            faults=self.net.faults,
            kills=self.kills,
            pauses=self.pauses,
            virtual_seconds=self.loop.now,
            rare=self.rare,
            lines=self.trace.lines,
        )


def simulate(options: Options, *, reading: bool = False, heard: Callable[[str, dict[str, Any]], None] | None = None) -> Result:
    """Do one run, from beginning to end, in this thread."""
    collecting = gc.isenabled()
    gc.disable()  # finalisers would run at instants that no seed chooses
    run = Run(options, Trace(reading=reading))
    quiet_logs(heard or run.watch.log)

    async def main() -> None:
        try:
            await run.live()
        except Stuck as stuck:
            run.found.append(f"I9: {stuck}")
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding of this seed
            run.found.append("".join(traceback.format_exception(error)))
        run._over = True
        run.net.closed = True
        run.storm.on = False
        await cancel_all(run.loop, asyncio.current_task())

    try:
        run.loop.run_until_complete(run.loop.create_task(main(), context=run.loop.world.context))
    except Stuck as stuck:
        run.found.append(f"I9: {stuck}")
    finally:
        run.loop.close()
        if collecting:
            gc.enable()
            gc.collect()
    return run.result()
