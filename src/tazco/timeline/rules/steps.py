"""Rows → steps: what one row tells by itself."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from tazco.audit.model import AuditEntry
from tazco.notifications.model import UNSENT, DeliveryStatus, Notification
from tazco.notifications.rules import last_four
from tazco.scores.model import ScoreStep
from tazco.timeline.model import Aggregate, Happened, Heard, State, Step, StepKind, Value

AGGREGATES: Final[Mapping[str, str]] = {"card-request": "cardRequest", "card": "card", "user": "user"}
"""By the target types of the audit: what events call the same thing. Other targets have no stream to be told of."""

REQUEST: Final = "cardRequest"
IN_COMMIT, IN_EVENT = 1, 2
"""How far steps are indented."""


def given(**values: Value | None) -> dict[str, Value]:
    """The gaps that there is something for."""
    return {name: value for name, value in values.items() if value not in (None, "")}


def outcome_of(heard: Heard) -> Mapping[str, str]:
    """What became of an inbound message; empty while that is unfinished."""
    return json.loads(heard.row.outcome) if heard.row.outcome else {}


def target_of(deed: AuditEntry) -> tuple[Aggregate, ...]:
    """What a deed was done to, if that has a stream."""
    known_as = AGGREGATES.get(deed.target_type)
    return (Aggregate(type=known_as, id=deed.target_id, ecosystem_id=deed.target_ecosystem_id),) if known_as else ()


def deed_step(deed: AuditEntry) -> Step:
    """What an operator, an approver or the system did. Title: action, target, id; details: reason."""
    title = given(action=deed.action.value, target=deed.target_type, id=deed.target_id)
    return Step(
        kind=StepKind.DEED,
        at=deed.timestamp,
        level=IN_COMMIT,
        title=title,
        details=given(reason=deed.reason),
        aggregates=target_of(deed),
    )


def score_step(step: ScoreStep) -> Step:
    """A score that moved, where the event that told so is forgotten. Title: previous, value, delta; details: reason."""
    title: dict[str, Value] = {"previous": step.previous_value, "value": step.value, "delta": step.delta}
    owner = Aggregate(type="user", id=step.ecosystem_id, ecosystem_id=step.ecosystem_id)
    return Step(
        kind=StepKind.SCORE,
        at=step.timestamp,
        level=IN_COMMIT,
        title=title,
        details=given(reason=step.reason),
        aggregates=(owner,),
    )


def bus_step(event: Happened, told: list[Notification]) -> Step:
    """How an event left for the bus, or waits to. Details: retries, error, next_retry_at.

    The relay notes the instant when the bus has answered; the queue may have had the event by then.
    """
    queued = [row.queued_at for row in told if row.queued_at]
    waits = State.FAILED if event.dead else State.WAITING
    return Step(
        kind=StepKind.BUS,
        state=State.DONE if event.left_at else waits,
        at=min([event.left_at, *queued]) if event.left_at else None,
        level=IN_EVENT,
        details=given(retries=event.retries or None, error=event.last_error, next_retry_at=event.next_retry_at),
    )


def reaction_steps(event: Happened, told: list[Notification]) -> Iterator[Step]:
    """The queue, and the reaction (title: receives, notifications): known from what the reaction wrote, all of it in one commit."""
    if told:
        first = min(told, key=lambda row: row.created_at)
        yield Step(kind=StepKind.QUEUE, at=first.queued_at, level=IN_EVENT)
        title = given(receives=first.receives, notifications=len(told))
        yield Step(kind=StepKind.REACTION, at=first.created_at, level=IN_EVENT, title=title)
    elif event.left_at and event.awaited:
        yield Step(kind=StepKind.QUEUE, state=State.WAITING, level=IN_EVENT)


def sending_step(row: Notification, level: int) -> Step:
    """A message on its way. Title: kind, name, who, status; details: written_at, retries, error, next_attempt_at, provider."""
    about = (Aggregate(type=REQUEST, id=row.related_entity_id, ecosystem_id=row.ecosystem_id),)
    unsent = State.WAITING if row.delivery_status in UNSENT else State.DONE
    return Step(
        kind=StepKind.NOTIFICATION,
        state=State.FAILED if row.delivery_status is DeliveryStatus.DEAD_LETTER else unsent,
        at=row.sent_at,
        level=level,
        title=given(
            kind=row.notification_type.value,
            name=row.recipient_name,
            who=last_four(row.recipient_phone or row.recipient_user_id or ""),
            status=row.delivery_status.value,
        ),
        details=given(
            written_at=row.created_at,
            retries=row.retry_count or None,
            error=row.last_error,
            next_attempt_at=row.next_attempt_at,
            provider=row.provider,
        ),
        aggregates=about if row.related_entity_type == REQUEST else (),
    )


def reply_step(heard: Heard, level: int) -> Step:
    """What an approver answered, and the story that this began. Title: command; details: action, reason."""
    outcome = outcome_of(heard)
    return Step(
        kind=StepKind.REPLY,
        at=heard.row.received_at,
        level=level,
        title=given(command=heard.row.command),
        details=given(action=outcome.get("action"), reason=outcome.get("reason")),
        link=heard.correlation_id,
    )
