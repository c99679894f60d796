"""Refusals: a request that was understood and declined, with nothing changed. Anything else that is raised is a bug."""

from enum import StrEnum
from typing import Any, ClassVar


class Code(StrEnum):
    """What a client can act upon; each has one HTTP status (`docs/rules.md`)."""

    INVALID_TOKEN = "INVALID_TOKEN"  # noqa: S105 - a code, no secret
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a code, no secret
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    LIMIT_EXCEEDS_POLICY = "LIMIT_EXCEEDS_POLICY"
    INSUFFICIENT_CREDIT = "INSUFFICIENT_CREDIT"
    CARD_ALREADY_EXISTS = "CARD_ALREADY_EXISTS"
    CARD_REQUEST_EXISTS = "CARD_REQUEST_EXISTS"
    REQUEST_ALREADY_PROCESSED = "REQUEST_ALREADY_PROCESSED"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    CLEANUP_IN_PROGRESS = "CLEANUP_IN_PROGRESS"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    UNAUTHORIZED = "UNAUTHORIZED"
    INVALID_SECRET = "INVALID_SECRET"  # noqa: S105 - a code, no secret


class Refused(Exception):
    """The request is refused and nothing has changed. `message` is shown to people; `details` to programs."""

    code: ClassVar[Code] = Code.VALIDATION_ERROR

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Invalid(Refused):
    """The input is wrong, or the rules forbid it and have no code of their own."""


class NotFound(Refused):
    """It does not exist, or it is someone else's: the answer is the same."""

    code = Code.NOT_FOUND


class Forbidden(Refused):
    """The caller may not do this."""

    code = Code.FORBIDDEN


class AccountDisabled(Refused):
    """The caller's account is disabled."""

    code = Code.ACCOUNT_DISABLED


class VersionConflict(Refused):
    """Others changed the same row faster than the retries allowed."""

    code = Code.VERSION_CONFLICT


class Unavailable(Refused):
    """A dependency, a deadline or a maintenance stands in the way; `retry_after` is in seconds."""

    code = Code.SERVICE_UNAVAILABLE

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyRequests(Unavailable):
    """A rate limit is used up: the same code as `Unavailable`, another HTTP status."""
