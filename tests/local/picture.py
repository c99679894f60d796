"""`python -m tests.local.picture` starts `tazco dev` in an empty folder and draws its screen, and a phone, into `docs/images`."""

import asyncio
import dataclasses
import tempfile
from pathlib import Path

import httpx
from rich.console import Console

import tazco
from tazco.local.dev import Dev, Plan, Running
from tazco.local.people import Tokens
from tazco.local.phone_screen import Painter
from tazco.local.programme import APPROVER, APPROVER_PHONE, STAND_IN_URL_VARIABLE
from tazco.local.screen import print_running
from tazco.local.stand_in.shapes import bubble_of
from tazco.local.workspace import Workspace, read_variables
from tazco.slices import SUBSCRIPTIONS, TABLES

IMAGES = Path(tazco.__file__).parents[2] / "docs/images"
PHONE_COLUMNS = 58
FOLDER = Path("/home/you/tazco/.tazco")
TOKEN_CHARACTERS = 60


def draw(running: Running) -> None:
    """The screen, with the token cut short and the folder somebody's own."""
    short = {name: Tokens(tokens.access[:TOKEN_CHARACTERS] + "…", "") for name, tokens in running.people.tokens.items()}
    people = dataclasses.replace(running.people, tokens=short)
    console = Console(record=True, width=182, force_terminal=True, highlight=False)
    print_running(console, dataclasses.replace(running, people=people, workspace=Workspace(FOLDER)))
    console.save_svg(str(IMAGES / "dev.svg"), title="make dev")


async def draw_phone(running: Running, folder: Path) -> None:
    """Somebody with a low score asks for a card, and the approver taps."""
    stand_in = read_variables(Workspace(folder).variables)[STAND_IN_URL_VARIABLE]
    phone = f"{stand_in}/stand-in/phones/{APPROVER_PHONE}"
    headers = {"authorization": f"Bearer {running.people.tokens['LOW'].access}", "idempotency-key": "picture"}
    async with httpx.AsyncClient(timeout=30) as http:
        asked = await http.post(f"{running.api_url}/v1/cards/requests", json={"productId": "default-credit-card"}, headers=headers)
        asked.raise_for_status()
        question = (await http.get(f"{phone}/next", params={"after": 0, "seconds": 10})).json()["message"]
        (await http.post(f"{phone}/tap", json={"button": "approve"})).raise_for_status()
        await http.get(f"{phone}/next", params={"after": question["number"], "seconds": 10})
        (await http.post(f"{phone}/read", json={})).raise_for_status()
        thread = [bubble_of(each) for each in (await http.get(f"{phone}/thread")).json()["thread"]]
    console = Console(record=True, width=PHONE_COLUMNS, force_terminal=True, color_system="truecolor", highlight=False)
    painter = Painter.on(console)
    for row in [*painter.header(APPROVER, APPROVER_PHONE), *painter.placed(painter.thread(thread))]:
        console.print(row)
    console.save_svg(str(IMAGES / "phone.svg"), title="tazco phone")


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

        drawing: list[asyncio.Task[None]] = []

        async def draw_all(running: Running) -> None:
            try:
                draw(running)
                await draw_phone(running, Path(folder))
            finally:
                dev.stop.set()

        await dev.run(lambda running: drawing.append(asyncio.create_task(draw_all(running))))
        await drawing[0]


if __name__ == "__main__":
    asyncio.run(main())
