"""Events sent again: those that are stuck, and those that were sent before."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tazco.cli.events_seen import OfAggregate, OfType, known_type, reached
from tazco.cli.options import Json, adopted
from tazco.local.terminal import EXIT_AMISS, confirmed, err, fail, failures_explained, out, print_json, print_table, progress

if TYPE_CHECKING:  # they bring the AWS client, which `--help` need not wait for
    from tazco.local.event_replay import Choice, Outcome, Sent
    from tazco.platform.cloud import Cloud
    from tazco.platform.settings import Settings

TIME = "2031-04-05T06:07Z, or how long ago: 90s, 30m, 2h, 3d."

commands = typer.Typer()

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@commands.command()
def redrive(
    event_id: Annotated[str | None, typer.Argument(metavar="EVENT_ID", help="Which event; `tazco events list` shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,  # noqa: FBT002 - typer
    yes: Yes = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Send events to the bus that are stuck: a dead letter gets all its retries again, one that awaits a retry is due at once.

    A dead letter holds back the later events of its aggregate; they follow by themselves. Each redrive is written into the audit.
    """
    if everything is (event_id is not None):
        fail("Give the id of an event, or --all.")
    adopted()
    with failures_explained():
        cloud, settings = reached("dynamodb")
        redriven = asyncio.run(
            _redriven_all(cloud, settings, yes=yes) if event_id is None else _redriven(cloud, settings, event_id)
        )
    if as_json:
        print_json({"redriven": redriven})
    else:
        out.print(f"[green]✓[/] {redriven} event{'' if redriven == 1 else 's'} redriven")


async def _redriven(cloud: "Cloud", settings: "Settings", event_id: str) -> int:
    from tazco.delivery.model import EventNotFound
    from tazco.local.event_redrive import Redriver, origin
    from tazco.wiring import services

    async with services(settings, cloud) as running:
        try:
            await Redriver(running, origin(running.new_id)).redrive(event_id)
        except EventNotFound as refusal:
            fail(
                f"{event_id}: {refusal.message} `tazco events list` shows what waits; `tazco events replay` sends again what was sent."
            )
    return 1


async def _redriven_all(cloud: "Cloud", settings: "Settings", *, yes: bool) -> int:
    from tazco.local.event_redrive import Redriver, count_dead_letters, origin
    from tazco.wiring import services

    async with services(settings, cloud) as running:
        count = await count_dead_letters(running.database)
        if not count:
            return 0
        confirmed(f"Redrive {count} dead letter{'' if count == 1 else 's'}?", yes=yes)
        with progress("events", count) as advance:
            return await Redriver(running, origin(running.new_id)).redrive_all(advance)


@commands.command()
def replay(
    aggregate: OfAggregate = None,
    event_type: OfType = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"Only what happened then or later: {TIME}")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only what happened before.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be sent.")] = False,  # noqa: FBT002 - typer
    yes: Yes = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Send events once more that were sent before, in the order of each aggregate, under the same ids.

    The outbox keeps events for seven days after they were sent. Whoever has seen an event already skips it: this is for consumers
    that lost some, or are new. Exit code 1: the bus did not take all of them.
    """
    from tazco.kernel.clock import system_clock
    from tazco.local.event_replay import Aggregate, Choice, instant_of

    kind, now = known_type(event_type), system_clock()
    adopted()
    with failures_explained():
        choice = Choice(
            aggregate=Aggregate.parse(aggregate) if aggregate else None,
            type=kind,
            since=instant_of(since, now) if since else None,
            until=instant_of(until, now) if until else None,
        )
        cloud, settings = reached("dynamodb", "events")
        found = asyncio.run(_found(cloud, settings, choice))
        if not as_json:
            _show_chosen(found)
        outcome = None
        if found and not dry_run:
            confirmed(f"Send {len(found)} event{'' if len(found) == 1 else 's'} to {settings.event_bus} again?", yes=yes)
            outcome = asyncio.run(_replayed(cloud, settings, found))
    if as_json:
        print_json({"chosen": len(found), "dryRun": dry_run, **(_counts(outcome) if outcome else {})})
    if outcome:
        _tell(outcome, len(found))


async def _found(cloud: "Cloud", settings: "Settings", choice: "Choice") -> list["Sent"]:
    from tazco.local.account import opened
    from tazco.local.event_replay import chosen
    from tazco.platform.database import Database

    with err.status("looking through the outbox"):
        async with opened(cloud) as aws:
            return await chosen(Database(aws, settings.table_prefix), choice)


async def _replayed(cloud: "Cloud", settings: "Settings", found: list["Sent"]) -> "Outcome":
    from tazco.local.account import opened
    from tazco.local.event_replay import Replay
    from tazco.platform.bus import Bus
    from tazco.platform.database import Database

    with progress("events", len(found)) as advance:
        async with opened(cloud) as aws:
            return await Replay(Database(aws, settings.table_prefix), Bus.of(aws, settings), advance).run(found)


def _show_chosen(found: list["Sent"]) -> None:
    from tazco.kernel.clock import to_text
    from tazco.local.event_replay import by_type

    if not found:
        out.print("no event that was sent in the last seven days is among these")
        return
    print_table(
        ("type", "events", "aggregates", "first", "last"),
        ((each.type, each.events, each.aggregates, to_text(each.first), to_text(each.last)) for each in by_type(found)),
    )


def _counts(outcome: "Outcome") -> dict[str, Any]:
    refused = [{"eventId": event.event_id, "reason": reason} for event, reason in outcome.refused]
    stopped = {"stopped": outcome.stopped} if outcome.stopped else {}
    return {"sent": outcome.sent, "gone": outcome.gone, "refused": refused, **stopped}


def _tell(outcome: "Outcome", chosen: int) -> None:
    """The end of a replay; a failure unless the bus took everything that was there."""
    for event, reason in outcome.refused:
        of = f"{event.aggregate_type}/{event.aggregate_id}"
        err.print(f"[red]✗[/] {event.event_id} of {escape(of)}: {escape(reason)}; nothing after it was sent", soft_wrap=True)
    if outcome.gone:
        err.print(f"[yellow]![/] {outcome.gone} were deleted meanwhile", soft_wrap=True)
    if outcome.stopped:
        err.print(f"[red]✗[/] {escape(outcome.stopped)}", soft_wrap=True)
    if outcome.refused or outcome.stopped:
        fail(
            f"{outcome.sent} of {chosen} events are sent. Mend the cause, and replay once more: repetitions do no harm.", EXIT_AMISS
        )
    err.print(f"[green]✓[/] {outcome.sent} of {chosen} events are sent again", soft_wrap=True)
