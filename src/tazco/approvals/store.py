"""How the outcome of a message is spelled: on the wire, and in the row that keeps it for the next redelivery."""

import json
from typing import Any

from tazco.approvals.model import Action, Outcome, Why
from tazco.kernel.ids import CardRequestId
from tazco.platform.jsontext import encode


def spelled(outcome: Outcome) -> dict[str, Any]:
    """An outcome as the wire shows it; what does not apply is left out."""
    optional = {
        "reason": outcome.reason.value if outcome.reason else None,
        "requestId": outcome.request_id,
        "error": outcome.error,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return {"ok": outcome.action is not Action.ERROR, "action": outcome.action.value, **given}


def kept(outcome: Outcome) -> str:
    """An outcome as its row keeps it."""
    return encode(spelled(outcome)).decode()


def outcome_kept(text: str) -> Outcome:
    """The outcome that `kept` wrote down."""
    fields = json.loads(text)
    reason, request_id = fields.get("reason"), fields.get("requestId")
    return Outcome(
        action=Action(fields["action"]),
        reason=Why(reason) if reason else None,
        request_id=CardRequestId(request_id) if request_id else None,
        error=fields.get("error"),
    )
