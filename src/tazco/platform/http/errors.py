"""How a refusal looks on the wire: code → status, one envelope, nothing of the inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tazco.kernel.errors import Code, NotFound, Refused, TooManyRequests, Unavailable
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.codec import camel_case
from tazco.platform.database import Overloaded
from tazco.platform.idempotency import Answer
from tazco.platform.jsontext import encode

STATUS: Final[Mapping[Code, int]] = {
    Code.INVALID_TOKEN: 401,
    Code.TOKEN_EXPIRED: 401,
    Code.ACCOUNT_DISABLED: 403,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.VALIDATION_ERROR: 400,
    Code.LIMIT_EXCEEDS_POLICY: 400,
    Code.INSUFFICIENT_CREDIT: 402,
    Code.CARD_ALREADY_EXISTS: 409,
    Code.CARD_REQUEST_EXISTS: 409,
    Code.REQUEST_ALREADY_PROCESSED: 409,
    Code.VERSION_CONFLICT: 409,
    Code.CLEANUP_IN_PROGRESS: 409,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.IDEMPOTENCY_KEY_REUSED: 422,
    Code.SERVICE_UNAVAILABLE: 503,
    Code.INTERNAL_ERROR: 500,
    Code.UNAUTHORIZED: 401,
    Code.INVALID_SECRET: 401,
}

EXPIRED: Final = frozenset({"ExpiredTokenException", "ExpiredToken"})
"""Our own credentials ran out; they are renewed within a minute."""


class PayloadTooLarge(Refused):
    """The body is over the limit."""

    code = Code.PAYLOAD_TOO_LARGE


class Unexpected(Refused):
    """Something is wrong with us; the log knows what."""

    code = Code.INTERNAL_ERROR


class RouteNotFound(NotFound):
    """Nothing is served there."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"Route not found: {method} {path}")


@dataclass(frozen=True, slots=True)
class Meta:
    """What every error says of its request."""

    request_id: str
    trace_id: str | None = None

    def view(self) -> dict[str, str]:
        """As the wire spells it."""
        return {"requestId": self.request_id, **({"traceId": self.trace_id} if self.trace_id else {})}


def status_of(refusal: Refused) -> int:
    """The HTTP status of a refusal."""
    return 429 if isinstance(refusal, TooManyRequests) else STATUS[refusal.code]


def refusal_answer(refusal: Refused) -> Answer:
    """A refusal as an answer without `meta`, as it is stored for replays."""
    error: dict[str, Any] = {"code": refusal.code.value, "message": refusal.message}
    if refusal.details:
        error["details"] = {camel_case(name): value for name, value in refusal.details.items()}
    return Answer(status_of(refusal), encode({"error": error}))


def with_meta(body: bytes, meta: Meta) -> bytes:
    """A refusal's body with the `meta` of the present request."""
    return body[:-1] + b',"meta":' + encode(meta.view()) + b"}"


def retry_after(refusal: Refused) -> dict[str, str]:
    """The header that tells when to come back, where coming back helps."""
    return {"Retry-After": str(refusal.retry_after)} if isinstance(refusal, Unavailable) else {}


def as_refusal(error: Exception) -> Refused | None:
    """What a failed dependency means to the caller: try again. None for anything that is a bug."""
    if isinstance(error, AwsUnreachable | Overloaded):
        return Unavailable("A dependency does not answer. Retry with the same Idempotency-Key.", retry_after=5)
    if isinstance(error, AwsError) and (error.repeatable or error.code in EXPIRED):
        return Unavailable("A dependency is overloaded. Retry with the same Idempotency-Key.", retry_after=1)
    return None
