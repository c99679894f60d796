"""Where audit entries are, the questions asked of them, and the two lists that operators page through."""

from typing import Final

from tazco.audit.model import AuditEntry
from tazco.kernel.clock import to_text
from tazco.platform.database import Database
from tazco.platform.merging import Position
from tazco.platform.tables import EntriesOf, Get, Index, Key, Range, RowsOf, Table, composite

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


def entry(target_type: str, target_id: str, place: str) -> Get[AuditEntry]:
    """The entry at a place among those of a target."""
    return Get(AUDIT_LOGS, (composite(target_type, target_id), place))


def entries_about(target_type: str, target_id: str, *, before: str | None, rows_max: int) -> RowsOf[AuditEntry]:
    """The newest entries about a target, those at `before` included."""
    return RowsOf(AUDIT_LOGS, composite(target_type, target_id), Range(at_most=before, newest_first=True, rows_max=rows_max))


def entries_by(actor_id: str, *, before: str | None) -> EntriesOf:
    """The newest entries of an actor from an instant backwards; names only, as the index has them."""
    return EntriesOf(AUDIT_LOGS, BY_ACTOR, actor_id, Range(at_most=before, newest_first=True))


def entries_of(correlation_id: str, *, rows_max: int) -> EntriesOf:
    """The newest entries that followed from one call or message; names only, as the index has them."""
    return EntriesOf(AUDIT_LOGS, BY_REQUEST, correlation_id, Range(newest_first=True, rows_max=rows_max))


async def page_about(
    database: Database, target_type: str, target_id: str, after: Position | None, size: int, *, actor_id: str | None = None
) -> tuple[list[AuditEntry], Position | None]:
    """The next `size` entries about a target, by one actor alone if one is given, and the position from which the list goes on."""
    before = "#".join(after) if after else None
    question = entries_about(target_type, target_id, before=before, rows_max=size + 2)
    found: list[AuditEntry] = []
    async for item in database.query(question):
        deed = AUDIT_LOGS.codec.decode(item)
        if place_of(deed) != before and actor_id in (None, deed.actor_id):
            found.append(deed)
        if len(found) > size:
            break
    return _page(found, size)


async def page_by(database: Database, actor_id: str, after: Position | None, size: int) -> tuple[list[AuditEntry], Position | None]:
    """The next `size` entries of an actor, and the position from which the list goes on.

    The index is read until enough names stand after the position, an instant's entries always to its end: names tie in time.
    """
    keys: list[tuple[Position, Key]] = []
    async for item in database.query(entries_by(actor_id, before=after[0] if after else None), page_rows=size + 2):
        instant, key = item["timestamp"]["S"], AUDIT_LOGS.key_of(item)
        if len(keys) > size and instant != keys[-1][0][0]:
            break
        position = (instant, key[1].split("#", 1)[1])
        if after is None or position < after:
            keys.append((position, key))
    keys.sort(reverse=True)
    return _page(list(await database.rows(AUDIT_LOGS, [key for _, key in keys[: size + 1]])), size)


def _page(found: list[AuditEntry], size: int) -> tuple[list[AuditEntry], Position | None]:
    page = found[:size]
    return page, (to_text(page[-1].timestamp), page[-1].log_id) if len(found) > size else None
