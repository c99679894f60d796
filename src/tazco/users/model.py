"""A person, and the tier that follows from the score."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from tazco.kernel.errors import Forbidden, Invalid, NotFound
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId, Subject
from tazco.kernel.record import Versioned

SCORE_MIN: Final = 0
SCORE_MAX: Final = 1000
SCORE_AT_START: Final = 500
HIGH_TIER_SCORE_MIN: Final = 700
MEDIUM_TIER_SCORE_MIN: Final = 500
NOBODY: Final = Subject("")
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Tier(StrEnum):
    """A band of scores."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Role(StrEnum):
    """What the token said at the last sign-in; informative, never an authority."""

    USER = "user"
    ADMIN = "admin"


class UserStatus(StrEnum):
    """Whether a person may act."""

    ACTIVE = "active"
    DISABLED = "disabled"


class UserNotFound(NotFound):
    """There is no such person."""

    def __init__(self) -> None:
        super().__init__("User not found.")


class IdTaken(Forbidden):
    """The claimed ecosystem id belongs to another subject."""

    def __init__(self) -> None:
        super().__init__("This ecosystemId belongs to another account.")


class OwnAccount(Invalid):
    """Operators do not lock themselves out."""

    def __init__(self) -> None:
        super().__init__("You cannot disable or enable your own account. Ask another operator.")


def tier_of(score: int) -> Tier:
    """The tier of a score; always derived, a stored tier is never trusted."""
    if score >= HIGH_TIER_SCORE_MIN:
        return Tier.HIGH
    return Tier.MEDIUM if score >= MEDIUM_TIER_SCORE_MIN else Tier.LOW


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Versioned):
    """A registered person. `active_card_id` and `open_request_id` hold the one card and the one open request a person may have."""

    ecosystem_id: EcosystemId
    subject: Subject = NOBODY
    email: str = ""
    role: Role = Role.USER
    status: UserStatus = UserStatus.ACTIVE
    current_score: int = SCORE_AT_START
    created_at: datetime = LONG_AGO
    updated_at: datetime = LONG_AGO
    last_login_at: datetime | None = None
    active_card_id: CardId | None = None
    open_request_id: CardRequestId | None = None

    @property
    def tier(self) -> Tier:
        """The tier of the current score."""
        return tier_of(self.current_score)

    @property
    def disabled(self) -> bool:
        """An operator has closed the account."""
        return self.status is UserStatus.DISABLED

    def signed_in(self, *, role: Role, email: str | None, now: datetime) -> "User":
        """The person after a sign-in: role and a verified e-mail follow the token, and only they count as an update."""
        known_as = replace(self, role=role, email=email or self.email)
        updated_at = self.updated_at if known_as == self else now
        return replace(known_as, last_login_at=now, updated_at=updated_at)

    def with_status(self, status: UserStatus, now: datetime) -> "User":
        """The person enabled or disabled."""
        return replace(self, status=status, updated_at=now)

    def with_score(self, score: int, now: datetime) -> "User":
        """The person with another score."""
        assert SCORE_MIN <= score <= SCORE_MAX, "clamp first"
        return replace(self, current_score=score, updated_at=now)

    def holding(self, card_id: CardId | None, request_id: CardRequestId | None, now: datetime) -> "User":
        """The person with another card and open request."""
        return replace(self, active_card_id=card_id, open_request_id=request_id, updated_at=now)
