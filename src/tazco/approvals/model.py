"""The tracker of a decision that is awaited."""

from dataclasses import dataclass
from datetime import datetime

from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.kernel.record import Versioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker(Versioned):
    """An open question to the approvers; `code` is what they answer with."""

    request_id: CardRequestId
    ecosystem_id: EcosystemId
    code: str
    status: str
    created_at: datetime
    expires_at: datetime
    responded_by: str | None = None
    responded_at: datetime | None = None
    status_shard: str | None = None
