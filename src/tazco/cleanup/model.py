"""The confirmation of a cleanup, and its refusals."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tazco.kernel.errors import Code, Forbidden, Invalid, Refused
from tazco.kernel.record import Versioned

CONFIRMATION_LIFE: Final = timedelta(minutes=5)


class CleanupSwitchedOff(Forbidden):
    """The deployment does not allow it."""

    def __init__(self) -> None:
        super().__init__("Cleanup is switched off here (TAZCO_CLEANUP_ENABLED=false).")


class CleanupInProgress(Refused):
    """One at a time."""

    code = Code.CLEANUP_IN_PROGRESS

    def __init__(self) -> None:
        super().__init__("A cleanup is running already.")


class BadConfirmation(Invalid):
    """The token is unknown, used, expired or somebody else's."""

    def __init__(self) -> None:
        super().__init__("confirmationToken is not valid (any more). Ask for a new one without a body.", field="confirmationToken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation(Versioned):
    """A token that one operator may use once; only its hash is stored. `expires_at` is for TTL, in epoch seconds."""

    actor_id: str
    token_hash: str
    valid_until: datetime
    expires_at: int
    used: bool = False
