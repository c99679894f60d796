"""`python -m tests.local.picture` starts `tazco dev` in an empty folder and draws its screen into `docs/images/dev.svg`."""

import asyncio
import dataclasses
import tempfile
from pathlib import Path

from rich.console import Console

import tazco
from tazco.local.dev import Dev, Plan, Running
from tazco.local.people import Tokens
from tazco.local.screen import print_running
from tazco.local.workspace import Workspace
from tazco.slices import SUBSCRIPTIONS, TABLES

PICTURE = Path(tazco.__file__).parents[2] / "docs/images/dev.svg"
FOLDER = Path("/home/you/tazco/.tazco")
TOKEN_CHARACTERS = 60


def draw(running: Running) -> None:
    """The screen, with the token cut short and the folder somebody's own."""
    short = {name: Tokens(tokens.access[:TOKEN_CHARACTERS] + "…", "") for name, tokens in running.people.tokens.items()}
    people = dataclasses.replace(running.people, tokens=short)
    console = Console(record=True, width=182, force_terminal=True, highlight=False)
    print_running(console, dataclasses.replace(running, people=people, workspace=Workspace(FOLDER)))
    PICTURE.parent.mkdir(exist_ok=True)
    console.save_svg(str(PICTURE), title="make dev")


async def main() -> None:
    """Start, draw, stop."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            workspace=Workspace(Path(folder)),
            tables=TABLES,
            subscriptions=SUBSCRIPTIONS,
            api_port=3000,
            cloud_port=None,
            fresh=False,
        )
        dev = Dev(plan, say=print)

        def show(running: Running) -> None:
            draw(running)
            dev.stop.set()

        await dev.run(show)


if __name__ == "__main__":
    asyncio.run(main())
