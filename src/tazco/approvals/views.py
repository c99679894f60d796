"""What webhooks are answered."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from tazco.platform.http.fields import OutTime
from tazco.platform.http.schema import ErrorView


class OutcomeView(TypedDict):
    """What became of one message; `error` and `reason` are for whoever reads the provider's log."""

    ok: bool
    action: Literal["ignored", "approved", "rejected", "error"]
    reason: NotRequired[str]
    requestId: NotRequired[str]
    error: NotRequired[str]


class OutcomesView(TypedDict):
    """One outcome for each message of a batch."""

    ok: Literal[True]
    results: list[OutcomeView]


class FailureView(TypedDict):
    """The webhook is wrong (400), or we are (500); nothing of the inside."""

    ok: Literal[False]
    action: Literal["error"]
    error: str


class RefusalView(TypedDict):
    """Whoever sent this has not proved to be the provider."""

    error: ErrorView


class ConnectionView(TypedDict):
    """Whether WPPConnect would take a message now; false where another provider carries them."""

    connected: bool
    session: str


class BridgeHealthView(TypedDict):
    """The process answers, and how WPPConnect does."""

    status: Literal["ok"]
    timestamp: OutTime
    whatsapp: ConnectionView


def failure(error: str) -> FailureView:
    """A webhook, or one message of it, that came to nothing."""
    return {"ok": False, "action": "error", "error": error}
