"""The timeline: one story from the call that began it to the reply on WhatsApp, for a person, a card, a request or a correlation id."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from starlette.responses import Response

from tazco.console.frame.api_calls import path_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.texts import Texts
from tazco.console.frame.visit import Visit
from tazco.kernel.errors import Invalid, NotFound
from tazco.kernel.money import from_decimal
from tazco.timeline.model import Aggregate, State, Subject, SubjectKind, Timeline, Value
from tazco.timeline.store import about

MONEY: Final = frozenset(("amount", "newBalance", "newAvailableCredit", "approvedLimit", "balance", "finalBalance"))
"""Facts of events that are amounts in whole units."""

pages = Pages()


class NothingToTell(NotFound):
    """There is nothing with this id."""

    def __init__(self) -> None:
        super().__init__("There is nothing with this id, so there is no story to tell.")


class OwnerNeeded(Invalid):
    """Cards are kept by their owners."""

    def __init__(self) -> None:
        super().__init__("A card is found by its own id and that of its owner. Give both.", field="owner")


def _subject(visit: Visit) -> Subject | None:
    """What was asked for; None while nothing was."""
    kind = visit.call.choice("kind", SubjectKind) or SubjectKind.CORRELATION
    wanted, owner = visit.given("id"), visit.given("owner")
    if not wanted:
        return None
    if kind is SubjectKind.CARD and not owner:
        raise OwnerNeeded
    return Subject(kind=kind, id=wanted, ecosystem_id=owner or None)


async def _timeline(visit: Visit) -> Timeline | None:
    subject = _subject(visit)
    return await about(visit.services, subject, visit.now) if subject else None


async def _state(visit: Visit) -> Any:
    found = await _timeline(visit)
    return found.stories if found else None


@pages.get("/timeline", watch=_state)
async def show_timeline(visit: Visit) -> Response:
    """The stories, the newest first; without an id the form to ask for them."""
    subject = _subject(visit)
    found = await about(visit.services, subject, visit.now) if subject else None
    if subject is not None and found is None:
        raise NothingToTell
    return visit.page(
        "timeline.html",
        subject=subject,
        timeline=found,
        kinds=list(SubjectKind),
        kind=visit.given("kind") or SubjectKind.CORRELATION.value,
        told=_reader(visit.texts),
        place_of=place_of,
        failed=State.FAILED,
        waiting=State.WAITING,
    )


def _reader(texts: Texts) -> Callable[[str, Value], str]:
    """How a fact of an event is read."""

    def told(name: str, value: Value) -> str:
        if isinstance(value, datetime):
            return texts.instant(value, seconds=True)
        if name in MONEY and isinstance(value, int | Decimal):
            return texts.money(from_decimal(value))
        return str(value)

    return told


def place_of(aggregate: Aggregate) -> str | None:
    """The page of something that has a stream of events."""
    match aggregate.type:
        case "user":
            return path_of("console", "people", aggregate.id)
        case "card":
            return path_of("console", "cards", aggregate.ecosystem_id, aggregate.id)
        case "cardRequest":
            return path_of("console", "requests", aggregate.id)
        case _:
            return None
