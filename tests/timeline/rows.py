"""Rows made by hand: somebody asks for a card at noon, and what may follow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tazco.audit.model import Action, AuditEntry
from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.notifications.model import DeliveryStatus, InboundMessage, Kind, Notification
from tazco.scores.model import ScoreSource, ScoreStep
from tazco.timeline.model import Aggregate, Found, Happened, Heard, Step, StepKind, Story, Told
from tazco.timeline.rules.stories import stories_in
from tazco.trackers.model import Tracker, TrackerStatus

NOON = datetime(2031, 4, 5, 12, tzinfo=UTC)
OWNER = "user-77"
CODE = "7K3M9QXD"
ONE, TWO = "5511900000000", "5521988887777"
REQUEST = Aggregate(type="cardRequest", id="q-1", ecosystem_id=OWNER)
CARD = Aggregate(type="card", id="c-1", ecosystem_id=OWNER)
USER = Aggregate(type="user", id=OWNER, ecosystem_id=OWNER)


def later(milliseconds: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(milliseconds=milliseconds)


def event(
    event_id: str, kind: str, aggregate: Aggregate, at: datetime = NOON, correlation_id: str = "r-1", **others: Any
) -> Happened:
    """An event that left 20 ms after it happened."""
    given = {"sequence": 1, "left_at": at + timedelta(milliseconds=20), **others}
    return Happened(event_id=event_id, type=kind, aggregate=aggregate, at=at, correlation_id=correlation_id, **given)


DECIDED_AT = later(5_010)
ASKED = event("e-1", "card.requested", REQUEST)
APPROVED = event("e-2", "card.approved", CARD, DECIDED_AT, "wamid.A")


def notification(name: str = "Desk 1", phone: str | None = ONE, *, cause: str | None = "e-1", **others: Any) -> Told:
    """The question to an approver, sent 60 ms after noon."""
    given = {
        "notification_id": f"n-{name}-{cause}",
        "notification_type": Kind.APPROVAL,
        "related_entity_type": "cardRequest",
        "related_entity_id": REQUEST.id,
        "content": f'{{"code":"{CODE}"}}',
        "delivery_status": DeliveryStatus.SENT,
        "created_at": later(40),
        "sent_at": later(60),
        "queued_at": later(25),
        "receives": 1,
        **others,
    }
    row = Notification(ecosystem_id=EcosystemId(OWNER), recipient_name=name, recipient_phone=phone, provider="meta", **given)
    return Told(cause=cause, row=row)


def reply(cause: str | None, at: datetime, name: str = "Desk 1", phone: str = ONE) -> Told:
    """What an approver is told about an answer of theirs; in the commit of what the answer did."""
    how = {"notification_type": Kind.REPLY, "content": "{}", "created_at": at, "sent_at": at + timedelta(milliseconds=15)}
    return notification(name, phone, cause=cause, queued_at=None, receives=None, **how)


def message(
    message_id: str, at: datetime, *, phone: str = ONE, command: str | None = f"approve {CODE}", outcome: str | None = None
) -> Heard:
    """An approver's answer; its correlation id is the provider's id."""
    row = InboundMessage(
        message_id=f"meta#{message_id}",
        provider="meta",
        wpp_message_id=message_id,
        sender_phone=phone,
        received_at=at,
        command=command,
        outcome=outcome,
    )
    return Heard(correlation_id=message_id, row=row)


TAP = message("wamid.A", later(5_000), outcome='{"ok":true,"action":"approved","requestId":"q-1"}')


def deed(
    action: Action = Action.REQUEST_APPROVED, at: datetime = DECIDED_AT, request_id: str = "wamid.A", **others: Any
) -> AuditEntry:
    """An entry of the audit; by Desk 1 over WhatsApp unless told otherwise."""
    given = {
        "actor_id": ONE,
        "admin_email": f"whatsapp:{ONE}",
        "target_type": "card-request",
        "target_id": REQUEST.id,
        "ip_address": "",
        "user_agent": "",
        "reason": "Approved by Desk 1 over WhatsApp",
        **others,
    }
    return AuditEntry(
        log_id=f"l-{request_id}",
        admin_ecosystem_id=given["actor_id"],
        action=action,
        target_ecosystem_id=OWNER,
        previous_value="{}",
        new_value="{}",
        request_id=request_id,
        timestamp=at,
        **given,
    )


OPERATOR: dict[str, Any] = {
    "actor_id": "op-1",
    "admin_email": "ada@example.com",
    "ip_address": "192.0.2.7",
    "user_agent": "Firefox",
    "reason": "Checked",
}
TRACKER = Tracker(
    request_id=CardRequestId(REQUEST.id),
    ecosystem_id=EcosystemId(OWNER),
    code=CODE,
    status=TrackerStatus.PENDING,
    created_at=NOON,
    expires_at=NOON + timedelta(hours=24),
)
DECIDED = replace(TRACKER, status=TrackerStatus.APPROVED, responded_at=DECIDED_AT, responded_by="whatsapp:0000")


def score_step(at: datetime, source: ScoreSource = ScoreSource.SYSTEM) -> ScoreStep:
    """A score that moved."""
    owner = EcosystemId(OWNER)
    return ScoreStep(
        ecosystem_id=owner, score_id="s-1", value=640, previous_value=500, delta=140, reason="Checked", source=source, timestamp=at
    )


def one(found: Found) -> Story:
    """The only story."""
    (story,) = stories_in(found)
    return story


def by_id(found: Found) -> dict[str | None, Story]:
    """Every story by its correlation id."""
    stories = stories_in(found)
    assert len({story.correlation_id for story in stories}) == len(stories)
    return {story.correlation_id: story for story in stories}


def of(story: Story, kind: StepKind) -> list[Step]:
    """The steps of a kind."""
    return [step for step in story.steps if step.kind is kind]


def only(story: Story, kind: StepKind) -> Step:
    """The only step of a kind."""
    (step,) = of(story, kind)
    return step


def outline(story: Story) -> list[tuple[int, str, int | None]]:
    """Level, kind and milliseconds of each step."""
    return [(step.level, step.kind.value, step.after_ms) for step in story.steps]
