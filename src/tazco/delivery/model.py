"""How an event that has not left yet stands, and the refusal for one that nobody waits for."""

from enum import StrEnum

from tazco.kernel.errors import NotFound


class EventStatus(StrEnum):
    """Of an event that has not left yet; one that awaits another attempt is pending."""

    PENDING = "pending"
    DEAD_LETTER = "dead_letter"


class EventNotFound(NotFound):
    """No such event waits: unknown, or sent."""

    def __init__(self) -> None:
        super().__init__("Event not found: it never was, or it has been sent.")
