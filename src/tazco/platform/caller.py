"""The caller of a command, and where the call came from."""

from dataclasses import dataclass
from typing import Final, Protocol

from tazco.kernel.ids import CorrelationId, EcosystemId, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Someone with a verified token. `ecosystem_id` is None while the person is not registered.

    `email` and `claimed_ecosystem_id` come from a verified ID token only; neither is an authority. `alias` names in events, which
    carry no phone numbers, somebody whose id is one.
    """

    subject: Subject
    ecosystem_id: EcosystemId | None = None
    is_admin: bool = False
    email: str | None = None
    claimed_ecosystem_id: str | None = None
    alias: str | None = None

    @property
    def actor_id(self) -> str:
        """Who acted, for the audit and as the scope of idempotency keys: the person, or the subject before registration."""
        return self.ecosystem_id or self.subject

    @property
    def public_id(self) -> str:
        """Who acted, as events and everybody's records may say it."""
        return self.alias or self.actor_id


SYSTEM: Final = Caller(subject=Subject("system"))
"""Nobody: a reaction to an event, a timer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a command came from; `correlation_id` ties everything that follows from it together."""

    caller: Caller
    correlation_id: CorrelationId
    ip_address: str = ""
    user_agent: str = ""


class Account(Protocol):
    """What the platform needs to know of a person's stored record."""

    @property
    def disabled(self) -> bool:
        """An operator has closed the account."""
        ...

    @property
    def email(self) -> str:
        """Where the person can be reached; empty where unknown."""
        ...
