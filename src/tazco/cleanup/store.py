"""Where confirmations and the cleanup's own stream are."""

import hashlib
from typing import Final

from tazco.cleanup.model import Confirmation
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.outbox import STREAMS, Stream
from tazco.platform.tables import Get, Table

STREAM_KEY: Final = "cleanup"

CONFIRMATIONS: Final = Table(
    name=STORED_ANSWERS.name,
    record=Confirmation,
    partition=STORED_ANSWERS.partition,
    sort=STORED_ANSWERS.sort,
    spelling={"actor_id": "ecosystemId", "token_hash": "keyHash"},
    ttl=STORED_ANSWERS.ttl,
    ledger=False,
)


def token_hash(token: str) -> str:
    """How a token is stored."""
    return f"cleanup#{hashlib.sha256(token.encode()).hexdigest()}"


def confirmation(actor_id: str, token: str) -> Get[Confirmation]:
    """The confirmation that an operator's token stands for."""
    return Get(CONFIRMATIONS, (actor_id, token_hash(token)))


def stream() -> Get[Stream]:
    """The counter of the cleanup's events; it survives the cleanup."""
    return Get(STREAMS, (STREAM_KEY,))
