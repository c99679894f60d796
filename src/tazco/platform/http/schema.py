"""Views that every slice shares: the error envelope and the end of a list."""

from typing import Any, NotRequired

from typing_extensions import TypedDict


class ErrorView(TypedDict):
    """What went wrong: `code` for programs, `message` for people."""

    code: str
    message: str
    details: NotRequired[dict[str, Any]]


class MetaView(TypedDict):
    """Which request it was."""

    requestId: str
    traceId: NotRequired[str]


class ErrorEnvelope(TypedDict):
    """Every error."""

    error: ErrorView
    meta: MetaView


class PaginationView(TypedDict):
    """Whether a list goes on; `nextCursor` is null exactly when `hasMore` is false."""

    nextCursor: str | None
    hasMore: bool
