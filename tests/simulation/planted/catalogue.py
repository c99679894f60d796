"""The planted bugs: which rule each breaks, by which substitutions in the source, and what is asked to catch it.

A catcher is `sweep:<part of a scenario's name>`, `seeds`, or a test file of the project.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Edit:
    """One substitution; `old` stands exactly once in the file below `src/tazco`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Planted:
    """One bug."""

    name: str
    rule: str
    edits: tuple[Edit, ...]
    catchers: tuple[str, ...]


def one(name: str, rule: str, path: str, old: str, new: str, *catchers: str) -> Planted:
    """A bug of a single substitution."""
    return Planted(name, rule, (Edit(path, old, new),), catchers)


WORK, COMMANDS, COMMIT = "platform/work.py", "platform/commands.py", "platform/commit.py"
PUBLISHING, CONSUMER = "platform/publishing.py", "platform/consumer.py"
TRANSACTIONS = "transactions/commands.py"

BUGS: Final[tuple[Planted, ...]] = (
    one("no idempotency record", "I2", WORK, "if self._once and answer:", "if self._once and not answer:", "sweep:purchase"),
    Planted(
        "outbox written apart from its commit",
        "I4",
        (
            Edit(WORK, "        for row in self.outbox:\n            commit.insert(OUTBOX, row)\n", ""),
            Edit(
                COMMANDS,
                "                        self._tell(work)\n",
                "                        for row in work.outbox:\n"
                "                            await self.database.write(OUTBOX, row, condition='attribute_not_exists(#p)')\n"
                "                        self._tell(work)\n",
            ),
            Edit(COMMANDS, "import OutboxRow\n", "import OUTBOX, OutboxRow\n"),
        ),
        ("sweep:purchase",),
    ),
    one(
        "marked as published before it is sent",
        "I4",
        PUBLISHING,
        "        try:\n            verdicts = await self.bus.put(batch)\n",
        "        for row in batch:\n            await mark_published(self.database, row, self.clock(), traced=self.traced)\n"
        "        try:\n            verdicts = await self.bus.put(batch)\n",
        "sweep:relay",
        "seeds",
    ),
    one(
        "condition of an update dropped",
        "I3",
        COMMIT,
        'condition = "#v = :v"',
        'condition = "#v = :v OR attribute_exists(#p0)"; names["#p0"] = table.partition',
        "sweep:payment",
        "seeds",
    ),
    one(
        "tally without its mark",
        "I5",
        "tally/commands.py",
        "    if marked is not None:\n        return False\n    expires_at = kept_until(began_at)\n    work.add(MARKS, Mark(event_key=event_key(command.event_id), expires_at=expires_at))\n",
        "    expires_at = kept_until(began_at)\n",
        "sweep:tally",
        "seeds",
    ),
    one(
        "notification with an id of chance",
        "I5",
        "notifications/store.py",
        "str(uuid.uuid5(CAUSES, composite(cause, recipient)))",
        "str(uuid.uuid4())",
        "sweep:notifications",
        "seeds",
    ),
    one(
        "rounded down",
        "I3",
        "kernel/money.py",
        "(2 * numerator + denominator) // (2 * denominator)",
        "numerator // denominator",
        "sweep:payment",
        "seeds",
    ),
    one(
        "cursor not bound to its list",
        "cursors",
        "platform/paging.py",
        "encode([VERSION, *binding])",
        "encode([VERSION])",
        "tests/platform/test_paging.py",
    ),
    one(
        "signature over the decoded body",
        "webhooks",
        "platform/whatsapp/signatures.py",
        "hmac.new(key, raw, hashlib.sha256)",
        'hmac.new(key, __import__("json").dumps(__import__("json").loads(raw)).encode(), hashlib.sha256)',
        "tests/platform/whatsapp/test_signatures.py",
        "sweep:webhook",
    ),
    one(
        "sequence that stands still",
        "I4",
        WORK,
        "sequence=before.sequence + len(events)",
        "sequence=before.sequence",
        "sweep:purchase",
    ),
    one("version that stands still", "I8", WORK, "version=before.version + 1", "version=before.version", "sweep:purchase"),
    one(
        "guard of the open request dropped",
        "I5",
        "card_requests/commands.py",
        "        work.change(USERS, owner, owner.holding(owner.active_card_id, asked.request_id, work.now))\n        await_decision",
        "        await_decision",
        "sweep:ask",
    ),
    one(
        "event not held back for the one before it",
        "I4",
        PUBLISHING,
        "if held.clear or previous is None or not previous.pending or previous.event_id in self._sent:",
        "if held.clear or True:",
        "sweep:relay",
        "seeds",
    ),
    one(
        "refusal of the bus taken for a yes",
        "I4",
        "platform/bus.py",
        'if result.get("EventId") and not result.get("ErrorCode"):',
        'if result.get("EventId") or result.get("ErrorCode"):',
        "sweep:relay",
    ),
    one(
        "expiry left to TTL",
        "I2",
        "platform/idempotency.py",
        "stored is not None and stored.expires_at > now.timestamp()",
        "stored is not None",
        "seeds",
    ),
    one("token of another commit", "I1", COMMIT, "str(uuid.uuid4())", "str(uuid.UUID(int=7))", "sweep:purchase"),
    one("decline not recorded", "I1", TRANSACTIONS, "    work.add(TRANSACTIONS, failed)\n", "", "sweep:purchase, declined"),
    one(
        "suspension without audit",
        "I7",
        "audit/commands.py",
        "    caller = work.origin.caller\n    work.add(\n",
        "    caller = work.origin.caller\n    if action is Action.CARD_SUSPENDED:\n        return\n    work.add(\n",
        "sweep:suspend",
    ),
    one(
        "lease used after its end",
        "I9",
        "platform/shards.py",
        " or self.monotonic() >= held.until - MARGIN_SECONDS:",
        ":",
        "seeds",
    ),
    Planted(
        "stored answer looked for after the rules",
        "I2",
        (
            Edit(
                WORK,
                "            if stored is not None and alive(stored, self.now):\n                raise AlreadyAnswered(stored)\n",
                "            assert stored is None or stored\n",
            ),
            Edit(
                COMMANDS,
                "            if stored is not None and alive(stored, self.clock()):\n                return once.replay(stored)\n            raise\n",
                "            raise\n",
            ),
        ),
        ("sweep:ask, granted",),
    ),
    one(
        "score not clamped",
        "I3",
        "scores/rules.py",
        "return max(SCORE_MIN, min(SCORE_MAX, score))",
        "return score",
        "seeds",
        "tests/scores/test_rules.py",
    ),
    one(
        "the due day itself is late",
        "I3",
        "cards/rules.py",
        "if paid_at.date() <= due_at.date():",
        "if paid_at.date() < due_at.date():",
        "tests/cards/test_rules.py",
        "seeds",
    ),
    one(
        "a cent above the limit",
        "I3",
        "cards/model.py",
        "if amount > self.available_credit:",
        "if amount > self.available_credit + 1:",
        "sweep:purchase, declined",
    ),
    one("a cent above the balance", "I3", "cards/model.py", "if amount > self.balance:", "if amount > self.balance + 1:", "seeds"),
    one(
        "message deleted before its effect",
        "I5",
        CONSUMER,
        "                        if await self._handle(message, envelope):\n                            self._delete_soon(message)\n",
        "                        self._delete_soon(message)\n                        await self._handle(message, envelope)\n",
        "sweep:notifications",
    ),
    one(
        "key taken with another body",
        "I2",
        "platform/idempotency.py",
        "if stored.fingerprint != self.fingerprint:",
        "if False:",
        "seeds",
    ),
    one(
        "tracker left open by a decision",
        "I6",
        "trackers/commands.py",
        "if found is not None and found.open:",
        "if found is None:",
        "sweep:approve",
        "sweep:webhook",
    ),
    one("score step without its history", "I4", "scores/commands.py", "    work.add(SCORES, step)\n", "", "sweep:score"),
    one(
        "ledger row of a purchase forgotten",
        "I1",
        TRANSACTIONS,
        "    work.change(CARDS, found, charged, event)\n    work.add(TRANSACTIONS, made)\n",
        "    work.change(CARDS, found, charged, event)\n",
        "sweep:purchase",
    ),
    one(
        "registration without its event",
        "I1",
        "users/commands.py",
        "    work.add(USERS, created, event)\n",
        "    work.add(USERS, created)\n",
        "sweep:register",
    ),
    one(
        "phone numbers in the log",
        "I11",
        "platform/logs.py",
        'return PHONE.sub(r"****\\1", text)',
        "return text",
        "tests/platform/test_logs.py",
    ),
)
