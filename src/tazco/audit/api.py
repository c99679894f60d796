"""GET /v1/admin/audit-logs."""

from typing import Any

import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.audit.model import AuditEntry
from tazco.audit.store import page_about, page_by
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Code, Invalid
from tazco.platform.http.call import Call
from tazco.platform.http.fields import OutTime
from tazco.platform.http.routing import Doc, Routes
from tazco.platform.http.schema import PaginationView

ID_BYTES_MAX = 256

routes = Routes()


class AuditView(TypedDict):
    """One deed."""

    logId: str
    actorId: str
    adminEcosystemId: str
    adminEmail: str
    action: str
    targetType: str
    targetId: str
    targetEcosystemId: str
    previousValue: dict[str, Any]
    newValue: dict[str, Any]
    reason: str
    requestId: str
    ipAddress: str
    userAgent: str
    timestamp: OutTime


class AuditList(TypedDict):
    """Deeds, newest first."""

    auditLogs: list[AuditView]
    pagination: PaginationView


def audit_view(entry: AuditEntry) -> dict[str, Any]:
    """An entry as the wire shows it."""
    return {
        "logId": entry.log_id,
        "actorId": entry.actor_id,
        "adminEcosystemId": entry.admin_ecosystem_id,
        "adminEmail": entry.admin_email,
        "action": entry.action.value,
        "targetType": entry.target_type,
        "targetId": entry.target_id,
        "targetEcosystemId": entry.target_ecosystem_id,
        "previousValue": orjson.Fragment(entry.previous_value),
        "newValue": orjson.Fragment(entry.new_value),
        "reason": entry.reason,
        "requestId": entry.request_id,
        "ipAddress": entry.ip_address,
        "userAgent": entry.user_agent,
        "timestamp": to_text(entry.timestamp),
    }


DOC = Doc(
    summary="Who did what",
    tag="Operators: audit",
    replies={200: AuditList},
    refusals=(Code.VALIDATION_ERROR,),
    query={
        "targetType": "user, card-request, card, event or system; with targetId",
        "targetId": "id of the target",
        "actorId": "instead of a target: who did it",
        "cursor": "where to go on",
        "limit": "1 to 100, default 20",
    },
    operator=True,
)


@routes.get("/v1/admin/audit-logs", DOC)
async def list_audit_logs(call: Call) -> Response:
    """Deeds about a target or by an actor, newest first."""
    caller = await call.operator()
    target_type, target_id, actor_id = call.query("targetType"), call.query("targetId"), call.query("actorId")
    if not actor_id and not (target_type and target_id):
        raise Invalid("Give targetType and targetId, or actorId.")
    if any(len((given or "").encode()) > ID_BYTES_MAX for given in (target_type, target_id, actor_id)):
        raise Invalid(f"An id has at most {ID_BYTES_MAX} bytes.")
    binding = ("audit-logs", caller.actor_id, target_type, target_id, actor_id)
    after = call.cursor(binding)
    database, size = call.services.database, call.page_size
    if target_type and target_id:
        page, position = await page_about(database, target_type, target_id, after, size, actor_id=actor_id)
    else:
        assert actor_id is not None
        page, position = await page_by(database, actor_id, after, size)
    return call.reply({"auditLogs": [audit_view(entry) for entry in page], "pagination": call.pagination(binding, position)})
