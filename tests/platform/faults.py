"""Faults at the one seam through which the program talks to AWS."""

import asyncio
import json
from dataclasses import dataclass, field

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.wire import Pool, Reply, WireFailure

COMMIT = "TransactWriteItems"


@dataclass(slots=True)
class Faulty:
    """A transport that lets faults strike the next calls of an operation, one fault a call; `calls` counts what went out."""

    plan: dict[str, list[str | Reply]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def strike(self, operation: str, *faults: str | Reply) -> None:
        """Plan faults: `lost before`, `lost after`, `hangs after`, or an answer to give instead of the real one."""
        self.plan[operation] = list(faults)
        self.reached.clear()

    def count(self, operation: str) -> int:
        """How often an operation went out."""
        return sum(call.operation == operation for call in self.calls)

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        """The call, or the fault that is planned for it."""
        self.calls.append(call)
        planned = self.plan.get(call.operation)
        fault = planned.pop(0) if planned else None
        if isinstance(fault, Reply):
            return fault
        if fault == "lost before":
            raise WireFailure("lost before", sent=False)
        reply = await over_the_wire(call, pool, request, timeout_seconds)
        if fault == "lost after":
            raise WireFailure("lost after", sent=True)
        if fault == "hangs after":
            self.reached.set()
            await asyncio.Event().wait()
        return reply


def error(status: int, code: str, **body: object) -> Reply:
    """An error as the service answers it."""
    return Reply(
        status, {}, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "planned", **body}).encode()
    )


def cancelled(*codes: str) -> Reply:
    """A cancelled transaction, one reason for each of its actions."""
    return error(400, "TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])
