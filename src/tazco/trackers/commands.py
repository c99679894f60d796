"""Opening a tracker in the commit of a request, closing it in the commit of the decision."""

from datetime import timedelta

from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.platform.work import Work
from tazco.trackers.model import CODE_BYTES, Tracker, TrackerStatus, code_from
from tazco.trackers.store import CODES, TRACKERS, row_of_code


def await_decision(work: Work, request_id: CardRequestId, owner: EcosystemId) -> Tracker | None:
    """Open a tracker with a code of its own; None where nobody is to be asked by WhatsApp.

    The code is random and nothing else: ids that begin alike must not make codes that look alike. One that is taken already
    loses the commit, and the next attempt draws another.
    """
    policy = work.policy
    if not policy.notifications_enabled or not policy.approvers:
        return None
    opened = Tracker(
        request_id=request_id,
        ecosystem_id=owner,
        code=code_from(work.random_bytes(CODE_BYTES)),
        status=TrackerStatus.PENDING,
        created_at=work.now,
        expires_at=work.now + timedelta(hours=policy.approval_expiry_hours),
    )
    work.add(TRACKERS, opened)
    work.add(CODES, row_of_code(opened))
    return opened


def close(work: Work, found: Tracker | None, status: TrackerStatus) -> None:
    """Close the tracker of a request that is being decided, if it has an open one; the code acts no more."""
    if found is not None and found.open:
        work.change(TRACKERS, found, found.closed(status, work.origin.caller.public_id, work.now))
