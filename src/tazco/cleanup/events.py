"""What others may react to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from tazco.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedUp(Event):
    """All data but the audit is gone; every stream but this one starts again at 1."""

    type: ClassVar[str] = "system.cleanup"
    aggregate_type: ClassVar[str] = "system"

    admin_id: str
    admin_email: str
    deleted_counts: dict[str, Any]
    timestamp: datetime
