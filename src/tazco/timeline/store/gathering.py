"""Gathering the rows of a timeline: by key, by index, and back along the chains of events; never a scan, every number bounded."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from tazco.approvals.model import instruction_kept
from tazco.approvals.store import outcome_kept
from tazco.audit.model import AuditEntry
from tazco.audit.store import entries_about
from tazco.card_requests.model import CardRequest
from tazco.cards.model import Card
from tazco.kernel.clock import to_text
from tazco.notifications.model import InboundMessage, Kind, Notification
from tazco.notifications.store import BY_RELATED_ENTITY, BY_SENDER_PHONE, INBOUND_MESSAGES, NOTIFICATIONS, inbound_id
from tazco.platform.codec import Undecodable
from tazco.platform.database import Database
from tazco.platform.outbox import EVENTS_BY_CORRELATION, OUTBOX, OutboxRow
from tazco.platform.phones import without_phones
from tazco.platform.tables import EntriesOf, Key, Range, composite
from tazco.scores.model import ScoreStep
from tazco.timeline.model import Found
from tazco.timeline.rules.stories import TOLD_OF, WHATSAPP
from tazco.timeline.store.facts import PAYMENT, happened, heard, payload_of, told, tracked
from tazco.trackers.model import Tracker
from tazco.trackers.store import tracker
from tazco.users.model import User

EVENTS_MAX: Final = 50
"""Of one stream, each of them one look further back; also of one correlation id."""

DEEDS_MAX: Final = 50
"""About one thing, or of one correlation id."""

UNHEARD_MAX: Final = 10
"""Deeds whose events are looked for by correlation id, because the chains did not lead to them."""

PAYMENTS_MAX: Final = 20
"""Of which notifications are looked for, the newest."""

NOTIFICATIONS_MAX: Final = 50
"""About one thing."""

APPROVERS_MAX: Final = 20
"""Of which answers are looked for."""

MESSAGES_MAX: Final = 20
"""Of one approver about one request."""

ANSWERED_AFTER_MAX: Final = timedelta(days=1)
"""So long after the end of a question answers to it are looked for."""

PROVIDERS: Final = ("meta", "wppconnect")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The rows whose streams are followed: those of people and cards back to `since`, those of requests to their beginning."""

    users: Sequence[User] = ()
    cards: Sequence[Card] = ()
    requests: Sequence[CardRequest] = ()
    since: datetime | None = None

    @property
    def starts(self) -> dict[str, datetime | None]:
        """Where to begin in each stream, and how far to go back."""
        long = {row.last_event_id: self.since for row in (*self.users, *self.cards) if row.last_event_id}
        return {**long, **{row.last_event_id: None for row in self.requests if row.last_event_id}}

    @property
    def targets(self) -> list[tuple[str, str]]:
        """What the audit calls them."""
        people, cards = [("user", row.ecosystem_id) for row in self.users], [("card", row.card_id) for row in self.cards]
        return [*people, *cards, *(("card-request", row.request_id) for row in self.requests)]


@dataclass(slots=True)
class Gathering:
    """Collects the rows of one timeline. `traced`: events that have left are found by correlation id."""

    database: Database
    now: datetime
    traced: bool
    events: dict[str, OutboxRow] = field(default_factory=dict)
    deeds: dict[str, AuditEntry] = field(default_factory=dict)
    notifications: dict[str, Notification] = field(default_factory=dict)
    messages: dict[str, InboundMessage] = field(default_factory=dict)
    trackers: dict[str, Tracker] = field(default_factory=dict)
    scores: tuple[ScoreStep, ...] = ()
    forgotten: bool = False
    cut: bool = False

    def found(self, *, reacting: bool) -> Found:
        """Everything, as the rules take it; `reacting` says that approvers are told of things at all."""
        return Found(
            events=tuple(happened(row, self.trackers, self.now, reacting=reacting) for row in self.events.values()),
            deeds=tuple(self.deeds.values()),
            told=tuple(told(row, (*self.events, *self.messages)) for row in self.notifications.values()),
            heard=tuple(map(heard, self.messages.values())),
            scores=self.scores,
            trackers=tuple(map(tracked, self.trackers.values())),
        )

    async def follow(self, scope: Scope) -> None:
        """Everything about some people, cards and requests, in about six round trips beside the chains."""
        things: list[tuple[str, str]] = [("cardRequest", row.request_id) for row in scope.requests]
        things += [("inboundMessage", without_phones(message_id)) for message_id in self.messages]
        named, *_ = await asyncio.gather(self._named_about(things), self.walk(scope.starts), self._deeds_and_trackers(scope))
        if self.traced:
            await self._unheard()
        payments = sorted((row for row in self.events.values() if row.event_type == PAYMENT), key=lambda row: row.occurred_at)
        paid = [("transaction", str(payload_of(row).get("transactionId", ""))) for row in payments[-PAYMENTS_MAX:]]
        await self._notified([*named, *await self._named_about(paid)])
        await self._answered(scope.requests)

    async def walk(self, starts: dict[str, datetime | None]) -> None:
        """Back along several chains at once; a chain that leads to a row that is not there was forgotten from there on."""
        for _ in range(EVENTS_MAX):
            if not starts:
                return
            rows = await self.rows_of_events(starts)
            self.forgotten = self.forgotten or len(rows) < len(starts)
            since = {row.previous_event_id: (starts[row.event_id], row.occurred_at) for row in rows if row.previous_event_id}
            starts = {event_id: until for event_id, (until, at) in since.items() if until is None or at >= until}
        self.cut = self.cut or bool(starts)

    async def rows_of_events(self, event_ids: Iterable[str]) -> tuple[OutboxRow, ...]:
        """Rows of the outbox, remembered. One that cannot be read, as another program may leave it, counts as forgotten."""

        def broken(key: Key, error: Undecodable) -> None:
            log.warning("timeline.unreadable", event_id=key[0], error=str(error))

        rows = await self.database.rows(OUTBOX, [(each,) for each in event_ids], broken=broken)
        self.events |= {row.event_id: row for row in rows}
        return rows

    async def _deeds_and_trackers(self, scope: Scope) -> None:
        questions = [entries_about(*target, before=None, rows_max=DEEDS_MAX) for target in scope.targets]
        trackers: list[Any] = [tracker(row.request_id) for row in scope.requests]
        answers = await self.database.read(*trackers, *questions)
        self.trackers |= {row.request_id: row for row in answers[: len(trackers)] if row is not None}
        for entries in answers[len(trackers) :]:
            self.deeds |= {entry.log_id: entry for entry in entries}
            self.cut = self.cut or len(entries) >= DEEDS_MAX

    async def _unheard(self) -> None:
        """The events of deeds that the chains did not lead to: the grant of a card that has long been in use."""
        heard_of = {row.request_id for row in self.events.values()}
        deeds = sorted(self.deeds.values(), key=lambda deed: deed.timestamp, reverse=True)
        unheard = dict.fromkeys(deed.request_id for deed in deeds if deed.request_id not in heard_of and deed.action in TOLD_OF)
        answers = await self.database.read(*map(left_events_of, list(unheard)[:UNHEARD_MAX]))
        await self.rows_of_events({entry["eventId"] for entries in answers for entry in entries})

    async def _named_about(self, entities: Iterable[tuple[str, str]]) -> list[Key]:
        """The keys of the newest notifications about some things."""
        bounds = Range(newest_first=True, rows_max=NOTIFICATIONS_MAX)
        questions = [EntriesOf(NOTIFICATIONS, BY_RELATED_ENTITY, composite(*entity), bounds) for entity in entities]
        answers = await self.database.read(*questions)
        self.cut = self.cut or any(len(entries) >= NOTIFICATIONS_MAX for entries in answers)
        return [(entry["notificationId"],) for entries in answers for entry in entries]

    async def _notified(self, keys: list[Key]) -> None:
        self.notifications |= {row.notification_id: row for row in await self.database.rows(NOTIFICATIONS, keys)}

    async def _answered(self, requests: Sequence[CardRequest]) -> None:
        """The messages that decided, by the correlation id of their deeds, and those of everybody who was asked."""
        named = {
            inbound_id(provider, deed.request_id) for deed in self.deeds.values() for provider in PROVIDERS if _by_message(deed)
        }
        questions = [question for row in requests for question in self._messages_about(row)]
        for entries in await self.database.read(*questions):
            named |= {entry["messageId"] for entry in entries}
            self.cut = self.cut or len(entries) >= MESSAGES_MAX
        rows = await self.database.rows(INBOUND_MESSAGES, [(each,) for each in named])
        self.messages |= {row.message_id: row for row in rows if self._concerns(row, requests)}

    def _concerns(self, row: InboundMessage, requests: Sequence[CardRequest]) -> bool:
        """Whether a message is about one of these requests: an approver answers about other people's meanwhile."""
        if row.command is None:
            return False
        instruction, ids = instruction_kept(row.command), {each.request_id for each in requests}
        codes = {self.trackers[each].code for each in ids if each in self.trackers}
        outcome = outcome_kept(row.outcome) if row.outcome else None
        return instruction.code in codes or instruction.about in ids or (outcome is not None and outcome.request_id in ids)

    def _messages_about(self, asked: CardRequest) -> list[EntriesOf]:
        rows = [
            row
            for row in self.notifications.values()
            if (row.notification_type, row.related_entity_id) == (Kind.APPROVAL, asked.request_id)
        ]
        senders = list(dict.fromkeys(row.recipient_phone or row.recipient_user_id or "" for row in rows))
        awaited = self.trackers.get(asked.request_id)
        ends = [asked.decided_at or asked.created_at, *([awaited.expires_at] if awaited else [])]
        bounds = Range(
            at_least=to_text(asked.created_at),
            at_most=to_text(max(ends) + ANSWERED_AFTER_MAX),
            newest_first=True,
            rows_max=MESSAGES_MAX,
        )
        return [EntriesOf(INBOUND_MESSAGES, BY_SENDER_PHONE, sender, bounds) for sender in senders[:APPROVERS_MAX]]


def left_events_of(correlation_id: str) -> EntriesOf:
    """The newest events that have left and followed from one call or message; none where events are not traced."""
    return EntriesOf(OUTBOX, EVENTS_BY_CORRELATION, correlation_id, Range(newest_first=True, rows_max=EVENTS_MAX))


def _by_message(deed: AuditEntry) -> bool:
    return deed.admin_email.startswith(WHATSAPP)
