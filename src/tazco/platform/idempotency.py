"""Idempotency: the answer to a command is stored in the command's own commit and given again to whoever repeats it."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from tazco.kernel.errors import Code, Refused
from tazco.kernel.record import Record
from tazco.platform.tables import Get, Table

ANSWER_LIFE: Final = timedelta(hours=24)
STATUS_REFUSED_MIN: Final = 400


class KeyUsedElsewhere(Refused):
    """The key belongs to another operation of the same caller."""

    code = Code.REQUEST_ALREADY_PROCESSED


class KeyReused(Refused):
    """The key belongs to the same operation with another body."""

    code = Code.IDEMPOTENCY_KEY_REUSED


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: HTTP status and JSON body (of a refusal: without `meta`)."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer(Record):
    """One answer under one key of one caller; `expires_at` is in epoch seconds and counts even while the row still exists."""

    ecosystem_id: str
    key_hash: str
    operation: str
    fingerprint: str
    status: int
    body: str
    expires_at: int


STORED_ANSWERS: Final = Table(
    name="idempotency",
    record=StoredAnswer,
    partition="ecosystemId",
    sort="keyHash",
    ttl="expiresAt",
    ledger=False,
    wiped_as="idempotencyRecords",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A command that must happen once: whose key, which operation, and what was asked in canonical form."""

    scope: str
    key: str
    operation: str
    asked: Any

    @property
    def key_hash(self) -> str:
        """SHA-256 of the key; the key itself is never stored."""
        return hashlib.sha256(self.key.encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON of what was asked: validated fields, money in minor units, defaults filled."""
        return hashlib.sha256(orjson.dumps(self.asked, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def row(self) -> Get[StoredAnswer]:
        """Where the answer is, if there is one."""
        return Get(STORED_ANSWERS, (self.scope, self.key_hash))

    def store(self, answer: Answer, now: datetime) -> StoredAnswer:
        """The row that keeps `answer`."""
        return StoredAnswer(
            ecosystem_id=self.scope,
            key_hash=self.key_hash,
            operation=self.operation,
            fingerprint=self.fingerprint,
            status=answer.status,
            body=answer.body.decode(),
            expires_at=math.ceil((now + ANSWER_LIFE).timestamp()),  # rounded down it would die within its 24 hours
        )

    def replay(self, stored: StoredAnswer) -> Answer:
        """The stored answer again: a success as 200, a refusal as it was; refuse a key that was used for something else."""
        if stored.operation != self.operation:
            raise KeyUsedElsewhere("This Idempotency-Key was already used for another operation. Use a new key.")
        if stored.fingerprint != self.fingerprint:
            raise KeyReused("This Idempotency-Key was already used with another body. Use a new key.")
        status = stored.status if stored.status >= STATUS_REFUSED_MIN else 200
        return Answer(status, stored.body.encode(), replayed=True)


def alive(stored: StoredAnswer | None, now: datetime) -> bool:
    """There is an answer and it has not expired: DynamoDB deletes expired rows late."""
    return stored is not None and stored.expires_at > now.timestamp()
