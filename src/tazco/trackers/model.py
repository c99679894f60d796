"""The tracker of a decision that is awaited over WhatsApp, and the code that approvers answer with."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.kernel.record import Record, Versioned

CODE_CHARACTERS: Final = 8
CODE_BYTES: Final = 5
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that a code survives being read aloud and typed."""

BITS_PER_CHARACTER: Final = 5
AS_MEANT: Final = str.maketrans("ILO", "110")


class TrackerStatus(StrEnum):
    """Where an awaited decision stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker(Versioned):
    """A question to the approvers. It is open until somebody decides, by whatever way, or until it expires."""

    request_id: CardRequestId
    ecosystem_id: EcosystemId
    code: str
    status: TrackerStatus
    expires_at: datetime
    created_at: datetime | None = None
    responded_by: str | None = None
    responded_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Nobody has decided and it has not been found expired."""
        return self.status is TrackerStatus.PENDING

    def overdue(self, now: datetime) -> bool:
        """Its time is up, whether or not the timer has noticed."""
        return self.expires_at <= now

    def closed(self, status: TrackerStatus, by: str, now: datetime) -> "Tracker":
        """The tracker after a decision, or after its expiry."""
        return replace(self, status=status, responded_by=by, responded_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow(Record):
    """Makes a code findable, and unique for ever: a code of an old request is not given to a new one."""

    code_key: str
    points_to: CardRequestId


def code_from(random: bytes) -> str:
    """Eight characters of base 32 from five random bytes."""
    assert len(random) == CODE_BYTES, "five bytes are forty bits, eight characters"
    number = int.from_bytes(random)
    shifts = range(BITS_PER_CHARACTER * (CODE_CHARACTERS - 1), -1, -BITS_PER_CHARACTER)
    return "".join(ALPHABET[number >> shift & len(ALPHABET) - 1] for shift in shifts)


def code_as_typed(text: str) -> str | None:
    """A code as somebody typed it: any case, `#` in front, I and L for 1, O for 0. None if it cannot be one."""
    code = text.removeprefix("#").upper().translate(AS_MEANT)
    return code if re.fullmatch(rf"[{ALPHABET}]{{{CODE_CHARACTERS}}}", code) else None
