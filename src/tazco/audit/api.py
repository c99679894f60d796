"""GET /v1/admin/audit-logs."""

from typing import Any

import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.audit.model import AuditEntry
from tazco.audit.store import AUDIT_LOGS, entries_about, entries_by, place_of
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Code, Invalid
from tazco.platform.database import Database
from tazco.platform.http.call import Call
from tazco.platform.http.fields import OutTime
from tazco.platform.http.routing import Doc, Routes
from tazco.platform.http.schema import PaginationView
from tazco.platform.tables import Key

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
        found = await _about(database, target_type, target_id, after, size + 1, actor_id)
    else:
        assert actor_id is not None
        found = await _by(database, actor_id, after, size + 1)
    page = found[:size]
    position = _position(page[-1]) if len(found) > size else None
    return call.reply({"auditLogs": [audit_view(entry) for entry in page], "pagination": call.pagination(binding, position)})


def _position(entry: AuditEntry) -> tuple[str, str]:
    return to_text(entry.timestamp), entry.log_id


async def _about(
    database: Database, target_type: str, target_id: str, after: tuple[str, ...] | None, wanted: int, actor_id: str | None
) -> list[AuditEntry]:
    question = entries_about(target_type, target_id, before="#".join(after) if after else None, rows_max=wanted + 1)
    found: list[AuditEntry] = []
    async for item in database.query(question):
        entry = AUDIT_LOGS.codec.decode(item)
        if after and place_of(entry) == "#".join(after):
            continue
        if actor_id is None or entry.actor_id == actor_id:
            found.append(entry)
        if len(found) == wanted:
            break
    return found


async def _by(database: Database, actor_id: str, after: tuple[str, ...] | None, wanted: int) -> list[AuditEntry]:
    """Read the index until enough names stand after the position, an instant's entries always to its end: names tie in time."""
    keys: list[tuple[tuple[str, str], Key]] = []
    async for item in database.query(entries_by(actor_id, before=after[0] if after else None), page_rows=wanted + 1):
        instant, key = item["timestamp"]["S"], AUDIT_LOGS.key_of(item)
        if len(keys) >= wanted and instant != keys[-1][0][0]:
            break
        position = (instant, key[1].split("#", 1)[1])
        if after is None or position < after:
            keys.append((position, key))
    keys.sort(reverse=True)
    return list(await database.rows(AUDIT_LOGS, [key for _, key in keys[:wanted]]))
