"""Rows → stories. What one commit wrote carries one instant, what followed from one call or message one correlation id."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from tazco.audit.model import Action
from tazco.notifications.model import DeliveryStatus, Kind
from tazco.notifications.rules import last_four
from tazco.scores.model import ScoreSource
from tazco.timeline.model import Aggregate, Found, Happened, Heard, Origin, State, Step, StepKind, Story, Told, Value
from tazco.timeline.rules.drafts import REQUESTED, SCORE_CHANGED, Draft, Question, answered, asks, drafts_of
from tazco.timeline.rules.steps import (
    IN_COMMIT,
    IN_EVENT,
    bus_step,
    deed_step,
    given,
    outcome_of,
    reaction_steps,
    reply_step,
    score_step,
    sending_step,
    target_of,
)
from tazco.trackers.model import Tracker, TrackerStatus

EXPIRED: Final = "card_request.expired"
CLEANED_UP: Final = "system.cleanup"
WHATSAPP: Final = "whatsapp:"
SYSTEM: Final = "system"
TOLD_OF: Final = frozenset(
    (
        Action.SCORE_ADJUSTED,
        Action.REQUEST_APPROVED,
        Action.REQUEST_REJECTED,
        Action.CARD_SUSPENDED,
        Action.CARD_REACTIVATED,
        Action.CARD_CANCELLED,
        Action.CLEANUP,
    )
)
"""Deeds that have events."""

MILLISECOND: Final = timedelta(milliseconds=1)
WORST_FIRST: Final = (State.FAILED, State.WAITING, State.DONE)


def stories_in(found: Found) -> tuple[Story, ...]:
    """Every story that the rows tell, the newest first. Rows whose cause is not among them make stories without a correlation id."""
    drafts = drafts_of(found)
    asked = {id(heard): answered(heard, drafts) for heard in found.heard}
    stories = [_story(draft, found, asked) for draft in drafts]
    return tuple(sorted(stories, key=lambda story: (story.began_at, story.correlation_id or ""), reverse=True))


def touching(stories: Iterable[Story], aggregate_type: str, aggregate_id: str) -> tuple[Story, ...]:
    """The stories in which something happened to an aggregate, or was said about it."""
    meant = (aggregate_type, aggregate_id)
    return tuple(
        story for story in stories if any((each.type, each.id) == meant for step in story.steps for each in step.aggregates)
    )


def _story(draft: Draft, found: Found, asked: Mapping[int, Question]) -> Story:
    began_at = draft.began_at
    teller = _Teller(found, asked)
    steps = tuple(
        step if step.at is None else replace(step, after_ms=max(0, (step.at - began_at) // MILLISECOND))
        for step in teller.steps(draft)
    )
    states = {step.state for step in steps}
    unheard = not draft.events and any(deed.action in TOLD_OF for deed in draft.deeds)
    return Story(
        correlation_id=draft.correlation_id,
        origin=_origin(draft),
        began_at=began_at,
        state=next((state for state in WORST_FIRST if state in states), State.DONE),
        steps=steps,
        incomplete=unheard or draft.correlation_id is None,
    )


def _origin(draft: Draft) -> Origin:
    emails = [deed.admin_email for deed in draft.deeds]
    types = {event.type for event in draft.events}
    sources = {event.facts.get("source") for event in draft.events} | {step.source for step in draft.scores}
    kinds = {told.row.notification_type for told in draft.told}
    if draft.heard or any(email.startswith(WHATSAPP) for email in emails):
        return Origin.APPROVER
    if EXPIRED in types or any(deed.actor_id == SYSTEM for deed in draft.deeds):
        return Origin.TIMER
    if draft.deeds or CLEANED_UP in types or ScoreSource.ADMIN in sources:
        return Origin.OPERATOR
    if draft.events or draft.scores or draft.trackers or kinds & {Kind.APPROVAL, Kind.PAYMENT}:
        return Origin.CARDHOLDER
    return Origin.APPROVER if Kind.REPLY in kinds else Origin.UNKNOWN


@dataclass(frozen=True, slots=True)
class _Teller:
    """Makes the steps of one story; it sees everything that was found, so that stories can link to each other."""

    found: Found
    asked: Mapping[int, Question]

    def steps(self, draft: Draft) -> Iterator[Step]:
        yield from self._beginning(draft)
        for at in draft.moments:
            yield from self._commit(draft, at)
        causes = {event.event_id for event in draft.events}
        for told in draft.told:
            if told.cause not in causes and told.row.notification_type is not Kind.REPLY:
                yield from self._notification(told, IN_COMMIT)
        if not any(event.type == REQUESTED for event in draft.events):
            yield from map(self._decision, draft.trackers)

    def _beginning(self, draft: Draft) -> Iterator[Step]:
        """What began it. Title of a call, a timer and a forgotten message: who, what; details of an operator's call: address, browser."""
        origin, deed = _origin(draft), next(iter(draft.deeds), None)
        event = next(iter(draft.events), None)
        what = deed.action.value if deed else event.type if event else None
        match origin:
            case Origin.APPROVER if draft.heard:
                yield from map(self._message, draft.heard)
            case Origin.APPROVER:
                who = deed.actor_id if deed else next((told.row.recipient_phone or "" for told in draft.told), "")
                yield Step(kind=StepKind.MESSAGE, title=given(who=last_four(who), what=what))
            case Origin.TIMER:
                yield Step(kind=StepKind.TIMER, at=draft.began_at, title=given(what=what))
            case Origin.OPERATOR:
                details = given(address=deed.ip_address, browser=deed.user_agent) if deed else {}
                yield Step(
                    kind=StepKind.CALL,
                    at=draft.began_at,
                    title=given(who=deed.admin_email if deed else None, what=what),
                    details=details,
                )
            case Origin.CARDHOLDER:
                owner = event.aggregate.ecosystem_id if event else _owner(draft)
                yield Step(kind=StepKind.CALL, at=draft.began_at, title=given(who=owner, what=what))
            case Origin.UNKNOWN:
                return

    def _message(self, heard: Heard) -> Step:
        """An approver's message. Title: who, name, command; details: provider, action, reason, error; it links to what was asked."""
        outcome = outcome_of(heard)
        failed = outcome.get("action") == "error"
        question, link = self.asked[id(heard)]
        about = question.related_entity_id if question else outcome.get("requestId")
        owner = question.ecosystem_id if question else ""
        return Step(
            kind=StepKind.MESSAGE,
            state=State.FAILED if failed else State.DONE if outcome else State.WAITING,
            at=heard.row.received_at,
            title=given(
                who=last_four(heard.row.sender_phone), name=question.recipient_name if question else None, command=heard.row.command
            ),
            details=given(provider=heard.row.provider, **{name: outcome.get(name) for name in ("action", "reason", "error")}),
            aggregates=(Aggregate(type="cardRequest", id=about, ecosystem_id=owner),) if about else (),
            link=link,
        )

    def _commit(self, draft: Draft, at: datetime) -> Iterator[Step]:
        """One commit (title: events) and what it wrote."""
        events = [each for each in draft.events if each.at == at]
        deeds = [each for each in draft.deeds if each.timestamp == at]
        scores = [each for each in draft.scores if each.timestamp == at]
        replies = [each for each in draft.told if each.row.notification_type is Kind.REPLY and each.row.created_at == at]
        touched = [*(each.aggregate for each in events), *(about for each in deeds for about in target_of(each))]
        yield Step(kind=StepKind.COMMIT, at=at, title={"events": len(events)}, aggregates=tuple(dict.fromkeys(touched)))
        yield from map(deed_step, deeds)
        if not any(event.type == SCORE_CHANGED for event in events):
            yield from map(score_step, scores)
        for event in events:
            yield from self._event(event, draft)
        for reply in replies:
            yield from self._notification(reply, IN_COMMIT)

    def _event(self, event: Happened, draft: Draft) -> Iterator[Step]:
        """An event (title: type, aggregate, sequence; details: facts of its payload), its way out, and what followed from it."""
        title: dict[str, Value] = {"type": event.type, "aggregate": event.aggregate.type, "sequence": event.sequence}
        yield Step(
            kind=StepKind.EVENT, at=event.at, level=IN_COMMIT, title=title, details=event.facts, aggregates=(event.aggregate,)
        )
        told = sorted((each for each in draft.told if each.cause == event.event_id), key=lambda each: each.row.recipient_name)
        yield bus_step(event, [each.row for each in told])
        yield from reaction_steps(event, [each.row for each in told])
        for each in told:
            yield from self._notification(each, IN_EVENT)
        yield from (self._decision(each) for each in draft.trackers if asks(event, each))

    def _notification(self, told: Told, level: int) -> Iterator[Step]:
        row = told.row
        yield sending_step(row, level)
        if row.delivery_status in (DeliveryStatus.DELIVERED, DeliveryStatus.READ):
            yield Step(kind=StepKind.DELIVERED, at=row.delivered_at or row.read_at, level=level + 1)
        if row.delivery_status is DeliveryStatus.READ:
            yield Step(kind=StepKind.READ, at=row.read_at, level=level + 1)
        answers = (heard for heard in self.found.heard if self.asked[id(heard)][0] is row)
        yield from (reply_step(heard, level + 1) for heard in sorted(answers, key=lambda heard: heard.row.received_at))

    def _decision(self, tracker: Tracker) -> Step:
        """The awaited decision. Title: status, code; details: expires_at, by; it links to the story that decided."""
        states = {TrackerStatus.PENDING: State.WAITING, TrackerStatus.EXPIRED: State.FAILED}
        return Step(
            kind=StepKind.DECISION,
            state=states.get(tracker.status, State.DONE),
            at=tracker.responded_at,
            level=IN_EVENT,
            title={"status": tracker.status.value, "code": tracker.code},
            details=given(expires_at=tracker.expires_at, by=tracker.responded_by),
            aggregates=(Aggregate(type="cardRequest", id=tracker.request_id, ecosystem_id=tracker.ecosystem_id),),
            link=self._decided_in(tracker),
        )

    def _decided_in(self, tracker: Tracker) -> str | None:
        """The story whose commit closed the tracker."""
        about, at = tracker.request_id, tracker.responded_at
        deeds = (each.request_id for each in self.found.deeds if (each.target_id, each.timestamp) == (about, at))
        events = (each.correlation_id for each in self.found.events if (each.aggregate.id, each.at) == (about, at))
        return next(deeds, None) or next(events, None)


def _owner(draft: Draft) -> str | None:
    told, scores = (each.row.ecosystem_id for each in draft.told), (each.ecosystem_id for each in draft.scores)
    return next(chain(told, scores, (each.ecosystem_id for each in draft.trackers)), None)
