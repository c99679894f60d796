"""What an approver wants, and what becomes of a message that came in."""

from dataclasses import dataclass
from enum import StrEnum

from tazco.kernel.ids import CardRequestId
from tazco.trackers.model import code_as_typed

APPROVE = "approve"
REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """A decision in an approver's words. `about` is what should be a code or the id of a request."""

    approves: bool
    about: str

    @property
    def code(self) -> str | None:
        """The code that is meant, in its normal form; None if it cannot be one."""
        return code_as_typed(self.about)

    @property
    def talk(self) -> bool:
        """Rather conversation, as in `no problem`, than a slip of the finger: no digit, and no code."""
        return self.code is None and not any(character.isdigit() for character in self.about)

    @property
    def text(self) -> str:
        """In our own words, as the inbound message keeps it until it is carried out."""
        return f"{APPROVE if self.approves else REJECT} {self.about}"


def instruction_kept(text: str) -> Instruction:
    """The instruction that `Instruction.text` wrote down."""
    verb, _, about = text.partition(" ")
    return Instruction(approves=verb == APPROVE, about=about)


class Action(StrEnum):
    """What was done about a message."""

    IGNORED = "ignored"
    APPROVED = "approved"
    REJECTED = "rejected"
    ERROR = "error"


class Why(StrEnum):
    """Why nothing was done."""

    NON_MESSAGE_EVENT = "non_message_event"
    SESSION_MISMATCH = "session_mismatch"
    FROM_SELF = "from_self"
    GROUP_MESSAGE = "group_message"
    NOT_WHITELISTED = "not_whitelisted"
    INVALID_COMMAND = "invalid_command"
    REQUEST_NOT_FOUND = "request_not_found"
    EXPIRED = "expired"
    ALREADY_PROCESSED = "already_processed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one message; the same for every redelivery of it."""

    action: Action
    reason: Why | None = None
    request_id: CardRequestId | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """One word for it, as metrics count it."""
        return (self.reason or self.action).value
