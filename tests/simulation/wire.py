"""The way from a process to AWS: it takes time, faults strike on it, and everything that passes goes into the trace."""

import asyncio
import hashlib
import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tazco.platform.aws import Call
from tazco.platform.wire import Pool, Reply, WireFailure
from tests.simulation.cloud import SimCloud
from tests.simulation.faults import AFTER, BATCHED, FATAL, Fault, joined, refusal, split
from tests.simulation.loop import Actor, VirtualLoop

LATENCY_SECONDS: Final = (0.001, 0.02)
TOKEN: Final = re.compile(rb'"ClientRequestToken":"[^"]*"')


@dataclass(slots=True)
class Trace:
    """What happened, as one number: two runs with the same one were the same. `lines` are kept where somebody wants to read."""

    reading: bool = False
    lines: list[str] = field(default_factory=list)
    events: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def note(self, line: str) -> None:
        """One thing that happened."""
        self.events += 1
        self._hash.update(line.encode())
        if self.reading:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """All of it."""
        return str(self._hash.hexdigest())[:16]


class Chaos(Protocol):
    """Says what befalls a call; the run draws it, the sweep plans it."""

    def choose(self, actor: Actor, call: Call) -> Fault | None:
        """The fault that strikes this call."""
        ...

    def shape(self, actor: Actor, call: Call, before: dict[str, int], reply: Reply) -> Reply:
        """What else happens to a call that was carried out: events doubled and put off, messages out of order, an index that lags."""
        ...


Observer = Callable[[Actor, Call, Reply], None]


@dataclass(slots=True)
class Net:
    """All ways to AWS of one run."""

    loop: VirtualLoop
    cloud: SimCloud
    chaos: Chaos
    rng: random.Random
    trace: Trace
    kill: Callable[[Actor], None]
    rival: Callable[[], Awaitable[None]] | None = None
    observers: list[Observer] = field(default_factory=list)
    senders: list[Callable[[Actor, Call], None]] = field(default_factory=list)
    operations: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    closed: bool = False

    def wire(self, actor: Actor) -> "Wire":
        """The way of one process."""
        return Wire(self, actor)

    def observe(self, actor: Actor, call: Call, reply: Reply) -> None:
        """Tell everybody who wants to know of a call that was carried out."""
        for observer in self.observers:
            observer(actor, call, reply)


@dataclass(slots=True)
class Wire:
    """`Aws.transport` of one process."""

    net: Net
    actor: Actor

    async def __call__(self, call: Call, _pool: Pool, _request: bytes, timeout_seconds: float) -> Reply:
        """The call, or what befalls it."""
        net = self.net
        if net.closed:
            raise WireFailure("the run is over", sent=False)
        for sent in net.senders:
            sent(self.actor, call)
        await asyncio.sleep(net.rng.uniform(*LATENCY_SECONDS))
        fault = net.chaos.choose(self.actor, call)
        net.operations[call.operation] += 1
        if fault is not None:
            net.faults[fault.value] += 1
        self._note(call, fault)
        reply = await self._carried_out(call, fault, timeout_seconds)
        await asyncio.sleep(net.rng.uniform(*LATENCY_SECONDS))
        return reply

    def _note(self, call: Call, fault: Fault | None) -> None:
        body = zlib.crc32(TOKEN.sub(b"", call.body))
        self.net.trace.note(f"{self.net.loop.now:.6f} {self.actor.name} {call.operation} {body:08x} {fault or ''}")

    async def _carried_out(self, call: Call, fault: Fault | None, timeout_seconds: float) -> Reply:
        if fault is None:
            return await self._answered(call)
        if fault is Fault.RIVAL:
            assert self.net.rival is not None, "the scenario has a rival"
            await self.net.rival()
            return await self._answered(call)
        if fault in (Fault.PARTLY_REFUSED, Fault.PARTLY_UNPROCESSED):
            rest, missed = split(call, self.net.rng.random())
            return joined(call, await self._answered(rest) if rest else None, missed)
        if fault in AFTER:
            await self._answered(call)
        if fault in FATAL:
            self.net.kill(self.actor)
            await asyncio.Event().wait()
        if fault in (Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER):
            await asyncio.sleep(timeout_seconds)
            raise WireFailure(f"no answer in {timeout_seconds:g} s", sent=True)
        if fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER):
            raise WireFailure("the connection was reset", sent=True)
        return refusal(fault, call, self.net.rng.random())

    async def _answered(self, call: Call) -> Reply:
        net = self.net
        if call.operation == "ReceiveMessage":
            reply = await net.cloud.receive(call)
            reply = net.chaos.shape(self.actor, call, {}, reply)
        else:
            before = lengths(net.cloud) if call.operation == "PutEvents" else {}
            reply = net.cloud.carry_out(call)
            reply = net.chaos.shape(self.actor, call, before, reply)
        net.observe(self.actor, call, reply)
        return reply


QUEUES: Final = ("sim-notifications", "sim-tally")


def lengths(cloud: SimCloud) -> dict[str, int]:
    """How many messages each queue of a worker holds."""
    return {name: len(cloud.queue(name)["messages"]) for name in QUEUES}


def details(call: Call) -> Iterable[dict[str, Any]]:
    """The events in a PutEvents call."""
    return (json.loads(entry["Detail"]) for entry in json.loads(call.body)["Entries"])


__all__ = ["BATCHED", "Chaos", "Net", "Observer", "Trace", "Wire", "details", "lengths"]
