"""A made-up export of another programme, for trying `tazco import`. `python -m bench.export --people 10000 --transactions 100000 DIR`.

The same sizes and seed give the same bytes. Memory stays flat: everything of one person is made, written and forgotten.
"""

import argparse
import json
import random
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from tazco.kernel.clock import to_text
from tazco.kernel.money import Money
from tazco.migration.model import Collection
from tazco.platform.jsontext import amount, encode
from tazco.users.model import tier_of

NOW: Final = datetime(2025, 4, 5, 6, 7, 8, 90_000, tzinfo=UTC)
"""In the past wherever this runs: what happens after an import has later ids."""
LIMITS: Final = {"low": Money(50_000), "medium": Money(150_000), "high": Money(300_000)}
DAYS: Final = 700
OPERATORS: Final = 25
BUSY_SHARE: Final = 0.05
"""One card has this part of all transactions."""

PAYING_SHARE: Final = 0.25
REFUSED_SHARE: Final = 0.05

WAITS, TURNED_DOWN, HAD_ANOTHER, DISABLED_EVERY = 1, 2, 3, 97
"""Of ten people one waits for a decision, one was turned down, and one had a card before the present one."""

Document = tuple[Collection, dict[str, Any]]


@dataclass(slots=True)
class Life:
    """One person, from the first day on."""

    number: int
    transactions: int
    chance: random.Random
    score: int = 500
    now: datetime = NOW
    updated: datetime = NOW
    award: datetime | None = None
    _ids: int = field(default=0)

    def documents(self) -> Iterator[Document]:
        """Everything that is known of the person; the person last, when the score is known."""
        joined = self._moves_on(NOW - timedelta(days=DAYS, seconds=-self.number % 86_400))
        yield from self._step(self.chance.randint(300, 900), "Income verified", "admin")
        yield self._deed("score.adjusted", "user", self.owner, {"score": 500}, {"score": self.score})
        if self.number % 10 in (WAITS, TURNED_DOWN):
            yield from self._wish()
        else:
            if self.number % 10 == HAD_ANOTHER:
                yield from self._card(0, cancelled=True)
            yield from self._card(self.transactions, cancelled=False)
        yield Collection.USERS, self._person(joined)

    @property
    def owner(self) -> str:
        """The person's id."""
        return f"person-{self.number:07d}"

    def _person(self, joined: datetime) -> dict[str, Any]:
        return {
            "ecosystemId": self.owner,
            "firebaseUid": f"subject-{self.number:07d}",
            "email": f"person{self.number}@export.example",
            "role": "user",
            "status": "disabled" if self.number % DISABLED_EVERY == DISABLED_EVERY - 1 else "active",
            "currentScore": self.score,
            "tier": tier_of(self.score).value,
            "createdAt": to_text(joined),
            "updatedAt": to_text(self.updated),
            "lastLoginAt": to_text(self.now),
        }

    def _moves_on(self, instant: datetime) -> datetime:
        self.now = instant
        return instant

    def _later(self, room: timedelta) -> datetime:
        return self._moves_on(self.now + timedelta(milliseconds=self.chance.randint(1, max(1, room // timedelta(milliseconds=1)))))

    def _id(self) -> str:
        """A UUIDv7 of the person's present instant: ids sort by time."""
        self._ids += 1
        milliseconds = int(self.now.timestamp()) * 1_000 + self.now.microsecond // 1_000
        low = (self.number << 24) + self._ids
        return str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | low))

    def _step(self, score: int, reason: str, source: str) -> Iterator[Document]:
        before, self.score, self.updated = self.score, max(0, min(1_000, score)), self.now
        yield (
            Collection.SCORES,
            {
                "scoreId": self._id(),
                "ecosystemId": self.owner,
                "value": self.score,
                "previousValue": before,
                "delta": self.score - before,
                "reason": reason,
                "source": source,
                "timestamp": to_text(self.now),
            },
        )

    def _wish(self) -> Iterator[Document]:
        request_id = self._id()
        self._later(timedelta(days=DAYS / 2))
        document = {
            "requestId": request_id,
            "ecosystemId": self.owner,
            "productId": "default-credit-card",
            "status": "pending",
            "scoreAtRequest": self.score,
            "tierAtRequest": tier_of(self.score).value,
            "createdAt": to_text(self.now),
            "updatedAt": to_text(self.now),
        }
        if self.number % 10 == TURNED_DOWN:
            self._later(timedelta(days=7))
            decision = {
                "status": "rejected",
                "decidedAt": to_text(self.now),
                "decisionSource": "admin",
                "updatedAt": to_text(self.now),
            }
            document |= decision | {"decidedBy": self._operator, "reason": "Income too low"}
            yield self._deed("card_request.rejected", "card-request", request_id, {"status": "pending"}, {"status": "rejected"})
        yield Collection.CARD_REQUESTS, document

    @property
    def _operator(self) -> str:
        return f"operator-{self.number % OPERATORS}"

    def _deed(self, action: str, kind: str, target: str, before: dict[str, Any], after: dict[str, Any]) -> Document:
        return (
            Collection.AUDIT_LOGS,
            {
                "logId": self._id(),
                "actorId": self._operator,
                "adminEcosystemId": self._operator,
                "adminEmail": f"{self._operator}@export.example",
                "action": action,
                "targetType": kind,
                "targetId": target,
                "targetEcosystemId": self.owner,
                "previousValue": before,
                "newValue": after,
                "reason": "As the policy says",
                "requestId": str(uuid.UUID(int=self.chance.getrandbits(128), version=4)),
                "ipAddress": "192.0.2.1",
                "userAgent": "Mozilla/5.0",
                "timestamp": to_text(self.now),
            },
        )

    def _card(self, transactions: int, *, cancelled: bool) -> Iterator[Document]:
        granted = self._later(timedelta(days=7))
        request_id, card_id = self._id(), self._id()
        tier, score = tier_of(self.score).value, self.score
        limit = LIMITS[tier]
        yield from self._granted(request_id, card_id, limit, tier)
        room = (NOW - granted) * 0.95 / max(transactions, 1)
        balance, due = 0, granted + timedelta(days=30)
        for _ in range(transactions):
            self._later(room)
            entry, paid = self._entry(card_id, limit, balance)
            if entry["status"] == "completed":
                balance += -paid if entry["type"] == "payment" else paid
            if "scoreImpact" in entry:
                yield from self._step(self.score + entry["scoreImpact"], "payment_on_time", "system")
                due = self.now + timedelta(days=30)
            yield Collection.TRANSACTIONS, entry
        yield (
            Collection.CARDS,
            self._card_document(card_id, request_id, granted, due, limit, Money(balance), score, cancelled=cancelled),
        )

    def _granted(self, request_id: str, card_id: str, limit: Money, tier: str) -> Iterator[Document]:
        instant = to_text(self.now)
        yield (
            Collection.CARD_REQUESTS,
            {
                "requestId": request_id,
                "ecosystemId": self.owner,
                "productId": "default-credit-card",
                "status": "approved",
                "scoreAtRequest": self.score,
                "tierAtRequest": tier,
                "createdAt": instant,
                "updatedAt": instant,
                "decidedAt": instant,
                "decisionSource": "admin",
                "decidedBy": self._operator,
                "approvedLimit": amount(limit),
                "cardId": card_id,
            },
        )
        after = {"status": "approved", "limit": amount(limit), "cardId": card_id}
        yield self._deed("card_request.approved", "card-request", request_id, {"status": "pending"}, after)

    def _entry(self, card_id: str, limit: Money, balance: int) -> tuple[dict[str, Any], int]:
        """What happens next on the card: a payment, a purchase, or a purchase that is too large."""
        entry: dict[str, Any] = {"transactionId": self._id(), "ecosystemId": self.owner, "cardId": card_id}
        left = limit - balance
        if balance and (left < limit // 10 or self.chance.random() < PAYING_SHARE):
            paid = self.chance.randint(1, balance)
            impact = 0 if self.award and self.now - self.award < timedelta(days=30) else 10 + 40 * paid // balance
            self.award = self.now if impact else self.award
            outcome: dict[str, Any] = {"type": "payment", "status": "completed", "paymentStatus": "on_time", "scoreImpact": impact}
        elif self.chance.random() < REFUSED_SHARE:
            paid = left + self.chance.randint(1, 10_000)
            outcome = {"type": "purchase", "status": "failed", "failureReason": "insufficient_credit"}
        else:
            paid = self.chance.randint(1, max(1, left // 5))
            outcome = {"type": "purchase", "status": "completed", "merchant": f"Shop {self.chance.randint(1, 100)}"}
        return {**entry, **outcome, "amount": amount(Money(paid)), "timestamp": to_text(self.now)}, paid

    def _card_document(
        self,
        card_id: str,
        request_id: str,
        granted: datetime,
        due: datetime,
        limit: Money,
        balance: Money,
        score: int,
        *,
        cancelled: bool,
    ) -> dict[str, Any]:
        document = {
            "cardId": card_id,
            "ecosystemId": self.owner,
            "type": "credit-card",
            "status": "cancelled" if cancelled else "active",
            "limit": amount(limit),
            "balance": amount(balance),
            "availableCredit": amount(Money(limit - balance)),
            "minimumPayment": amount(Money(min(balance, 2_500))),
            "nextDueDate": to_text(due),
            "createdAt": to_text(granted),
            "updatedAt": to_text(granted),
            "activatedAt": to_text(granted),
            "approvedBy": "admin",
            "scoreAtApproval": score,
            "requestId": request_id,
            "productId": "default-credit-card",
        }
        if self.award and not cancelled:
            document["lastAwardAt"] = to_text(self.award)
        if cancelled:
            document |= {"cancelledAt": to_text(self.now), "updatedAt": to_text(self.now), "statusReason": "Lost"}
        return document


def lives(people: int, transactions: int, seed: int) -> Iterator[Life]:
    """Every person; the first has the busy card, what is left is shared out evenly and at random."""
    chance = random.Random(seed)  # noqa: S311  # made-up people, no secret
    holders = [number for number in range(people) if number % 10 not in (WAITS, TURNED_DOWN)]
    busy = int(transactions * BUSY_SHARE) if len(holders) > 1 else transactions
    each, rest = divmod(transactions - busy, max(1, len(holders) - 1))
    extra = set(holders[1 : rest + 1])
    for number in range(people):
        count = busy if number == 0 else each + (number in extra)
        yield Life(number, count, random.Random(chance.getrandbits(64)))  # noqa: S311  # as above


def write(folder: Path, people: int, transactions: int, seed: int) -> dict[Collection, int]:
    """Write the six files; how many documents each has."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(Collection, 0)
    with ExitStack() as stack:
        files: dict[Collection, IO[bytes]] = {
            collection: stack.enter_context((folder / f"{collection}.ndjson").open("wb")) for collection in Collection
        }
        for life in lives(people, transactions, seed):
            for collection, document in life.documents():
                files[collection].write(encode(document) + b"\n")
                counts[collection] += 1
    return counts


def main() -> None:
    """Read the sizes and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(json.dumps(write(chosen.folder, chosen.people, chosen.transactions, chosen.seed)))


if __name__ == "__main__":
    main()
