"""Finding: one field for an e-mail or any id, and the page that says what was looked for when there is nothing."""

import asyncio
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from tazco.card_requests.store import named_by_id
from tazco.cards.store import CARDS, named_by_card_id
from tazco.console.frame.api_calls import path_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.visit import Visit
from tazco.notifications.store import BY_RELATED_ENTITY, NOTIFICATIONS, notification
from tazco.platform.outbox import OUTBOX
from tazco.platform.tables import EntriesOf, Get, Range, RowsOf, composite
from tazco.timeline.model import Subject, SubjectKind
from tazco.timeline.store import about
from tazco.transactions.store import transaction
from tazco.users.store import people_with_email, user

KEY_BYTES_MAX: Final = 512
"""What is longer is no id and no e-mail."""

CARDS_MAX: Final = 25
"""So many of a person's cards are asked for a transaction."""

pages = Pages()


@pages.get("/find")
async def find(visit: Visit) -> Response:
    """To the person, request, card or story with this e-mail or id."""
    wanted = visit.given("q")
    findable = 0 < len(wanted.encode()) <= KEY_BYTES_MAX
    place = await _place(visit, wanted) if findable else None
    if place is not None:
        return visit.to(place)
    return visit.page(
        "find.html",
        http_status=404 if wanted else 200,
        wanted=wanted,
        findable=findable,
        traced=visit.services.settings.trace_events,
    )


async def _place(visit: Visit, wanted: str) -> str | None:
    """Where it is; the dearer questions only after the cheaper ones."""
    return await _named(visit, wanted) or await _transaction(visit, wanted) or await _story(visit, wanted)


async def _named(visit: Visit, wanted: str) -> str | None:
    """What has this key: a person, a request, a card, an event that is still kept."""
    database = visit.database
    (person, requests, cards, event), people = await asyncio.gather(
        database.read(user(wanted), named_by_id(wanted), named_by_card_id(wanted), Get(OUTBOX, (wanted,))),
        people_with_email(database, wanted),
    )
    if person is not None:
        return path_of("console", "people", person.ecosystem_id)
    if len(people) > 1:
        return f"/console/people?{urlencode({'q': wanted})}"
    if people:
        return path_of("console", "people", people[0].ecosystem_id)
    if requests:
        return path_of("console", "requests", wanted)
    if cards:
        return path_of("console", "cards", cards[0]["ecosystemId"], wanted)
    return _timeline(event.request_id) if event is not None else None


async def _transaction(visit: Visit, wanted: str) -> str | None:
    """The card of a transaction that approvers were told of: the message knows whose it is."""
    database = visit.database
    question = EntriesOf(NOTIFICATIONS, BY_RELATED_ENTITY, composite("transaction", wanted), Range(rows_max=1))
    (entries,) = await database.read(question)
    if not entries:
        return None
    (message,) = await database.read(notification(entries[0]["notificationId"]))
    if message is None:
        return None
    owner = message.ecosystem_id
    (cards,) = await database.read(RowsOf(CARDS, owner, Range(newest_first=True, rows_max=CARDS_MAX)))
    rows = await database.read(*(transaction(owner, each.card_id, wanted) for each in cards))
    return next((path_of("console", "cards", owner, row.card_id) for row in rows if row is not None), None)


async def _story(visit: Visit, wanted: str) -> str | None:
    """The timeline of a correlation id, if there is something to tell."""
    subject = Subject(kind=SubjectKind.CORRELATION, id=wanted, ecosystem_id=None)
    found = await about(visit.services, subject, visit.now)
    return _timeline(wanted) if found is not None and found.stories else None


def _timeline(correlation_id: str) -> str:
    return f"/console/timeline?{urlencode({'kind': SubjectKind.CORRELATION, 'id': correlation_id})}"
