"""The page about costs: arithmetic on measured capacity units and published prices."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tazco
from bench.cost_chart import COLOURS, Bar, chart
from tazco.platform.relaying import LOOK_SECONDS_IDLE
from tazco.platform.shards import ROUND_SECONDS
from tazco.slices import SUBSCRIPTIONS

FIGURES = Path(tazco.__file__).parents[2] / "docs" / "costs.json"
CHART = FIGURES.parent / "images" / "costs.svg"
NOTE = "<!-- Generated from docs/costs.json: `make costs` measures and writes both, a test compares. Do not edit. -->"
MILLION = 1_000_000
MONTH_SECONDS = 30 * 86_400
GIGABYTE = 1e9

WRITE, READ, STORED, EVENT, MESSAGE = 0.625, 0.125, 0.25, 1.00, 0.40
PRICES = (
    ("DynamoDB, a million write request units, on demand", WRITE, "https://aws.amazon.com/dynamodb/pricing/on-demand"),
    ("DynamoDB, a million read request units, on demand", READ, "https://aws.amazon.com/dynamodb/pricing/on-demand"),
    ("DynamoDB, a gigabyte kept for a month", STORED, "https://aws.amazon.com/dynamodb/pricing/on-demand"),
    ("EventBridge, a million events of up to 64 KB", EVENT, "https://aws.amazon.com/eventbridge/pricing"),
    ("SQS, a million requests", MESSAGE, "https://aws.amazon.com/sqs/pricing"),
)
COGNITO = {"Lite": 0.0055, "Essentials": 0.015}
COGNITO_FREE = 10_000
BATCH = 10


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of row costs in the usual design: write units in the commit, of them for indexes."""

    what: str
    writes: int


CARD = Row("card, with its status in an index", 3)
ENTRY = Row("transaction", 2)
ANSWER = Row("idempotency answer", 2)
COUNTER = Row("sequence counter of the stream", 2)
EVENT_ROW = Row("event, in a status index", 3)
AUDIT = Row("audit entry, in an index by actor", 3)
REQUEST = Row("card request, in a status index", 3)
PERSON = Row("person, in an index", 3)
SCORE = Row("entry of the score's history", 2)
DECIDED = Row("card request that leaves one status of the index for another", 4)
APPROVAL = Row("approval that leaves its index", 4)
PUBLISHED = Row("relay: status to published, which moves it in the index", 3)
USUAL: Mapping[str, tuple[tuple[Row, ...], float]] = {
    "purchase": ((CARD, ENTRY, ANSWER, COUNTER, EVENT_ROW, AUDIT, PUBLISHED), 3.1),
    "payment": ((CARD, ENTRY, ANSWER, PERSON, SCORE, *(COUNTER, EVENT_ROW, PUBLISHED) * 2, AUDIT), 5.2),
    "ask for a card (pending)": ((REQUEST, ANSWER, COUNTER, EVENT_ROW, AUDIT, PUBLISHED), 3.1),
    "declined purchase": ((Row("idempotency answer, outside of a commit", 1),), 3),
    "replay": ((), 1),
    "approve": ((DECIDED, CARD, APPROVAL, ANSWER, *(COUNTER, EVENT_ROW, PUBLISHED) * 2, AUDIT), 5.2),
}
"""Command → rows written one commit made atomic naively, and read units. See the page for what is usual about it."""

MONTHLY = {
    "purchase": 12,
    "payment": 1,
    "declined purchase": 0.3,
    "sign in again": 8,
    "dashboard": 20,
    "ledger of a card": 6,
    "ask for a card (granted)": 0.02,
    "ask for a card (pending)": 0.02,
    "approve": 0.01,
    "reject": 0.01,
    "register": 0.03,
}
"""What one cardholder of the example does in a month, on average."""

EXAMPLE_PEOPLE = 100_000


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars for a million of a command, by what takes them."""

    commit: float
    relay: float
    bus: float
    queues: float
    worker: float

    @property
    def database(self) -> float:
        """What DynamoDB gets of it."""
        return self.commit + self.relay + self.worker

    @property
    def total(self) -> float:
        """All of it."""
        return self.database + self.bus + self.queues


def _units(found: Mapping[str, Any]) -> float:
    return float(found["read"]) * READ + float(found["write"]) * WRITE


def bill(figures: Mapping[str, Any], command: str) -> Bill:
    """What a million of a command costs with all that follows from its events; queues are read and cleared in full batches."""
    cost = figures["commands"][command]
    events, worker = cost["events"], figures["worker"]
    copies = [(each.queue, event) for event in events for each in SUBSCRIPTIONS if event in each.event_types]
    return Bill(
        commit=cost["read_units"] * READ + cost["commit_units"] * WRITE,
        relay=len(events) * _units(figures["relay"]["event"]),
        bus=len(events) * EVENT,
        queues=len(copies) * (1 + 2 / BATCH) * MESSAGE,
        worker=sum(_units(worker[queue][event]) for queue, event in copies),
    )


def drawn() -> str:
    """The chart that the page shows."""
    figures = json.loads(FIGURES.read_text())
    bars: list[Bar] = []
    for name in figures["commands"]:
        each = bill(figures, name)
        bars.append((name, [getattr(each, part) for part in COLOURS]))
    return chart(bars) + "\n"


def costs() -> Iterator[str]:
    """The page."""
    figures = json.loads(FIGURES.read_text())
    yield "# What it costs"
    yield NOTE
    yield "\nDollars on AWS for what the program does there, from capacity units that `make costs` measures on the embedded cloud and from"
    yield "published prices (us-east-1, November 2026). Compute, load balancer, logs and traffic are not in it: they depend on how many"
    yield "processes you run, not on how many commands they serve.\n"
    yield from _prices()
    yield from _commands(figures)
    yield from _compared(figures)
    yield from _month(figures)
    yield from _limits_of_the_figures()


def _prices() -> Iterator[str]:
    yield "| price | dollars | source |\n|---|--:|---|"
    for what, dollars, source in PRICES:
        yield f"| {what} | {dollars:g} | [{source.split('/')[2]}]({source}) |"


def _commands(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## A million of each\n"
    yield "*Commit* is what the request itself reads and writes. *Relay* marks each event as sent, *worker* counts it and tells one"
    yield "approver where there is one to tell.\n"
    yield "![A bar for each command, dearest first](images/costs.svg)\n"
    yield "| command | round trips | read units | write units | events | commit $ | relay $ | bus $ | queues $ | worker $ | **total $** |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, cost in figures["commands"].items():
        each = bill(figures, name)
        parts = (each.commit, each.relay, each.bus, each.queues, each.worker)
        cells = " | ".join(f"{part:.2f}" if part else "" for part in parts)
        units = f"{cost['read_units']:g} | {cost['commit_units']:g} | {len(cost['events'])}"
        yield f"| {name} | {cost['trips']} | {units} | {cells} | **{each.total:.2f}** |"


def _compared(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Beside the usual design\n"
    yield "The usual way to build this on the same tables: a counter row numbers the events of a stream, a status column is an index key, an"
    yield "audit row goes with every command, and the relay moves each event from *pending* to *published*. Made atomic (one commit), it writes"
    yield "what stands below; ours writes less because a card's own row numbers its events, pending is a key that vanishes, and the transaction"
    yield "row is the trail of a cardholder's own doing (operators' deeds have their audit row). Ours with the relay, without the worker, which"
    yield "the usual design does not have. Where ours costs more, it keeps more: a declined purchase is a row of the ledger and an event, and every answer is"
    yield "looked up together with person and card.\n"
    yield "| command | usual: write units | read units | $ per million | ours: write units | read units | $ per million | saved, $ |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for name, (rows, reads) in USUAL.items():
        cost, event = figures["commands"][name], figures["relay"]["event"]
        events = len(cost["events"])
        writes = sum(row.writes for row in rows)
        ours_w, ours_r = cost["commit_units"] + events * event["write"], cost["read_units"] + events * event["read"]
        usual, ours = writes * WRITE + reads * READ, ours_w * WRITE + ours_r * READ
        left, right = f"{writes} | {reads:g} | {usual:.2f}", f"{ours_w:g} | {ours_r:g} | {ours:.2f}"
        yield f"| {name} | {left} | {right} | {usual - ours:.2f} |"
    yield "\nWhat the usual design writes, in units, indexes included:\n"
    for name, (rows, _) in USUAL.items():
        if not rows:
            continue
        told = (f"{row.what} {'twice ' * (rows.count(row) > 1)}{row.writes}" for row in dict.fromkeys(rows))
        yield f"* *{name}*: {'; '.join(told)}"


def _month(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## A month of {EXAMPLE_PEOPLE:,} cardholders\n"
    yield "| each does | times a month | $ for all |\n|---|--:|--:|"
    total = 0.0
    for name, times in MONTHLY.items():
        dollars = bill(figures, name).total * times * EXAMPLE_PEOPLE / MILLION
        total += dollars
        yield f"| {name} | {times:g} | {dollars:.2f} |"
    yield f"| **commands** | | **{total:.2f}** |"
    idle, growth = _idle(figures), _growth(figures)
    yield f"| one relay that has nothing to do | | {idle:.2f} |"
    yield f"| keeping what a month adds, for a month ({growth / GIGABYTE:.2f} GB) | | {growth / GIGABYTE * STORED:.2f} |"
    paying = EXAMPLE_PEOPLE - COGNITO_FREE
    for plan, price in COGNITO.items():
        yield f"| Cognito {plan}, {paying:,} active people above the free ones | | {price * paying:,.2f} |"
    yield "\nCognito is the bill. The program needs nothing of the dearer plan: roles come from groups and identity from our own table, so the"
    yield "*Lite* plan does. A relay looks at its shards once a second when nothing happens and renews its leases every three seconds."


def _idle(figures: Mapping[str, Any]) -> float:
    """Dollars a month for a relay that finds nothing."""
    relay = figures["relay"]
    return (_units(relay["look"]) / LOOK_SECONDS_IDLE + _units(relay["settle"]) / ROUND_SECONDS) * MONTH_SECONDS / MILLION


def _growth(figures: Mapping[str, Any]) -> float:
    """Bytes that a month adds and keeps: the ledger; answers live a day, events a week, so their share is what stands at any time."""
    sizes = figures["row_bytes"]
    entries = EXAMPLE_PEOPLE * (MONTHLY["purchase"] + MONTHLY["payment"] + MONTHLY["declined purchase"])
    return float(entries * (sizes["transactions"] + sizes["idempotency"] / 30 + sizes["outbox"] * 7 / 30))


def _limits_of_the_figures() -> Iterator[str]:
    yield "\n## What these figures are not\n"
    yield "* Measured on the emulator, which reports units as DynamoDB documents them, and rounded up to whole kilobytes by row. DynamoDB Local"
    yield "  counts indexes inside a transaction twice and is no measure. A bill from AWS has not been compared."
    yield "* A conflict costs its attempt again, also when the commit is cancelled; one card used by many at once is dearer."
    yield "* `TAZCO_TRACE_EVENTS=true` costs one write unit more for each event. Point-in-time recovery, backups and alarms are priced apart."
    yield "* Queues are read and cleared in batches of ten, as under load; a quiet queue costs up to three requests an event."
