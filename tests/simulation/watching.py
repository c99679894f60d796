"""What is watched while it happens: versions, transitions, the order on the bus, the log; and the rare states that show themselves there."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from tazco.platform.aws import Call
from tazco.platform.outbox import shard_of
from tazco.platform.shards import MARGIN_SECONDS, SHARD_KEYS
from tazco.platform.wire import Reply
from tests.platform.faults import COMMIT
from tests.simulation.chaos import KEYS
from tests.simulation.cloud import NAMES, SimCloud
from tests.simulation.faults import AFTER, FATAL, Fault
from tests.simulation.invariants import plain
from tests.simulation.ledger import Rare, RareStates
from tests.simulation.loop import Actor
from tests.simulation.process import Process, Role
from tests.simulation.wire import details

FINAL: Final = {
    "sim-cards": ("status", {"cancelled"}),
    "sim-card-requests": ("status", {"approved", "rejected"}),
    "sim-pending-approvals": ("status", {"approved", "rejected", "expired"}),
}
SECRET: Final = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.|simulated-app-secret|simulated-access-token|(?<!\d)55119\d{8}(?!\d)")
BUGS: Final = ("unexpected", "consumer.failed", "timer.failed", "not_finished", "not_expired", "undelivered")


@dataclass(slots=True)
class Watch:
    """Sees every call that was carried out, past all faults."""

    cloud: SimCloud
    rare: RareStates
    report: Callable[[str], None]
    processes: Callable[[], list[Process]]
    _versions: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict)
    _status: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)
    _left: dict[tuple[str, str], int] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _sent: set[int] = field(default_factory=set)
    _received: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def remember(self, left: Iterable[dict[str, Any]]) -> None:
        """Events that had left before the watch began."""
        for row in left:
            stream = (row["aggregateType"], row["aggregateId"])
            self._taken.add(row["eventId"])
            self._left[stream] = max(row["sequence"], self._left.get(stream, 0))

    def forget(self) -> None:
        """Everything was deleted: whoever comes now begins anew."""
        for memory in (self._versions, self._status, self._left):
            memory.clear()

    def saw(self, actor: Actor, call: Call, reply: Reply) -> None:
        """One call and what the service made of it."""
        if call.operation == COMMIT:
            self._commit(call, reply)
        elif call.operation == "PutEvents" and reply.status == 200:  # HTTP
            self._put(actor, call, reply)
        elif call.operation == "ReceiveMessage" and reply.status == 200:  # HTTP
            self._receive(call, reply)

    def sent(self, actor: Actor, call: Call) -> None:
        """I9: whoever begins to publish holds the shard, and will for a while; what is sent again may be a little later."""
        if call.operation != "PutEvents":
            return
        relay = next((process.relay for process in self.processes() if process.actor is actor), None)
        first = crc32(call.body) not in self._sent
        self._sent.add(crc32(call.body))
        if relay is None or not first:
            return
        for event in details(call):
            shard = shard_of(event["aggregateType"], event["aggregateId"])
            held = relay.shards._held.get(SHARD_KEYS[shard])
            if held is None or relay.monotonic() > held.until - MARGIN_SECONDS:
                self.report(f"I9: {actor.name} publishes from {shard} after its lease")

    def struck(self, actor: Actor, call: Call, fault: Fault) -> None:
        """A fault befell a call."""
        process = next((each for each in self.processes() if each.actor is actor), None)
        if process is None:
            return
        if call.operation == COMMIT and process.role is Role.API and fault in FATAL and process.exchanges:
            self.rare.saw(Rare.CRASH_AFTER_COMMIT if fault in AFTER else Rare.CRASH_BEFORE_COMMIT)
        elif call.operation == COMMIT and fault in AFTER:
            self.rare.saw(Rare.COMMIT_UNKNOWN)
        elif call.operation == "PutEvents" and fault is Fault.ABANDON_AFTER:
            self.rare.saw(Rare.CRASH_AFTER_PUBLISH)
        elif call.operation == "PutEvents" and fault is Fault.PARTLY_REFUSED and len(json.loads(call.body)["Entries"]) > 1:
            self.rare.saw(Rare.PARTLY_REFUSED)

    def _commit(self, call: Call, reply: Reply) -> None:
        body = json.loads(call.body)
        if reply.status != 200:  # HTTP
            if b"ConditionalCheckFailed" in reply.body:
                self.rare.saw(Rare.REDECIDED)
            return
        again = body["ClientRequestToken"] in self._tokens
        self._tokens.add(body["ClientRequestToken"])
        for action in body["TransactItems"]:
            ((kind, given),) = action.items()
            if kind != "ConditionCheck" and not again:
                self._written(given)

    def _written(self, given: dict[str, Any]) -> None:
        """I8: a version moves by one, a final state stays, a balance keeps within its limit."""
        table = given["TableName"]
        source = given.get("Item") or given["Key"]
        key = tuple(source[name]["S"] for name in KEYS[table])
        item = self.cloud.row(table, key)
        if item is None:
            return
        row = plain(item)
        if "version" in row:
            before = self._versions.get((table, key))
            if before is not None and row["version"] != before + 1 and not (row["version"] == 1 and table == "sim-idempotency"):
                self.report(f"I8: {table} {key} went from version {before} to {row['version']}")
            self._versions[table, key] = row["version"]
        if table in FINAL and FINAL[table][0] in row:
            self._transition(table, key, row)
        if table == "sim-cards" and not 0 <= row["balance"] <= row["limit"]:
            self.report(f"I3: card {key} has {row['balance']} of {row['limit']}")

    def _transition(self, table: str, key: tuple[str, ...], row: dict[str, Any]) -> None:
        status, before = row["status"], self._status.get((table, key))
        if before in FINAL[table][1] and before != status:
            self.report(f"I8: {table} {key} went from {before} to {status}")
        if table == "sim-pending-approvals" and status == "expired" and before != status:
            self.rare.saw(Rare.EXPIRED)
        self._status[table, key] = status

    def _put(self, actor: Actor, call: Call, reply: Reply) -> None:
        """I4: an event leaves after the one before it. Twice is allowed, and counted."""
        for event, result in zip(details(call), json.loads(reply.body)["Entries"], strict=False):
            if not result.get("EventId"):
                continue
            stream = (event["aggregateType"], event["aggregateId"])
            if event["eventId"] in self._taken:
                self.rare.saw(Rare.PUBLISHED_TWICE)
                continue
            self._taken.add(event["eventId"])
            if event["sequence"] != self._left.get(stream, 0) + 1:
                self.report(f"I4: {event['eventType']} {event['sequence']} of {stream} left after {self._left.get(stream, 0)}")
            self._left[stream] = event["sequence"]
            self._holders(actor, shard_of(*stream))

    def _holders(self, actor: Actor, shard: str) -> None:
        relays = [process.relay for process in self.processes() if process.relay is not None]
        if sum(relay.shards.fence(shard) is not None for relay in relays) > 1:
            self.rare.saw(Rare.TWO_RELAYS)
        lease = self.cloud.row(NAMES.table_prefix + "outbox-sequences", ("lease#shard" + shard.removeprefix("pending"),))
        own = next((process.relay for process in self.processes() if process.actor is actor), None)
        if own is not None and lease is not None and plain(lease)["owner"] != own.shards.owner:
            self.rare.saw(Rare.LEASE_LOST)

    def _receive(self, call: Call, reply: Reply) -> None:
        queue = json.loads(call.body)["QueueUrl"]
        for message in json.loads(reply.body).get("Messages", ()):
            event = json.loads(message["Body"])["detail"]
            stream = (queue, event["aggregateType"], event["aggregateId"])
            if event["sequence"] < self._received.get(stream, 0):
                self.rare.saw(Rare.OUT_OF_ORDER)
            self._received[stream] = max(event["sequence"], self._received.get(stream, 0))

    def log(self, level: str, entry: dict[str, Any]) -> None:
        """I11: no secret and no phone in the log; and whatever the program itself calls unexpected is a finding."""
        text = json.dumps(entry, default=str)
        if (secret := SECRET.search(text)) is not None:
            self.report(f"I11: the log shows {secret[0][:12]}…: {entry.get('event')}")
        if level in ("error", "exception", "critical") and "exception" in entry and not any(each in text for each in EXCUSED):
            self.report(f"a bug was logged: {entry.get('event')}: {entry['exception'][-1500:]}")


EXCUSED: Final = (
    "AwsUnreachable",
    "AwsError",
    "Unavailable",
    "VersionConflict",
    "TimeoutError",
    "Overloaded",
    "NoQueue",
    "ReadError",
    "NotFinished",
)
"""What faults cause, however it is logged."""
