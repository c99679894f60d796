"""Events: what has not left yet, and what leaves now."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tazco.cli.options import Json, adopted
from tazco.local.endpoints import must_listen
from tazco.local.terminal import (
    err,
    fail,
    failures_explained,
    out,
    print_json,
    print_line,
)

if TYPE_CHECKING:  # they bring the AWS client, which `--help` need not wait for
    from tazco.platform.cloud import Cloud
    from tazco.platform.outbox import OutboxRow
    from tazco.platform.settings import Settings

ROWS_SHOWN = 50
PAYLOAD_CHARACTERS = 96

events = typer.Typer(help="Look at events, and send them again.", no_args_is_help=True)

OfAggregate = Annotated[str | None, typer.Option("--aggregate", metavar="TYPE/ID", help="Only of this aggregate: card/0190….")]
OfType = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only of this type: transaction.purchase.")]


def reached(*services: str) -> tuple["Cloud", "Settings"]:
    """The cloud and the settings, once it is sure that somebody answers for these services."""
    from tazco.platform.cloud import Cloud
    from tazco.platform.settings import load_settings

    cloud = Cloud.from_environment()
    settings = load_settings(cloud)
    must_listen(cloud, *services)
    return cloud, settings


def known_type(given: str | None) -> str | None:
    """The type, unless there is none of that name: to wait for it would be to wait for ever."""
    if given is None:
        return None
    from tazco import slices  # noqa: F401  # declares every event
    from tazco.kernel.events import Event

    known = sorted({event.type for event in Event.__subclasses__()})
    if given not in known:
        fail(f"There is no event type {given!r}. There are: {', '.join(known)}.")
    return given


@events.command("list")
def show(
    status: Annotated[str, typer.Option(help="pending, which includes those awaiting a retry, or dead_letter.")] = "pending",
    first: Annotated[int, typer.Option(min=1, help="At most so many, oldest first.")] = ROWS_SHOWN,
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Show events that have not left yet: those waiting for the bus, or dead letters."""
    from tazco.delivery.model import EventStatus
    from tazco.delivery.views import event_view

    if status not in {each.value for each in EventStatus}:
        fail(f"There is no status {status!r}. There are: {', '.join(EventStatus)}.")
    adopted()
    with failures_explained():
        rows = asyncio.run(_listed(*reached("dynamodb"), EventStatus(status), first + 1))
    shown = rows[:first]
    if as_json:
        print_json([event_view(row) for row in shown])
    elif not shown:
        out.print(f"no event is {status}")
    for row in () if as_json else shown:
        out.print(f"{row.event_id}  [bold]{row.event_type}[/]  {escape(_of(row))}", soft_wrap=True)
        out.print(f"  [dim]{escape(_standing(row))}[/]", soft_wrap=True)
    if len(rows) > first:
        err.print(f"[yellow]![/] there are more; --first {first * 10} shows them", soft_wrap=True)


def _of(row: "OutboxRow") -> str:
    return f"{row.aggregate_type}/{row.aggregate_id} #{row.sequence}"


def _standing(row: "OutboxRow") -> str:
    """Since when it waits, how often it was refused and why."""
    from tazco.kernel.clock import to_text

    parts = [to_text(row.occurred_at)]
    if row.retry_count:
        parts.append(f"{row.retry_count} retr{'y' if row.retry_count == 1 else 'ies'}")
    if row.next_retry_at:
        parts.append(f"next {to_text(row.next_retry_at)}")
    return " · ".join([*parts, row.last_error] if row.last_error else parts)


async def _listed(cloud: "Cloud", settings: "Settings", status: Any, rows_max: int) -> list["OutboxRow"]:
    from tazco.local.account import opened
    from tazco.local.event_redrive import listed
    from tazco.platform.database import Database

    async with opened(cloud) as aws:
        return [row async for row in listed(Database(aws, settings.table_prefix), status, rows_max)]


@events.command()
def tail(
    event_type: OfType = None,
    aggregate: OfAggregate = None,
    person: Annotated[str | None, typer.Option(metavar="ID", help="Only what concerns this person (ecosystemId).")] = None,
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Watch events as they come over the bus; Ctrl-C ends it.

    For the time of looking it makes a queue and a rule of its own. Events may come twice and, between aggregates, in another order
    than they happened: such is the bus. With --json each line is an envelope.
    """
    from tazco.kernel.clock import system_clock
    from tazco.local.event_replay import Aggregate
    from tazco.local.event_tail import Watch, signals_as_interrupt, tailing
    from tazco.platform.jsontext import encode
    from tazco.platform.provision import Clients

    kind = known_type(event_type)
    adopted()
    with failures_explained():
        of = Aggregate.parse(aggregate) if aggregate else None
        watch = Watch(type=kind, aggregate_type=of.type if of else None, aggregate_id=of.id if of else None, ecosystem_id=person)
        cloud, settings = reached("events", "sqs")
        try:
            with signals_as_interrupt(), tailing(Clients.of(cloud), settings, watch, system_clock) as running:
                err.print(f"[dim]· watching {settings.event_bus}; Ctrl-C ends it[/]", soft_wrap=True)
                for envelope in running.events():
                    print_line(encode(envelope).decode() if as_json else _line(envelope))
        except KeyboardInterrupt:
            err.print("[green]✓[/] queue and rule are removed", soft_wrap=True)


def _line(envelope: dict[str, Any]) -> str:
    from tazco.platform.jsontext import encode

    payload = encode(envelope["payload"]).decode()
    short = payload if len(payload) <= PAYLOAD_CHARACTERS else payload[: PAYLOAD_CHARACTERS - 1] + "…"
    of = f"{envelope['aggregateType']}/{envelope['aggregateId']}"
    return f"{envelope['occurredAt']}  {envelope['eventType']:<22}  {of:<45}  #{envelope['sequence']:<4} {short}"
