"""A replay in a terminal: the plan from a file and the options, a bar while it runs."""

import asyncio
import secrets
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tazco.local.people import PASSWORD
from tazco.local.replay.histories import BadHistories, History, read_histories
from tazco.local.replay.limits import CannotReplay, on_this_machine
from tazco.local.replay.report import Report
from tazco.local.replay.stage import Plan, Replay
from tazco.platform.cloud import Cloud
from tazco.platform.settings import Settings

RUN_BYTES: Final = 4
PASSWORD_BYTES: Final = 24
COMPLEXITY: Final = "aA1!"
"""What a pool's password rules may ask for."""


def plan_of(
    file: Path,
    cloud: Cloud,
    settings: Settings,
    *,
    api_url: str | None,
    concurrency: int,
    raise_limits: bool | None,
    first: int | None,
) -> Plan:
    """What the options mean; raise `CannotReplay` for what must not be done.

    On a cloud of this machine limits are raised unless told otherwise, and everybody has the demo people's password; elsewhere
    the policy is never touched, and the password is forgotten after the run.
    """
    here = on_this_machine(cloud)
    if settings.production:
        raise CannotReplay("A replay makes hundreds of people and cards: not in production. Point it to another environment.")
    if raise_limits and not here:
        raise CannotReplay("--raise-limits changes the policy, and this one is not on this machine. Leave the option out.")
    return Plan(
        histories=histories_in(file)[:first],
        api_url=(api_url or f"http://{settings.host}:{settings.port}").rstrip("/"),
        settings=settings,
        cloud=cloud,
        run=secrets.token_hex(RUN_BYTES),
        password=PASSWORD if here else secrets.token_urlsafe(PASSWORD_BYTES) + COMPLEXITY,
        raise_limits=here if raise_limits is None else raise_limits,
        concurrency=concurrency,
    )


def histories_in(file: Path) -> tuple[History, ...]:
    """The histories of a file; raise `CannotReplay` naming what is wrong with it."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return read_histories(lines)
    except BadHistories as error:
        raise CannotReplay(f"{file}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotReplay(f"{file} cannot be read: {error}") from None


def run_shown(plan: Plan, console: Console) -> Report:
    """Run a plan behind a bar that goes when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("customers", total=len(plan.histories))
        replay = Replay(plan, say=lambda text: console.print(f"[dim]·[/] {escape(text)}"), advance=lambda: bar.advance(task))
        return asyncio.run(replay.run())
