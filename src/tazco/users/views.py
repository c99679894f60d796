"""A person as the wire shows them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from tazco.kernel.clock import to_text
from tazco.platform.http.fields import OutTime
from tazco.users.model import User


class UserView(TypedDict):
    """A person."""

    ecosystemId: str
    firebaseUid: str
    email: str
    role: Literal["user", "admin"]
    status: Literal["active", "disabled"]
    currentScore: int
    tier: Literal["high", "medium", "low"]
    createdAt: OutTime
    updatedAt: OutTime
    lastLoginAt: NotRequired[OutTime]


def user_view(user: User) -> UserView:
    """A person as the wire shows them."""
    view: UserView = {
        "ecosystemId": user.ecosystem_id,
        "firebaseUid": user.subject,
        "email": user.email,
        "role": user.role.value,
        "status": user.status.value,
        "currentScore": user.current_score,
        "tier": user.tier.value,
        "createdAt": to_text(user.created_at),
        "updatedAt": to_text(user.updated_at),
    }
    if user.last_login_at:
        view["lastLoginAt"] = to_text(user.last_login_at)
    return view
