"""A timeline: stories, and in each the steps from what began it to the last thing that is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from tazco.audit.model import AuditEntry
from tazco.notifications.model import InboundMessage, Notification
from tazco.scores.model import ScoreStep
from tazco.trackers.model import Tracker

Value = str | int | Decimal | datetime
"""What can stand in a gap of a text: money and other decimals in whole units."""

NOTHING: Final[Mapping[str, Value]] = {}


class SubjectKind(StrEnum):
    """What a timeline can be about."""

    PERSON = "person"
    CARD = "card"
    REQUEST = "request"
    CORRELATION = "correlation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose timeline; with the owner's `ecosystem_id` a card or request is found without an index."""

    kind: SubjectKind
    id: str
    ecosystem_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """Something that has a stream of events; `type` as events name it."""

    type: str
    id: str
    ecosystem_id: str


class Origin(StrEnum):
    """What began a story."""

    CARDHOLDER = "cardholder"
    OPERATOR = "operator"
    APPROVER = "approver"
    TIMER = "timer"
    UNKNOWN = "unknown"


class State(StrEnum):
    """How a step stands; how a story stands is how the worst of its steps does."""

    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"


class StepKind(StrEnum):
    """What a step tells. Its title and details are named in `rules`, where each is made."""

    CALL = "call"
    MESSAGE = "message"
    TIMER = "timer"
    COMMIT = "commit"
    DEED = "deed"
    SCORE = "score"
    EVENT = "event"
    BUS = "bus"
    QUEUE = "queue"
    REACTION = "reaction"
    NOTIFICATION = "notification"
    DELIVERED = "delivered"
    READ = "read"
    REPLY = "reply"
    DECISION = "decision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened, waits or failed, in the order in which a page draws them.

    `title` and `details` are gaps for the texts of `kind`, never sentences. `at` is None where nobody wrote it down, or it has not
    happened; `after_ms` counts from the beginning of the story. `level` is how far the step is indented: what follows from an event
    stands one below it, what follows from a notification two. `link` is the story that this step leads to, or came from.
    """

    kind: StepKind
    state: State = State.DONE
    at: datetime | None = None
    after_ms: int | None = None
    level: int = 0
    title: Mapping[str, Value] = field(default_factory=dict)
    details: Mapping[str, Value] = field(default_factory=dict)
    aggregates: tuple[Aggregate, ...] = ()
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything that followed from one call, message or timer.

    `correlation_id` is None where only a row is left that does not name it. `incomplete`: its events are forgotten.
    """

    correlation_id: str | None
    origin: Origin
    began_at: datetime
    state: State
    steps: tuple[Step, ...]
    incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Stories, the newest first.

    `forgotten`: there were events that are kept no more; `cut`: there is more than was looked at. `traced`: events that have left are
    found by their correlation id; without that a timeline of one may lack what has left.
    """

    subject: Subject
    stories: tuple[Story, ...]
    forgotten: bool = False
    cut: bool = False
    traced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event as the outbox knows it; `facts` are short and free of phone numbers.

    `left_at` is when the bus took it. `awaited`: its reaction should leave a notification, so that none means that it is on its way.
    """

    event_id: str
    type: str
    aggregate: Aggregate
    sequence: int
    at: datetime
    correlation_id: str
    facts: Mapping[str, Value] = field(default_factory=dict)
    left_at: datetime | None = None
    retries: int = 0
    last_error: str | None = None
    next_retry_at: datetime | None = None
    dead: bool = False
    awaited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notification, and the id of the event or inbound message that caused it; None where neither was found."""

    cause: str | None
    row: Notification


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An inbound message, and the correlation id of what it did."""

    correlation_id: str
    row: InboundMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that was gathered; each row once."""

    events: tuple[Happened, ...] = ()
    deeds: tuple[AuditEntry, ...] = ()
    told: tuple[Told, ...] = ()
    heard: tuple[Heard, ...] = ()
    scores: tuple[ScoreStep, ...] = ()
    trackers: tuple[Tracker, ...] = ()
