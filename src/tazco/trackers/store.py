"""Where trackers and their codes are, and the questions asked of them."""

from typing import Final

from tazco.platform.tables import EntriesOf, Get, Index, Range, Table, spread
from tazco.trackers.model import CodeRow, Tracker

SHARDS: Final = 4
CODE_PREFIX: Final = "code#"

EXPIRED_APPROVALS: Final = Index(name="ExpiredApprovals", partition="statusShard", sort="expiresAt")
TRACKERS_BY_CODE: Final = Index(name="TrackersByCode", partition="code")
"""For trackers that another program wrote, without the row that makes their code unique."""


TRACKERS: Final = Table(
    name="pending-approvals",
    record=Tracker,
    partition="requestId",
    indexes=(EXPIRED_APPROVALS, TRACKERS_BY_CODE),
    derived=lambda tracker: {"statusShard": f"pending#{spread(tracker.request_id, SHARDS)}" if tracker.open else None},
    wiped_as="approvalTrackers",
)

CODES: Final = Table(
    name=TRACKERS.name,
    record=CodeRow,
    partition=TRACKERS.partition,
    spelling={"code_key": "requestId", "points_to": "pointsTo"},
)


def tracker(request_id: str) -> Get[Tracker]:
    """The tracker of a request, if its decision is or was awaited over WhatsApp."""
    return Get(TRACKERS, (request_id,))


def code_row(code: str) -> Get[CodeRow]:
    """Which request a code stands for."""
    return Get(CODES, (CODE_PREFIX + code,))


def named_by_code(code: str) -> EntriesOf:
    """The trackers with a code, open or closed, by the index; one made this instant may not be there yet."""
    return EntriesOf(TRACKERS, TRACKERS_BY_CODE, code)


def overdue_at(instant: str) -> tuple[EntriesOf, ...]:
    """Open trackers whose time was up at an instant, one question a shard, the oldest first."""
    return tuple(EntriesOf(TRACKERS, EXPIRED_APPROVALS, f"pending#{shard}", Range(at_most=instant)) for shard in range(SHARDS))


def row_of_code(found: Tracker) -> CodeRow:
    """The row that makes a tracker's code findable."""
    return CodeRow(code_key=CODE_PREFIX + found.code, points_to=found.request_id)
