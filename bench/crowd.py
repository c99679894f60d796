"""A crowd: so many people, cards and transactions, written straight into the tables. `python -m bench.pages` looks at it."""

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from tazco.audit.model import Action, AuditEntry
from tazco.audit.store import AUDIT_LOGS
from tazco.card_requests.model import CardRequest, DecisionSource, RequestStatus
from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.model import ApprovedBy, Card, FailureReason
from tazco.cards.store import CARDS
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId, Subject, TransactionId
from tazco.kernel.money import Money
from tazco.kernel.record import Record
from tazco.platform.database import BATCH_WRITE_MAX, Database
from tazco.platform.ids import new_id
from tazco.platform.tables import Table
from tazco.scores.model import PAID_ON_TIME, ScoreSource, ScoreStep
from tazco.scores.store import SCORES
from tazco.transactions.model import PaymentStatus, Transaction, TransactionStatus, TransactionType
from tazco.transactions.store import TRANSACTIONS
from tazco.users.model import User, tier_of
from tazco.users.store import USERS

WRITERS: Final = 8
LIMIT: Final = Money(300_000)
STEPS_EACH: Final = 4
OPERATORS: Final = 25
BUSY_SHARE: Final = 0.05
"""One card has this part of all transactions: the page of a busy card must not be slower than that of a quiet one."""

Written = tuple[Table[Any], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many of each. Every tenth person waits for a decision, every tenth was turned down, the others have a card."""

    people: int
    transactions: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everything follows from `size`, `now` and the seed."""

    size: Size
    now: datetime
    seed: int = 1

    def id(self, number: int) -> EcosystemId:
        """Of the person with this number; number 0 has the busy card."""
        return EcosystemId(f"crowd-{number:06d}")

    def card_id(self, number: int) -> CardId:
        """Of that person's card."""
        return CardId(f"crowd-card-{number:06d}")

    def request_id(self, number: int) -> CardRequestId:
        """Of that person's request."""
        return CardRequestId(f"crowd-request-{number:06d}")

    def operator(self, number: int) -> str:
        """Who decided that person's request."""
        return f"crowd-operator-{number % OPERATORS}"

    def rows(self) -> Iterator[Written]:
        """Every row."""
        chance = random.Random(self.seed)  # noqa: S311  # a crowd, no secret
        for number in range(self.size.people):
            yield from self._person(number, chance)
        yield from self._ledger(chance)

    def _person(self, number: int, chance: random.Random) -> Iterator[Written]:
        owner, score = self.id(number), chance.randint(300, 900)
        joined = self.now - timedelta(days=chance.randint(1, 700))
        holds, waits = number % 10 not in (1, 2), number % 10 == 1
        yield (
            USERS,
            User(
                ecosystem_id=owner,
                subject=Subject(f"subject-{number}"),
                email=f"person{number}@crowd.example",
                current_score=score,
                created_at=joined,
                updated_at=joined,
                active_card_id=self.card_id(number) if holds else None,
                open_request_id=self.request_id(number) if waits else None,
                version=1,
            ),
        )
        for step in range(STEPS_EACH):
            at = joined + timedelta(days=step)
            yield (
                SCORES,
                ScoreStep(
                    ecosystem_id=owner,
                    score_id=new_id(),
                    value=score,
                    previous_value=score - 10,
                    delta=10,
                    reason=PAID_ON_TIME,
                    source=ScoreSource.SYSTEM,
                    timestamp=at,
                ),
            )
        yield from self._wish(number, score, joined, holds=holds, waits=waits)

    def _wish(self, number: int, score: int, at: datetime, *, holds: bool, waits: bool) -> Iterator[Written]:
        owner = self.id(number)
        status = RequestStatus.APPROVED if holds else RequestStatus.PENDING if waits else RequestStatus.REJECTED
        yield (
            CARD_REQUESTS,
            CardRequest(
                ecosystem_id=owner,
                request_id=self.request_id(number),
                product_id="default-credit-card",
                status=status,
                score_at_request=score,
                tier_at_request=tier_of(score),
                created_at=at,
                updated_at=at,
                decided_at=None if waits else at,
                decision_source=None if waits else DecisionSource.ADMIN,
                approved_limit=LIMIT if holds else None,
                card_id=self.card_id(number) if holds else None,
                version=1,
            ),
        )
        if holds:
            yield (
                CARDS,
                Card(
                    ecosystem_id=owner,
                    card_id=self.card_id(number),
                    limit=LIMIT,
                    balance=Money(number % 300_000),
                    next_due_at=self.now + timedelta(days=10),
                    request_id=self.request_id(number),
                    product_id="default-credit-card",
                    approved_by=ApprovedBy.ADMIN,
                    score_at_approval=score,
                    created_at=at,
                    updated_at=at,
                    activated_at=at,
                    version=1,
                ),
            )
        if not waits:
            yield AUDIT_LOGS, self._deed(number, status, at)

    def _deed(self, number: int, status: RequestStatus, at: datetime) -> AuditEntry:
        approved = status is RequestStatus.APPROVED
        return AuditEntry(
            log_id=new_id(),
            actor_id=self.operator(number),
            admin_ecosystem_id=self.operator(number),
            admin_email=f"{self.operator(number)}@crowd.example",
            action=Action.REQUEST_APPROVED if approved else Action.REQUEST_REJECTED,
            target_type="card-request",
            target_id=self.request_id(number),
            target_ecosystem_id=self.id(number),
            previous_value='{"status":"pending"}',
            new_value=f'{{"status":"{status.value}"}}',
            reason="As the policy says",
            request_id=new_id(),
            ip_address="192.0.2.1",
            user_agent="crowd",
            timestamp=at,
        )

    def _ledger(self, chance: random.Random) -> Iterator[Written]:
        holders = [number for number in range(self.size.people) if number % 10 not in (1, 2)]
        busy = int(self.size.transactions * BUSY_SHARE)
        for count in range(self.size.transactions):
            number = 0 if count < busy else chance.choice(holders)
            at = self.now - timedelta(minutes=self.size.transactions - count)
            yield TRANSACTIONS, self._transaction(number, count, at)

    def _transaction(self, number: int, count: int, at: datetime) -> Transaction:
        pays, fails = count % 5 == 0, count % 17 == 0
        return Transaction(
            ecosystem_id=self.id(number),
            card_id=self.card_id(number),
            transaction_id=TransactionId(f"crowd-{count:012d}"),
            type=TransactionType.PAYMENT if pays else TransactionType.PURCHASE,
            amount=Money(100 + count % 50_000),
            status=TransactionStatus.FAILED if fails else TransactionStatus.COMPLETED,
            timestamp=at,
            merchant=None if pays or fails else f"Shop {count % 100}",
            payment_status=PaymentStatus.ON_TIME if pays and not fails else None,
            score_impact=10 if pays and not fails else None,
            failure_reason=FailureReason.INSUFFICIENT_CREDIT if fails else None,
        )


async def gather(database: Database, crowd: Crowd) -> int:
    """Write the crowd, several batches at once; how many rows."""
    rows = iter(crowd.rows())
    counts = await asyncio.gather(*(_write(database, rows) for _ in range(WRITERS)))
    return sum(counts)


async def _write(database: Database, rows: Iterator[Written]) -> int:
    count = 0
    while batch := list(islice(rows, BATCH_WRITE_MAX)):
        wanted = _requests(database, batch)
        while wanted:
            reply = await database.call("BatchWriteItem", {"RequestItems": wanted})
            wanted = reply.get("UnprocessedItems") or {}
        count += len(batch)
    return count


def _requests(database: Database, batch: Iterable[Written]) -> dict[str, list[Any]]:
    wanted: dict[str, list[Any]] = {}
    for table, row in batch:
        wanted.setdefault(database.physical_name(table), []).append({"PutRequest": {"Item": table.item(row)}})
    return wanted
