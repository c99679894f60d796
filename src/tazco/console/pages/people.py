"""People: finding them, and one person with score, cards, requests and newest transactions; the score set, the account closed or opened."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from tazco.card_requests.model import CardRequest
from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.model import Card
from tazco.cards.store import CARDS, newest_first
from tazco.console.frame.api_calls import number_or_text, path_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.texts import Texts
from tazco.console.frame.visit import PAGE_ROWS, Visit
from tazco.kernel.errors import Refused
from tazco.platform.tables import Range, RowsOf
from tazco.scores.model import ScoreSource, ScoreStep
from tazco.scores.store import place_of, steps_of
from tazco.transactions.model import Transaction
from tazco.transactions.store import newest_of
from tazco.users.model import LONG_AGO, SCORE_MAX, SCORE_MIN, User, UserNotFound
from tazco.users.store import page_of_people, people_with_email, user

KEY_BYTES_MAX: Final = 512
"""What is longer is nobody's id and nobody's e-mail."""

STEPS_MAX: Final = 50
CARDS_MAX: Final = 25
REQUESTS_MAX: Final = 25
LEDGERS_MAX: Final = 5
"""Of so many cards, the newest, transactions are read."""

TRANSACTIONS_MAX: Final = 10
NOTE_CHARACTERS_MAX: Final = 80
"""Of a reason, beside the chart; the table has it in full."""

SCORE_REASONS: Final[Mapping[str, str]] = {"payment_on_time": "payment on time", "payment_late": "late payment"}
LIST: Final = ("people",)

pages = Pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a person's page shows. `steps` are the newest first, from a position on; `whole` if none is older than these."""

    person: User
    cards: list[Card]
    requests: list[CardRequest]
    steps: list[ScoreStep]
    position: tuple[str, ...] | None

    @property
    def whole(self) -> bool:
        """The history of the score reaches back to its beginning."""
        return self.position is None


async def _listed(visit: Visit) -> tuple[list[User], tuple[str, ...] | None]:
    """Who was looked for, by id or e-mail; a page of everybody where nothing was."""
    wanted = visit.given("q")
    if not wanted:
        return await page_of_people(visit.database, visit.position(LIST), PAGE_ROWS)
    if len(wanted.encode()) > KEY_BYTES_MAX:
        return [], None
    (by_id,), named = await asyncio.gather(visit.database.read(user(wanted)), people_with_email(visit.database, wanted))
    return list({each.ecosystem_id: each for each in (*([by_id] if by_id else []), *named)}.values()), None


async def _list_state(visit: Visit) -> Any:
    people, _ = await _listed(visit)
    return [(each.ecosystem_id, each.version) for each in people]


@pages.get("/people", watch=_list_state)
async def show_people(visit: Visit) -> Response:
    """Who was looked for; everybody, page by page, where nothing was."""
    people, position = await _listed(visit)
    return visit.page("people.html", people=people, wanted=visit.given("q"), following=visit.pages_after(LIST, position))


def _steps_binding(visit: Visit) -> tuple[str, ...]:
    return "steps", visit.call.path_id("ecosystemId")


def _newest(visit: Visit) -> tuple[RowsOf[Card], RowsOf[CardRequest]]:
    """The newest cards and requests: the ids of both sort by time."""
    ecosystem_id = visit.call.path_id("ecosystemId")
    return (
        RowsOf(CARDS, ecosystem_id, Range(newest_first=True, rows_max=CARDS_MAX)),
        RowsOf(CARD_REQUESTS, ecosystem_id, Range(newest_first=True, rows_max=REQUESTS_MAX)),
    )


async def _state(visit: Visit) -> Any:
    person, cards, requests = await visit.database.read(user(visit.call.path_id("ecosystemId")), *_newest(visit))
    return person and person.version, [each.version for each in cards], [each.version for each in requests]


@pages.get("/people/{ecosystemId}", watch=_state)
async def show_person(visit: Visit) -> Response:
    """Who it is, where the score stands and why, what the person holds, asked for and did."""
    return await _page(visit)


async def _found(visit: Visit) -> Shown:
    ecosystem_id = visit.call.path_id("ecosystemId")
    after = visit.position(_steps_binding(visit))
    before = after[0] if after else None
    steps_question = steps_of(ecosystem_id, before=before, rows_max=STEPS_MAX + 2)
    person, cards, requests, steps = await visit.database.read(user(ecosystem_id), *_newest(visit), steps_question)
    if person is None:
        raise UserNotFound
    older = [step for step in steps if place_of(step) != before]
    return Shown(
        person=person,
        cards=newest_first(cards),
        requests=sorted(requests, key=lambda each: (each.created_at, each.request_id), reverse=True),
        steps=older[:STEPS_MAX],
        position=(place_of(older[STEPS_MAX - 1]),) if len(older) > STEPS_MAX else None,
    )


async def _page(visit: Visit, *, http_status: int = 200, refusal: Refused | None = None, tried: str = "") -> Response:
    shown = await _found(visit)
    here = path_of("console", "people", shown.person.ecosystem_id)
    older = visit.pages_after(_steps_binding(visit), shown.position)
    return visit.page(
        "person.html",
        http_status=http_status,
        refusal=refusal,
        tried=tried,
        here=here,
        shown=shown,
        person=shown.person,
        chart=_chart(visit, shown) if shown.steps else None,
        reason=_reader(visit.texts),
        older=older and here + older.removeprefix(visit.path),  # a form that was refused stands at another address
        newest=visit.call.query("cursor") is None,
        transactions=await _transactions(visit, shown.cards),
        bounds=(SCORE_MIN, SCORE_MAX),
        most=(CARDS_MAX, REQUESTS_MAX, LEDGERS_MAX),
    )


async def _transactions(visit: Visit, cards: Sequence[Card]) -> list[Transaction]:
    """The newest over the newest cards."""
    questions = [newest_of(card.ecosystem_id, card.card_id, rows_max=TRANSACTIONS_MAX) for card in cards[:LEDGERS_MAX]]
    found = [entry for entries in await visit.database.read(*questions) for entry in entries]
    return sorted(found, key=lambda entry: (entry.timestamp, entry.transaction_id), reverse=True)[:TRANSACTIONS_MAX]


def _reader(texts: Texts) -> Any:
    """How the reason of a step is read: the system's are codes, the operators' their own words."""

    def read(step: ScoreStep) -> str:
        return texts(SCORE_REASONS.get(step.reason, step.reason)) if step.source is ScoreSource.SYSTEM else step.reason

    return read


def _chart(visit: Visit, shown: Shown) -> dict[str, Any]:
    """The score as a line of steps: from the registration, if that is in sight, to this moment, if these are the newest."""
    read, texts, person = _reader(visit.texts), visit.texts, shown.person
    points = [
        (step.timestamp, step.value, f"{step.delta:+d}, {read(step)[:NOTE_CHARACTERS_MAX]}") for step in reversed(shown.steps)
    ]
    first = shown.steps[-1]
    if shown.whole and LONG_AGO < person.created_at < first.timestamp:
        points.insert(0, (person.created_at, first.previous_value, texts("registered")))
    if visit.call.query("cursor") is None:
        points.append((max(visit.now, points[-1][0]), person.current_score, texts("now")))
    times, values, notes = zip(*points, strict=True)
    series = {"label": texts("Score"), "tone": "accent", "values": values, "notes": notes}
    return {"kind": "steps", "times": [each.timestamp() for each in times], "series": [series]}


@pages.post("/people/{ecosystemId}/score")
async def adjust_score(visit: Visit) -> Response:
    """Set the score that was typed, for the reason that was typed."""
    body = {"score": number_or_text(visit.fields.get("score", "")), "reason": visit.fields.get("reason", "")}
    return await _done(visit, "PATCH", "score", body)


@pages.post("/people/{ecosystemId}/disable")
async def disable(visit: Visit) -> Response:
    """Close the account."""
    return await _done(visit, "POST", "disable", {"reason": visit.fields.get("reason", "")})


@pages.post("/people/{ecosystemId}/enable")
async def enable(visit: Visit) -> Response:
    """Open the account again."""
    return await _done(visit, "POST", "enable", {"reason": visit.fields.get("reason", "")})


async def _done(visit: Visit, method: str, verb: str, body: Mapping[str, Any]) -> Response:
    ecosystem_id = visit.call.path_id("ecosystemId")
    reply = await visit.api(method, path_of("v1", "admin", "users", ecosystem_id, verb), body)
    if reply.refused:
        return await _page(visit, http_status=reply.status, refusal=reply.refusal, tried=verb)
    return visit.to(path_of("console", "people", ecosystem_id), said=verb)
