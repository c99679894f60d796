"""Real card histories, played through the running API."""

from pathlib import Path
from typing import Annotated

import typer

from tazco.cli.options import Json, adopted
from tazco.local.terminal import EXIT_AMISS, err, failures_explained, out, print_json

commands = typer.Typer()


@commands.command()
def replay(
    file: Annotated[Path, typer.Argument(help="CSV of card histories, columns as in UCI's Default of Credit Card Clients.")],
    api_url: Annotated[str | None, typer.Option(help="Where the API is; TAZCO_HOST and TAZCO_PORT unless given.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Customers at a time.")] = 16,
    first: Annotated[int | None, typer.Option(min=1, help="Only so many customers, from the top of the file.")] = None,
    raise_limits: Annotated[
        bool | None,
        typer.Option(
            "--raise-limits/--no-raise-limits",
            help="Raise the policy's tier limits to what the histories need, and put them back. Default: on a cloud of this machine.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Play real card histories through the running API, then prove in the tables that every cent and every event is there.

    Each customer is a new person with a real token: registers, gets a score from the repayment columns (500, 40 more for a month in
    time, 60 less for each month of lateness and for each statement above the limit), asks for a card, which the score grants at once
    or the operator afterwards; then, April to September, pays what the month says and buys up to the next statement.
    Exit code 1: an answer that the rules do not explain, or a mismatch.
    """
    from tazco.local.replay.progress import plan_of, run_shown
    from tazco.local.replay.report import print_report
    from tazco.platform.cloud import Cloud
    from tazco.platform.settings import load_settings

    adopted()
    with failures_explained():
        cloud = Cloud.from_environment()
        settings = load_settings(cloud)
        plan = plan_of(file, cloud, settings, api_url=api_url, concurrency=concurrency, raise_limits=raise_limits, first=first)
        report = run_shown(plan, err)
    if as_json:
        print_json(report.as_json())
    else:
        print_report(out, report)
    raise typer.Exit(0 if report.ok else EXIT_AMISS)
