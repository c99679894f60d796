"""What others may react to."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from tazco.kernel.events import Event
from tazco.kernel.ids import EcosystemId, Subject
from tazco.users.model import Role, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    """Somebody registered."""

    type: ClassVar[str] = "user.created"
    aggregate_type: ClassVar[str] = "user"
    wire_names: ClassVar[Mapping[str, str]] = MappingProxyType({"subject": "firebaseUid"})

    ecosystem_id: EcosystemId
    subject: Subject
    email: str
    role: Role
    initial_score: int
    tier: Tier
