"""Where audit entries are, and the three questions asked of them."""

from typing import Final

from tazco.audit.model import AuditEntry
from tazco.kernel.clock import to_text
from tazco.platform.tables import EntriesOf, Index, Range, RowsOf, Table, composite

BY_ACTOR: Final = Index(name="LogsByActor", partition="actorId", sort="timestamp")
BY_REQUEST: Final = Index(name="LogsByRequest", partition="requestId", sort="timestamp")

AUDIT_LOGS: Final = Table(
    name="audit-logs",
    record=AuditEntry,
    partition="targetKey",
    sort="timestampLogId",
    indexes=(BY_ACTOR, BY_REQUEST),
    derived=lambda entry: {
        "targetKey": composite(entry.target_type, entry.target_id),
        "timestampLogId": place_of(entry),
    },
)


def place_of(entry: AuditEntry) -> str:
    """Where an entry stands among those of its target: by time, then by id."""
    return f"{to_text(entry.timestamp)}#{entry.log_id}"


def entries_about(target_type: str, target_id: str, *, before: str | None, rows_max: int) -> RowsOf[AuditEntry]:
    """The newest entries about a target, those at `before` included."""
    return RowsOf(AUDIT_LOGS, composite(target_type, target_id), Range(at_most=before, newest_first=True, rows_max=rows_max))


def entries_by(actor_id: str, *, before: str | None) -> EntriesOf:
    """The newest entries of an actor from an instant backwards; names only, as the index has them."""
    return EntriesOf(AUDIT_LOGS, BY_ACTOR, actor_id, Range(at_most=before, newest_first=True))


def entries_of(correlation_id: str, *, rows_max: int) -> EntriesOf:
    """The newest entries that followed from one call or message; names only, as the index has them."""
    return EntriesOf(AUDIT_LOGS, BY_REQUEST, correlation_id, Range(newest_first=True, rows_max=rows_max))
