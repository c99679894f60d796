"""The processes of the programme: all of them on a laptop, or each by itself."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tazco.cli.options import WithParent, adopted
from tazco.local.terminal import EXIT_AMISS, err, fail, failures_explained, out
from tazco.local.workspace import FOLDER, Workspace

commands = typer.Typer()


@commands.command()
def dev(
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the local data first.")] = False,  # noqa: FBT002 - typer
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the API; a free one if it is taken.")] = 3000,
    cloud_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the embedded cloud; 4566 or a free one unless given.")
    ] = None,
    folder: Annotated[Path, typer.Option("--data", help="Where data, logs and tokens go.")] = FOLDER,
) -> None:
    """Run the whole programme here: emulated cloud, API, demo people.

    Ctrl-C stops it; the next start finds the data again. No Docker, no account, nothing outside of this folder.
    """
    from tazco.local.dev import Dev, Plan, run_until_signal
    from tazco.local.screen import print_running
    from tazco.slices import SUBSCRIPTIONS, TABLES

    plan = Plan(
        workspace=Workspace(folder.absolute()),
        tables=TABLES,
        subscriptions=SUBSCRIPTIONS,
        api_port=port,
        cloud_port=cloud_port,
        fresh=fresh,
    )
    starting = Dev(plan, say=lambda step: err.print(f"[dim]·[/] {escape(step)}", soft_wrap=True))
    with failures_explained():
        asyncio.run(run_until_signal(starting, lambda running: print_running(out, running)))
    if not starting.saved:
        fail("Stopped, but not everything is saved; the last snapshot counts.", EXIT_AMISS)
    err.print("[green]✓[/] stopped, everything is saved")


@commands.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of TAZCO_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Instead of TAZCO_PORT.")] = None,
    with_parent: WithParent = False,  # noqa: FBT002 - typer
) -> None:
    """Serve the API, as the environment describes it."""
    from tazco.app import serve as serve_api

    adopted()
    with failures_explained():
        code = serve_api(host, port, with_parent=with_parent)
    raise typer.Exit(code)


@commands.command()
def relay(with_parent: WithParent = False) -> None:  # noqa: FBT002 - typer
    """Take events from the outbox to the bus, as the environment describes it.

    Several relays share the work, and each takes over from one that died. `tazco serve` relays too, unless TAZCO_RELAY_WITH_API is false.
    """
    from tazco.relay import relay as relay_events

    adopted()
    with failures_explained():
        code = relay_events(with_parent=with_parent)
    raise typer.Exit(code)


@commands.command()
def worker(with_parent: WithParent = False) -> None:  # noqa: FBT002 - typer
    """React to events from the queues, and look after what is due; any number of workers side by side."""
    from tazco.worker import worker as work

    adopted()
    with failures_explained():
        code = work(with_parent=with_parent)
    raise typer.Exit(code)


@commands.command(hidden=True)
def stand_in(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")],
    api_url: Annotated[str, typer.Option(help="Where webhooks go.")],
    host: Annotated[str, typer.Option(help="Address to listen on; in a container all of its own.")] = "127.0.0.1",
    with_parent: WithParent = False,  # noqa: FBT002 - typer
) -> None:
    """Stand in for WhatsApp: take messages as its Cloud API does, and call back; `tazco dev` starts it."""
    from tazco.local.programme import APPROVER, APPROVER_PHONE
    from tazco.local.stand_in.control import Holder
    from tazco.local.stand_in.server import serve as serve_stand_in

    with failures_explained():
        approver = Holder(number=APPROVER_PHONE, name=APPROVER)
        code = serve_stand_in(host, port, api_url, with_parent=with_parent, holders=(approver,))
    raise typer.Exit(code)
