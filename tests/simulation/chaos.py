"""What a seed lets happen to calls, to events on their way, and to indexes."""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tazco.platform.aws import Call
from tazco.platform.tables import Key
from tazco.platform.wire import Reply
from tazco.slices import TABLES
from tests.platform.faults import COMMIT
from tests.simulation.cloud import NAMES, SimCloud, _new_uuid
from tests.simulation.faults import FATAL, Fault, faults_of
from tests.simulation.ledger import Rare, RareStates
from tests.simulation.loop import Actor

FATAL_SHARE: Final = 0.08
SPELL_SHARE: Final = 0.06
SPELL_CALLS_MAX: Final = 8
"""Now and then the same fault strikes the same operation of a process again and again, longer than its retries last."""

SPELL_SHARES: Final = {Fault.CANCELLED_CONFLICT: 0.3}
"""A row that everybody wants is the one fault that outlasts six attempts by nature."""

LAG_SECONDS_MAX: Final = 1.5
DELAY_SECONDS_MAX: Final = 8.0
NEVER: Final = frozenset({Fault.CANCELLED_INVALID, Fault.RIVAL})
"""The first would be a bug of ours and is answered with 500; the second happens by itself, because there are rivals."""

KEYS: Final = {NAMES.table_prefix + table.name: table.key_names for table in reversed(TABLES)}


@dataclass(slots=True)
class Storm:
    """`rate` is how many calls of a hundred are struck; `on` whether any are. Doubling, delay and lag go with it."""

    rng: random.Random
    cloud: SimCloud
    rare: RareStates
    rate: float
    seen: Callable[[Actor, Call, Fault], None]
    on: bool = False
    cursed: int = 0
    written: dict[tuple[str, Key], float] = field(default_factory=dict)
    _spells: dict[tuple[str, str], tuple[Fault, int]] = field(default_factory=dict)
    _curse: dict[str, int] = field(default_factory=dict)

    def choose(self, actor: Actor, call: Call) -> Fault | None:
        """The fault of this call, if one strikes."""
        if self._is_cursed(call):
            return Fault.PARTLY_REFUSED
        if not self.on:
            return None
        if (spell := self._spells.get((actor.name, call.operation))) is not None:
            fault, left = spell
            if left > 1:
                self._spells[actor.name, call.operation] = (fault, left - 1)
            else:
                del self._spells[actor.name, call.operation]
            self.seen(actor, call, fault)
            return fault
        if self.rng.random() >= self.rate:
            return None
        possible = [fault for fault in faults_of(call) if fault not in NEVER and fault not in FATAL]
        fault = self.rng.choice(possible)
        if self.rng.random() < FATAL_SHARE and actor.name != "tools":
            fault = self.rng.choice((Fault.ABANDON_BEFORE, Fault.ABANDON_AFTER))
        elif self.rng.random() < SPELL_SHARES.get(fault, SPELL_SHARE) and fault not in (
            Fault.PARTLY_REFUSED,
            Fault.PARTLY_UNPROCESSED,
        ):
            self._spells[actor.name, call.operation] = (fault, self.rng.randint(3, SPELL_CALLS_MAX))
        self.seen(actor, call, fault)
        return fault

    def _is_cursed(self, call: Call) -> bool:
        """Now and then the bus refuses one event until it is given up."""
        if call.operation != "PutEvents":
            return False
        entries = json.loads(call.body)["Entries"]
        event_id = json.loads(entries[0]["Detail"])["eventId"]
        if self.cursed and self.on and event_id not in self._curse:
            self.cursed -= 1
            self._curse[event_id] = 6
        if len(entries) == 1 and self._curse.get(event_id, 0) > 0:
            self._curse[event_id] -= 1
            return True
        return False

    def shape(self, _: Actor, call: Call, before: dict[str, int], reply: Reply) -> Reply:
        """Double, put off and reorder what the bus delivers; hide from an index what is younger than its lag."""
        if call.operation == "PutEvents" and self.on:
            self._deliver(before)
        elif call.operation in (COMMIT, "PutItem", "UpdateItem") and reply.status == 200:  # HTTP
            self._note_writes(call)
        elif call.operation == "Query" and self.on and b'"IndexName"' in call.body:
            return self._lagging(call, reply)
        return reply

    def _deliver(self, before: dict[str, int]) -> None:
        for name, length in before.items():
            queue = self.cloud.queue(name)
            fresh = queue["messages"][length:]
            del queue["messages"][length:]
            for message in fresh:
                if self.rng.random() < 0.1:  # a tenth is put off
                    message["visible_at"] += self.rng.uniform(0, DELAY_SECONDS_MAX)
                if self.rng.random() < 0.03:  # as if its receivers had died
                    message["receive_count"] = 5
                if self.rng.random() < 0.1:  # a tenth comes twice
                    queue["messages"].insert(self.rng.randint(0, len(queue["messages"])), self._twin(message))
                queue["messages"].insert(self.rng.randint(0, len(queue["messages"])), message)

    def _twin(self, message: dict[str, Any]) -> dict[str, Any]:
        self.rare.saw(Rare.DELIVERED_TWICE)
        twin = copy.deepcopy(message)
        twin["id"] = _new_uuid()
        twin["receive_count"] = 0
        twin["visible_at"] += self.rng.uniform(0, DELAY_SECONDS_MAX)
        return twin

    def _note_writes(self, call: Call) -> None:
        body = json.loads(call.body)
        actions = [next(iter(each.values())) for each in body["TransactItems"]] if call.operation == COMMIT else [body]
        for action in actions:
            names = KEYS[action["TableName"]]
            item = action.get("Item") or action.get("Key")
            self.written[action["TableName"], tuple(item[name]["S"] for name in names)] = self.cloud.now()

    def _lagging(self, call: Call, reply: Reply) -> Reply:
        body = json.loads(reply.body)
        items = body.get("Items")
        if not items or self.rng.random() < 0.5:  # half of the time an index is up to date
            return reply
        table = json.loads(call.body)["TableName"]
        oldest_hidden = self.cloud.now() - self.rng.uniform(0, LAG_SECONDS_MAX)
        shown = [
            item
            for item in items
            if self.written.get((table, tuple(item[name]["S"] for name in KEYS[table])), float("-inf")) < oldest_hidden
        ]
        if len(shown) == len(items):
            return reply
        self.rare.saw(Rare.INDEX_LAGGED)
        return Reply(reply.status, reply.headers, json.dumps({**body, "Items": shown, "Count": len(shown)}).encode())
