"""Recording a deed inside the command that does it."""

from collections.abc import Mapping
from typing import Any

from tazco.audit.model import Action, AuditEntry, Target
from tazco.audit.store import AUDIT_LOGS
from tazco.platform.jsontext import encode
from tazco.platform.work import Work

EMAIL_UNKNOWN = "unknown"


def email_of_actor(work: Work) -> str:
    """The operator's e-mail: from the record, else from a verified ID token."""
    return (work.account.email if work.account else None) or work.origin.caller.email or EMAIL_UNKNOWN


def record_deed(
    work: Work,
    action: Action,
    target: Target,
    *,
    previous: Mapping[str, Any],
    new: Mapping[str, Any],
    reason: str,
    actor_email: str | None = None,
) -> None:
    """Add the entry to the commit of the command; who did it is the caller of the command."""
    caller = work.origin.caller
    work.add(
        AUDIT_LOGS,
        AuditEntry(
            log_id=work.new_id(),
            actor_id=caller.actor_id,
            admin_ecosystem_id=caller.actor_id,
            admin_email=actor_email or email_of_actor(work),
            action=action,
            target_type=target.type,
            target_id=target.id,
            target_ecosystem_id=target.ecosystem_id,
            previous_value=encode(previous).decode(),
            new_value=encode(new).decode(),
            reason=reason,
            request_id=work.origin.correlation_id,
            ip_address=work.origin.ip_address,
            user_agent=work.origin.user_agent,
            timestamp=work.now,
        ),
    )
