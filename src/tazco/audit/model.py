"""An audit entry."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tazco.kernel.record import Record


class Action(StrEnum):
    """What operators, and the system on their behalf, can do."""

    SCORE_ADJUSTED = "score.adjusted"
    REQUEST_APPROVED = "card_request.approved"
    REQUEST_REJECTED = "card_request.rejected"
    CARD_SUSPENDED = "card.suspended"
    CARD_REACTIVATED = "card.reactivated"
    CARD_CANCELLED = "card.cancelled"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    EVENT_REDRIVEN = "event.redriven"
    POLICY_CHANGED = "policy.changed"
    POLICY_CHANGE_FAILED = "policy.change_failed"
    CLEANUP = "system.cleanup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What it was done to; `ecosystem_id` is the person whom it concerns."""

    type: str
    id: str
    ecosystem_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(Record):
    """One deed. `previous_value` and `new_value` are JSON texts as the wire shows them."""

    log_id: str
    actor_id: str
    admin_ecosystem_id: str
    admin_email: str
    action: Action
    target_type: str
    target_id: str
    target_ecosystem_id: str
    previous_value: str
    new_value: str
    reason: str
    request_id: str
    ip_address: str
    user_agent: str
    timestamp: datetime
