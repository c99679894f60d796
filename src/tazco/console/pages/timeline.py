"""The timeline: one story from the call that began it to the reply on WhatsApp, for a person, a card, a request or a correlation id."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from tazco.console.frame.api_calls import path_of
from tazco.console.frame.places import place_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.texts import Texts
from tazco.console.frame.visit import Visit
from tazco.kernel.errors import NotFound
from tazco.kernel.money import from_decimal
from tazco.platform.http.errors import status_of
from tazco.timeline.model import Aggregate, State, Subject, SubjectKind, Timeline, Value
from tazco.timeline.store import about, state_of

STORIES_MAX: Final = 10
"""As long as nobody asks for the older ones."""

MONEY: Final = frozenset(("amount", "newBalance", "newAvailableCredit", "approvedLimit", "balance", "finalBalance"))
"""Facts of events that are amounts in whole units."""

WORDS: Final = frozenset(
    ("tier", "newTier", "tierAtRequest", "source", "paymentStatus", "failureReason", "previousStatus", "reason", "action")
)
"""Facts that are words of ours, or may be."""

pages = Pages()


class NothingToTell(NotFound):
    """There is nothing with this id."""

    def __init__(self) -> None:
        super().__init__("There is nothing with this id, so there is no story to tell.")


def _subject(visit: Visit) -> Subject | None:
    """What was asked for; None while nothing was."""
    kind = visit.call.choice("kind", SubjectKind) or SubjectKind.CORRELATION
    wanted, owner = visit.given("id"), visit.given("owner")
    if not wanted:
        return None
    return Subject(kind=kind, id=wanted, ecosystem_id=owner or None)


async def _state(visit: Visit) -> Any:
    subject = _subject(visit)
    return await state_of(visit.services, subject, visit.now) if subject else None


@pages.get("/timeline", watch=_state)
async def show_timeline(visit: Visit) -> Response:
    """The stories, the newest first; without an id the form to ask for them."""
    subject = _subject(visit)
    found = await about(visit.services, subject, visit.now) if subject else None
    refusal = NothingToTell() if subject is not None and found is None else None
    stories = found.stories if found else ()
    shown = stories if visit.given("stories") == "all" else stories[:STORIES_MAX]
    return visit.page(
        "timeline.html",
        http_status=status_of(refusal) if refusal else 200,
        refusal=refusal,
        subject=subject,
        timeline=found,
        stories=shown,
        older=len(stories) - len(shown),
        all_stories=_all_stories(subject),
        kinds=list(SubjectKind),
        kind=visit.given("kind") or SubjectKind.CORRELATION.value,
        told=_reader(visit.texts),
        since=_since(visit.texts),
        lasting=_lasting,
        anchor_of=anchor_of,
        place_of=_page_of,
        story_at=_story_at(found, {story.correlation_id for story in shown}),
        failed=State.FAILED,
        waiting=State.WAITING,
    )


def _all_stories(subject: Subject | None) -> str:
    """The address of the same timeline without an end."""
    if subject is None:
        return ""
    owner = {"owner": subject.ecosystem_id} if subject.ecosystem_id else {}
    return f"/console/timeline?{urlencode({'kind': subject.kind, 'id': subject.id, **owner, 'stories': 'all'})}"


def _story_at(timeline: Timeline | None, shown: set[str | None]) -> Callable[[str], str]:
    """Where a story is told: below on this page, or on the page of its correlation id."""

    def story_at(correlation_id: str) -> str:
        if timeline is not None and correlation_id in shown:
            return f"#{anchor_of(correlation_id)}"
        return f"/console/timeline?{urlencode({'kind': SubjectKind.CORRELATION, 'id': correlation_id})}"

    return story_at


def anchor_of(correlation_id: str) -> str:
    """The name of a story's place on the page."""
    return "story-" + path_of(correlation_id)[1:].replace("%", "_")


def _since(texts: Texts) -> Callable[[int], str]:
    """How long after the story began; clocks of several programs may put it before."""

    def since(milliseconds: int) -> str:
        return ("-" if milliseconds < 0 else "+") + texts.lasting(_lasting(abs(milliseconds)))

    return since


def _lasting(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


def _reader(texts: Texts) -> Callable[[str, Value], str]:
    """How a fact of an event is read."""

    def told(name: str, value: Value) -> str:
        if isinstance(value, datetime):
            return texts.instant(value, seconds=True)
        if name in MONEY and isinstance(value, int | Decimal):
            return texts.money(from_decimal(value))
        return texts(str(value)) if name in WORDS else str(value)

    return told


def _page_of(aggregate: Aggregate) -> str | None:
    """The page of something that has a stream of events."""
    return place_of(aggregate.type, aggregate.id, aggregate.ecosystem_id)
