"""Where trackers are."""

from typing import Final

from tazco.approvals.model import Tracker
from tazco.platform.tables import Index, Table

EXPIRED_APPROVALS: Final = Index(name="ExpiredApprovals", partition="statusShard", sort="expiresAt")

TRACKERS: Final = Table(
    name="pending-approvals",
    record=Tracker,
    partition="requestId",
    indexes=(EXPIRED_APPROVALS,),
    wiped_as="approvalTrackers",
)
