"""Home: what needs an operator now, and what happened in the last hours."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from tazco.card_requests.model import CardRequest, RequestStatus
from tazco.card_requests.rules import requires_attention
from tazco.card_requests.store import queue_of
from tazco.console.frame.request_rows import request_rows
from tazco.console.frame.routing import Pages
from tazco.console.frame.texts import Texts
from tazco.console.frame.visit import Visit
from tazco.kernel.money import Money
from tazco.platform.outbox_watch import AGE_MAX, OutboxWatch, Waiting
from tazco.tally.model import Hour
from tazco.tally.store import hours

WAITING_MAX: Final = 10
HOURS: Final = 24
MINUTE: Final = timedelta(minutes=1)

pages = Pages()


@dataclass(frozen=True, slots=True)
class Line:
    """One colour of a chart: what it counts, and how it is read out of an hour."""

    label: str
    tone: str
    of: Callable[[Hour], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart: its lines, what is only counted beside them, the amount that goes with it, if any.

    Mirrored: the first line stands up and the second hangs down.
    """

    name: str
    title: str
    lines: tuple[Line, ...]
    beside: tuple[Line, ...] = ()
    mirrored: bool = False
    amount: Callable[[Hour], Money] | None = None


CHARTS: Final = (
    Chart(
        name="requests",
        title="Card requests by outcome",
        lines=(
            Line("approved by score", "good", lambda hour: hour.approved_auto),
            Line("approved by people", "ink", lambda hour: hour.approved_admin),
            Line("turned down", "bad", lambda hour: hour.rejected),
            Line("not answered in time", "wait", lambda hour: hour.expired),
        ),
        beside=(Line("asked", "", lambda hour: hour.requested),),
    ),
    Chart(
        name="purchases",
        title="Purchases",
        lines=(Line("purchases", "accent", lambda hour: hour.purchases), Line("declined", "bad", lambda hour: hour.declines)),
        amount=lambda hour: hour.purchased,
    ),
    Chart(
        name="payments",
        title="Payments",
        lines=(
            Line("on time", "good", lambda hour: hour.payments - hour.late_payments),
            Line("late", "wait", lambda hour: hour.late_payments),
        ),
        amount=lambda hour: hour.paid,
    ),
    Chart(
        name="scores",
        title="Score movement",
        lines=(
            Line("points gained", "good", lambda hour: hour.points_up),
            Line("points lost", "bad", lambda hour: hour.points_down),
        ),
        mirrored=True,
    ),
)


async def _waiting(visit: Visit) -> list[CardRequest]:
    page, _ = await queue_of(RequestStatus.PENDING, newest_first=False).page(visit.database, None, WAITING_MAX + 1)
    return page


async def _outbox(visit: Visit) -> Waiting:
    return await OutboxWatch(visit.database, visit.services.clock, visit.services.metrics).look()


async def _silent(visit: Visit) -> list[str]:
    """The dependencies that do not answer, at most five seconds ago."""
    readiness = await visit.services.health.readiness()
    return [name for name, healthy in readiness.dependencies.items() if not healthy]


def _overdue(visit: Visit, waiting: CardRequest) -> bool:
    return requires_attention(waiting, visit.policy.attention_days, visit.now)


async def _state(visit: Visit) -> Any:
    waiting, outbox, counted, silent = await asyncio.gather(
        _waiting(visit), _outbox(visit), hours(visit.database, visit.now, HOURS), _silent(visit)
    )
    return (
        [(each.request_id, _overdue(visit, each)) for each in waiting],
        silent,
        outbox.dead_letters,
        outbox.age // MINUTE,
        counted,
        visit.services.policies.problem,
    )


@pages.get("/", watch=_state)
async def show_home(visit: Visit) -> Response:
    """Requests that wait, dead letters, the age of the outbox, problems of policy and dependencies; then the charts."""
    waiting, outbox, counted, silent = await asyncio.gather(
        _waiting(visit), _outbox(visit), hours(visit.database, visit.now, HOURS), _silent(visit)
    )
    return visit.page(
        "home.html",
        rows=await request_rows(visit, waiting[:WAITING_MAX]),
        more=len(waiting) > WAITING_MAX,
        outbox=outbox,
        late=outbox.age > AGE_MAX,
        problem=visit.services.policies.problem,
        silent=silent,
        charts=[_drawn(chart, counted, visit.texts) for chart in CHARTS],
        quiet=not any(line.of(hour) for chart in CHARTS for line in chart.lines for hour in counted),
        hours=counted,
    )


def _drawn(chart: Chart, counted: Sequence[Hour], texts: Texts) -> dict[str, Any]:
    """A chart as the template and the script take it."""
    lines: list[dict[str, Any]] = [
        {"label": texts(line.label), "tone": line.tone, "values": [line.of(hour) for hour in counted]} for line in chart.lines
    ]
    beside = [(texts(line.label), line.tone, sum(map(line.of, counted))) for line in chart.beside]
    return {
        "name": chart.name,
        "title": chart.title,
        "lines": lines,
        "totals": [*beside, *((line["label"], line["tone"], sum(line["values"])) for line in lines)],
        "amount": Money(sum(chart.amount(hour) for hour in counted)) if chart.amount else None,
        "data": {
            "kind": "mirror" if chart.mirrored else "bars",
            "times": [int(hour.began_at.timestamp()) for hour in counted],
            "series": [lines[0], {**lines[1], "values": [-value for value in lines[1]["values"]]}] if chart.mirrored else lines,
        },
    }
