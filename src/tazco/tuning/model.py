"""A parameter as operators see it, a change of one, and its refusals."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tazco.kernel.clock import from_text, to_text
from tazco.kernel.errors import Code, NotFound, Refused, Unavailable, VersionConflict

ABSENT: Final = 0
"""The version of a parameter that SSM does not hold; SSM itself counts from 1."""

CURES: Final[Mapping[str, str]] = {
    "AccessDeniedException": "Allow the program's role that operation below the path of the policy",
    "ParameterMaxVersionLimitExceeded": "Take the label off its oldest version",
    "ParameterPatternMismatchException": "Take away the AllowedPattern that somebody gave the parameter",
}


class Source(StrEnum):
    """Where the value in force comes from."""

    SSM = "ssm"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter as SSM holds it now. `known` is false for a name that the policy has no use for.

    Texts may hold phone numbers: they are left out of `repr`, so that no log shows them.
    """

    name: str
    meaning: str = ""
    default: str | None = None
    text: str | None = field(default=None, repr=False)
    version: int = ABSENT
    modified_at: datetime | None = None
    known: bool = True

    @property
    def source(self) -> Source:
        """SSM, or the default because SSM holds nothing."""
        return Source.DEFAULT if self.text is None else Source.SSM


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A text that a parameter has or had. `modified_by` is the AWS identity, where SSM tells it: ours for a change made here."""

    version: int
    text: str = field(repr=False)
    modified_at: datetime
    modified_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change on record: from one version of SSM to another. `at` is the instant of its audit entry."""

    name: str
    previous_version: int
    version: int
    at: datetime
    applied: bool = False

    @property
    def unchanged(self) -> bool:
        """The parameter had that text already: nothing was done, and nothing was recorded."""
        return self.version == self.previous_version

    def done(self, version: int) -> "Change":
        """SSM has it, under that version."""
        return replace(self, version=version, applied=True)

    @property
    def told(self) -> dict[str, Any]:
        """As the answer keeps it: without the text, which may hold phone numbers."""
        return {
            "name": self.name,
            "previousVersion": self.previous_version,
            "version": self.version,
            "at": to_text(self.at),
            "applied": self.applied,
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Change":
        """The change that `told` gave."""
        return cls(
            name=told["name"],
            previous_version=told["previousVersion"],
            version=told["version"],
            at=from_text(told["at"]),
            applied=told["applied"],
        )


class ParameterUnknown(NotFound):
    """The policy has no such parameter."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The policy has no parameter {name}. Choose one of those that are listed.")


class PolicyBeingEdited(Unavailable):
    """One operator at a time."""

    def __init__(self) -> None:
        super().__init__("Another operator is editing the policy. Retry with the same Idempotency-Key in a moment.", retry_after=5)


class ParameterMoved(VersionConflict):
    """Somebody else changed it since it was looked at."""


class RefusedBySsm(Refused):
    """SSM will not take the change: a fault of the installation, not of the operator."""

    code = Code.INTERNAL_ERROR


class NotConfirmed(Unavailable):
    """The change is on record, and whether SSM has it is not known."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The change of {name} is on record, but SSM has not confirmed it. "
            "Retry with the same Idempotency-Key: it is finished then, and never made twice.",
            retry_after=5,
        )


def moved(name: str, expected: int, actual: int) -> ParameterMoved:
    """The refusal of a change that rests on an old look."""
    return ParameterMoved(
        f"Somebody changed {name}: SSM has {_told(actual)}, not {_told(expected)}. Look again, then decide.",
        expected_version=expected,
        actual_version=actual,
    )


def _told(version: int) -> str:
    return f"version {version}" if version else "nothing"


def refused_by_ssm(name: str, operation: str, failure: str) -> RefusedBySsm:
    """The refusal of a change that SSM will not take; `failure` is the name of its error."""
    cure = CURES.get(failure, "Remove the cause")
    return RefusedBySsm(
        f"SSM refused {operation} of {name} ({failure}): the value stays as it was. "
        f"{cure}, then make the change again with a new Idempotency-Key.",
        failure=failure,
    )
