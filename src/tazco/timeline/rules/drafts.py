"""Which rows belong to one story."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tazco.audit.model import AuditEntry
from tazco.notifications.model import Kind, Notification
from tazco.scores.model import ScoreStep
from tazco.timeline.model import Found, Happened, Heard, Told
from tazco.timeline.rules.steps import outcome_of
from tazco.trackers.model import Tracker

REQUESTED: Final = "card.requested"
SCORE_CHANGED: Final = "score.changed"

Question = tuple[Notification | None, str | None]
"""What an approver was asked, and the correlation id of the story that it belongs to."""


@dataclass(slots=True)
class Draft:
    """What belongs to one story."""

    correlation_id: str | None = None
    events: list[Happened] = field(default_factory=list)
    deeds: list[AuditEntry] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    scores: list[ScoreStep] = field(default_factory=list)
    trackers: list[Tracker] = field(default_factory=list)

    @property
    def moments(self) -> list[datetime]:
        """The instants of its commits. A reply is in the commit of what it answers; other messages come later."""
        replies = (each.row.created_at for each in self.told if each.row.notification_type is Kind.REPLY)
        events = (each.at for each in self.events)
        deeds, scores = (each.timestamp for each in self.deeds), (each.timestamp for each in self.scores)
        return sorted({*events, *deeds, *scores, *replies})

    @property
    def began_at(self) -> datetime:
        """When the message came in; for a call the instant of its commit, which an attempt takes before it reads anything."""
        first = [each.row.received_at for each in self.heard] or self.moments
        return min(
            first or [each.row.created_at for each in self.told] or [each.created_at or each.expires_at for each in self.trackers]
        )


def drafts_of(found: Found) -> list[Draft]:
    """Every row in the story of its correlation id; one that names none goes by its cause, its instant, or stands alone."""
    known: dict[str, Draft] = {}

    def of(correlation_id: str) -> Draft:
        return known.setdefault(correlation_id, Draft(correlation_id))

    for event in sorted(found.events, key=_place):
        of(event.correlation_id).events.append(event)
    for deed in sorted(found.deeds, key=lambda deed: (deed.timestamp, deed.log_id)):
        of(deed.request_id).deeds.append(deed)
    for heard in sorted(found.heard, key=lambda heard: heard.row.received_at):
        of(heard.correlation_id).heard.append(heard)
    return [*known.values(), *_add_the_rest(found, known)]


def _place(event: Happened) -> tuple[datetime, int, str]:
    """By time; in one commit as its events were made, but first what was asked and last the score that moved with it."""
    return event.at, {REQUESTED: 0, SCORE_CHANGED: 2}.get(event.type, 1), event.event_id


def _add_the_rest(found: Found, known: Mapping[str, Draft]) -> Iterable[Draft]:
    """Rows without a correlation id; the stories that had to be begun for them."""
    causes = {event.event_id: event.correlation_id for event in found.events}
    causes |= {heard.row.message_id: heard.correlation_id for heard in found.heard}
    at = {instant: draft for draft in known.values() for instant in draft.moments}
    left: dict[tuple[str, str], Draft] = {}

    def beginning(kind: str, entity_id: str) -> Draft:
        return left.setdefault((kind, entity_id), Draft())

    for told in found.told:
        kind, entity_id = told.row.notification_type, told.row.related_entity_id
        same_commit = at.get(told.row.created_at) if kind is Kind.REPLY else None
        draft = known.get(causes.get(told.cause or "", "")) or same_commit or beginning(kind, entity_id)
        draft.told.append(told)
    for step in found.scores:
        (at.get(step.timestamp) or beginning(SCORE_CHANGED, step.score_id)).scores.append(step)
    for tracker in found.trackers:
        asked_in = (draft for draft in known.values() if any(asks(event, tracker) for event in draft.events))
        (next(asked_in, None) or beginning(Kind.APPROVAL, tracker.request_id)).trackers.append(tracker)
    return left.values()


def asks(event: Happened, tracker: Tracker) -> bool:
    """Whether an event is the request that a tracker awaits the decision of."""
    return event.type == REQUESTED and event.aggregate.id == tracker.request_id


def answered(heard: Heard, drafts: Iterable[Draft]) -> Question:
    """The question that a message answers, the newest there was, and the story that it belongs to."""
    questions = [(told.row, draft.correlation_id) for draft in drafts for told in draft.told if _answers(heard, told.row)]
    return max(questions, key=lambda each: each[0].created_at, default=(None, None))


def _answers(heard: Heard, row: Notification) -> bool:
    """Whether a message of an approver is about what a notification asked them."""
    if row.notification_type is not Kind.APPROVAL or heard.row.received_at < row.created_at:
        return False
    about = (heard.row.command or "").partition(" ")[2]
    meant = (
        about in (row.related_entity_id, json.loads(row.content).get("code"))
        or outcome_of(heard).get("requestId") == row.related_entity_id
    )
    return bool(about) and meant and heard.row.sender_phone in (row.recipient_phone, row.recipient_user_id)
