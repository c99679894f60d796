"""What goes out, to whom, and how it can fail; the same for both providers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom to reach: by phone (digits with country code), or by the provider's user id where no phone is known."""

    phone: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A plain message."""

    body: str


@dataclass(frozen=True, slots=True)
class Button:
    """What can be tapped; `id` comes back when it is."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Question:
    """A message with buttons; a provider without buttons sends the body alone, so the body says how to answer by text."""

    body: str
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A message that the provider has approved beforehand: the texts for its gaps, and what its quick-reply buttons send back."""

    name: str
    language: str
    parameters: tuple[str, ...]
    payloads: tuple[str, ...] = ()


Content = Text | Question | Template


class Verdict(StrEnum):
    """What is to be done about a message that the provider did not take."""

    RETRY = "retry"
    AS_TEMPLATE = "as_template"
    GIVE_UP = "give_up"
    ALARM = "alarm"


class SendFailed(Exception):
    """The message was not accepted, or nobody knows.

    `code` is the provider's, or `timeout`, `unreachable`, `http_503`, `no_id` (accepted, they say, but without an id),
    `no_recipient`, `no_template`.
    """

    def __init__(self, verdict: Verdict, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.verdict = verdict
        self.code = code


class Messenger(Protocol):
    """Carries messages by one provider. `has_window`: outside of 24 hours after the recipient's last message only templates arrive.

    `send_seconds` is how long one `send` lasts at most, its own quick retries included: whoever waits longer may take the message over.
    """

    provider: str
    has_window: bool
    send_seconds: float

    async def send(self, recipient: Recipient, content: Content, reference: str) -> str:
        """Send one message; the provider's id for it. `reference` comes back with its statuses where the provider can do that.

        Raise `SendFailed`. There is no way to send at most once: an answer that got lost may belong to a message that arrived.
        """
        ...

    async def connected(self) -> bool:
        """Whether the provider would take a message now; at most 30 seconds old."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
