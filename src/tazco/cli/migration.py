"""Moving in and out: a programme's data as files of JSON lines."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tazco.cli.options import Json, adopted
from tazco.local.terminal import EXIT_AMISS, confirmed, err, fail, failures_explained, out, print_json, progress

if TYPE_CHECKING:  # they bring the AWS client, which `--help` need not wait for
    from tazco.migration.commands.checking import Documents
    from tazco.migration.commands.importing import Outcome
    from tazco.migration.model import Checked, Wishes
    from tazco.migration.store.catalogue import Catalogue
    from tazco.platform.database import Database

BULK_CALL_SECONDS = 15.0
"""A hundred rows at once may take longer than a command's few."""

commands = typer.Typer()

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the files.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also where the tables are not on this machine.")]


@commands.command("import")
def import_(
    folder: Folder,
    check: Annotated[bool, typer.Option("--check", help="Only check the files; needs no tables.")] = False,  # noqa: FBT002 - typer
    absent: Annotated[
        list[str] | None, typer.Option(metavar="COLLECTION", help="There is nothing of this collection; may be repeated.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLLECTION.FIELD", help="Leave this field out; may be repeated.")
    ] = None,
    accept_imbalance: Annotated[  # noqa: FBT002 - typer
        bool, typer.Option("--accept-imbalance", help="Take over cards whose money does not add up, as they are.")
    ] = False,
    round_residue: Annotated[  # noqa: FBT002 - typer
        bool, typer.Option("--round-residue", help="Take amounts such as 70.30000000000001 as the cent they are next to.")
    ] = False,
    yes: Yes = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Take over the people, cards, requests, transactions, scores and audit logs of another programme.

    Reads users, cards, cardRequests, transactions, scores and auditLogs (.ndjson or .jsonl, one document a line; docs/migration.md
    has the fields). All of it is checked before anything is written. Nothing that is there is overwritten, nobody is told of the past, and a
    broken-off import goes on by running it again. At the end the tables are read back and compared with the files to the cent.
    Exit code 1: something is wrong with the files or in the way, or the comparison is not exact.
    """
    from tazco.migration.commands.checking import Documents
    from tazco.migration.store.catalogue import catalogue
    from tazco.migration.store.files import find

    if not check:
        adopted()
    with failures_explained(), catalogue() as noted:
        decided = {"accept_imbalance": accept_imbalance, "round_residue": round_residue}
        wishes = _wishes(absent or (), ignore or (), **decided)
        documents = Documents(find(folder, wishes.absent), wishes)
        report, fine = _checked(documents, noted, as_json=as_json)
        outcome = asyncio.run(_taken_over(documents, noted, report, yes=yes, as_json=as_json)) if fine and not check else None
    _end(report, outcome, check=check, as_json=as_json)


def _wishes(absent: "list[str] | tuple[()]", ignore: "list[str] | tuple[()]", **decided: bool) -> "Wishes":
    from tazco.migration.model import Collection, Wishes

    def collection(name: str) -> Collection:
        if name not in [*Collection]:
            fail(f"{name!r} is no collection. They are {', '.join(reversed(Collection))}.")
        return Collection(name)

    for each in ignore:
        if "." not in each:
            fail(f"--ignore {each}: name collection and field, such as cards.color.")
    pairs = frozenset((collection(where), name) for where, _, name in (each.partition(".") for each in ignore))
    return Wishes(absent=frozenset(map(collection, absent)), ignored=pairs, **decided)


def _checked(documents: "Documents", noted: "Catalogue", *, as_json: bool) -> "tuple[Checked, bool]":
    from tazco.local.migration_screen import print_checked
    from tazco.migration.commands.checking import check

    with progress("checking", documents.export.count_lines()) as advance:
        report = check(documents, noted, advance)
    if not as_json:
        print_checked(out, report)
    return report, not report.findings.problem_count


async def _taken_over(documents: "Documents", noted: "Catalogue", report: "Checked", *, yes: bool, as_json: bool) -> "Outcome":
    from tazco.local.endpoints import on_loopback
    from tazco.local.migration_screen import print_outcome
    from tazco.migration.commands.importing import take_over
    from tazco.migration.store.destination import look_at

    async with _database() as database:
        destination = await look_at(database)
        err.print(f"[bold]into[/] {destination}", soft_wrap=True, markup=True)
        rows = sum(report.documents.values())
        confirmed(f"Write {rows:,} documents there?", yes=yes or on_loopback(destination.endpoint))
        began = time.monotonic()
        outcome = await take_over(database, destination, documents, noted, report, progress)
        if not as_json:
            print_outcome(out, outcome, time.monotonic() - began)
        return outcome


@asynccontextmanager
async def _database() -> "AsyncIterator[Database]":
    from tazco.local.account import opened
    from tazco.local.endpoints import must_listen
    from tazco.platform.cloud import Cloud
    from tazco.platform.database import Database
    from tazco.platform.settings import load_names

    cloud = Cloud.from_environment()
    must_listen(cloud, "dynamodb")
    async with opened(cloud) as aws:
        aws.call_seconds = BULK_CALL_SECONDS
        yield Database(aws, load_names().table_prefix)


def _end(report: "Checked", outcome: "Outcome | None", *, check: bool, as_json: bool) -> None:
    from tazco.local.migration_screen import checked_as_json, outcome_as_json

    if as_json:
        told: dict[str, Any] = {"check": checked_as_json(report)}
        print_json({**told, "import": outcome_as_json(outcome) if outcome else None})
    problems = report.findings.problem_count
    if problems:
        fail(
            f"{problems:,} problem{'' if problems == 1 else 's'}; nothing was written. Mend the export and run it again.",
            EXIT_AMISS,
        )
    if outcome is None:
        assert check, "what is in order is imported"
        err.print("[green]✓[/] the export can be imported; nothing was written")
    elif outcome.written.conflict_count:
        fail(
            f"{outcome.written.conflict_count} rows are there with other content and stay as they are. Nobody may use the tables during an"
            " import; import into fresh ones, or take out of the export what is meant to stay.",
            EXIT_AMISS,
        )
    elif not outcome.exact:
        fail("The tables are not what the export says. Has somebody used them meanwhile? Stop that and run it again.", EXIT_AMISS)
    else:
        err.print("[green]✓[/] the tables are exactly what the export says")


@commands.command("export")
def export_(
    folder: Folder,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Write all people, cards, requests, transactions, scores and audit logs into files that `tazco import` reads.

    Files get their names once all of them are whole. Each row is as it was at the moment it was read: while the service is
    in use, a purchase may be in one file and not in the other. `tazco import --check DIR` tells.
    """
    from tazco.local.migration_screen import print_exported
    from tazco.migration.commands.exporting import export

    adopted()

    async def exported() -> Any:
        async with _database() as database:
            with progress("rows", await _rows_about(database)) as advance:
                return await export(database, folder, advance, force=force)

    with failures_explained():
        counts = asyncio.run(exported())
    if as_json:
        print_json({str(collection): count for collection, count in counts.items()})
    else:
        print_exported(out, counts, str(folder))


async def _rows_about(database: "Database") -> int:
    """How many rows there are, as DynamoDB counted them in the last hours; refuses where tables are missing."""
    from tazco.migration.store.destination import look_at, rows_about

    destination = await look_at(database)
    err.print(f"[bold]from[/] {destination}", soft_wrap=True, markup=True)
    return await rows_about(database)
