"""The ledger of rare states: dangerous moments that a simulation must have been through before its silence means anything."""

from collections import Counter
from enum import StrEnum


class Rare(StrEnum):
    """Each named for what happened."""

    CRASH_AFTER_COMMIT = "crash between commit and answer"
    CRASH_BEFORE_COMMIT = "crash before the commit"
    COMMIT_UNKNOWN = "commit carried out, its answer lost"
    REPLAY = "replay after a lost answer"
    TWINS = "the same key at two processes at once"
    REDECIDED = "commit lost to another one, decided again"
    CONFLICT_TOLD = "all retries lost: 409 told to the client"
    UNAVAILABLE_TOLD = "503 told to the client"
    KEY_REUSED = "key used again with another body"
    KEY_EXPIRED = "key used again after its 24 hours, its row still there"
    DECLINE_REPLAYED = "decline replayed"
    LATE_PAYMENT = "payment after its due date"
    PUBLISHED_TWICE = "event published twice"
    PARTLY_REFUSED = "bus took a part of a batch"
    CRASH_AFTER_PUBLISH = "crash between bus and mark"
    LEASE_LOST = "published by a relay whose lease was gone"
    TWO_RELAYS = "two relays believing they hold one shard"
    RELAY_PAUSED = "relay stopped for longer than its lease"
    DEAD_LETTER = "event given up"
    DEAD_LETTER_REDRIVEN = "event given up and redriven"
    OUT_OF_ORDER = "events of one aggregate delivered out of order"
    DELIVERED_TWICE = "message delivered twice"
    WORKER_CRASH = "worker died with messages in hand"
    QUEUE_DEAD_LETTER = "message in a dead-letter queue, moved back"
    SENT_TWICE = "message sent twice on the wire, one notification"
    SENT_ANSWER_LOST = "provider took a message, its answer lost"
    STATUS_FIRST = "status of a message before its sending was recorded"
    WEBHOOK_REDELIVERED = "webhook delivered again after it was done"
    WEBHOOKS_AT_ONCE = "the same webhook at two processes at once"
    DECIDED_TWICE = "request decided by two at once"
    DECIDED_TOO_LATE = "answer of an approver after the expiry"
    EXPIRED = "approval expired by the timer"
    DISABLED = "call of a person disabled meanwhile"
    INDEX_LAGGED = "index did not show a row yet"
    TTL_DELETED = "row deleted by TTL"
    PROCESS_PAUSED = "process stopped and let go"


class RareStates(Counter[Rare]):
    """How often each was reached."""

    def saw(self, state: Rare) -> None:
        """Once more."""
        self[state] += 1

    @property
    def never(self) -> tuple[Rare, ...]:
        """What was not reached."""
        return tuple(state for state in Rare if not self[state])
