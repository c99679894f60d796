"""The queues: what waits in them, and dead letters sent back."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tazco.cli.options import Json, adopted
from tazco.local.endpoints import must_listen
from tazco.local.terminal import EXIT_AMISS, duration_text, err, failures_explained, out, print_json, print_table, progress

if TYPE_CHECKING:  # they bring the AWS client, which `--help` need not wait for
    from tazco.local.queue_states import QueueState
    from tazco.platform.cloud import Cloud
    from tazco.platform.settings import Names

queues = typer.Typer(invoke_without_command=True)


@queues.callback()
def show(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002 - typer
    """Show every queue: what waits, what is being worked on, and how old the oldest dead letter is.

    A dead letter is a message that no worker could process in five attempts; [bold]tazco queues redrive[/] sends them back. The numbers
    are those of SQS, approximate for a moment after each change.
    """
    if context.invoked_subcommand is not None:
        return
    adopted()
    with failures_explained():
        states = asyncio.run(_states(*_reached()))
    if as_json:
        print_json([asdict(state) for state in states])
        return
    titles = ("queue", "waiting", "in flight", "delayed", "oldest dead letter")
    print_table(titles, ((s.name, s.waiting, s.in_flight, s.delayed, _age(s)) for s in states))
    dead = [state for state in states if state.dead and state.waiting]
    if dead:
        err.print(f"[yellow]![/] dead letters in {', '.join(state.name for state in dead)}", soft_wrap=True)


def _age(state: "QueueState") -> str:
    """SQS does not tell the age of what waits in a working queue; a look at it would count as an attempt."""
    return "–" if state.oldest_seconds is None else duration_text(state.oldest_seconds)  # noqa: RUF001 - an en dash: nothing to tell


def _reached() -> tuple["Cloud", "Names"]:
    from tazco.platform.cloud import Cloud
    from tazco.platform.settings import load_names

    cloud = Cloud.from_environment()
    must_listen(cloud, "sqs")
    return cloud, load_names()


async def _states(cloud: "Cloud", names: "Names") -> list["QueueState"]:
    from tazco.kernel.clock import system_clock
    from tazco.local.account import opened
    from tazco.local.queue_states import queue_states
    from tazco.slices import SUBSCRIPTIONS

    async with opened(cloud) as aws:
        return await queue_states(aws, names, SUBSCRIPTIONS, system_clock())


@queues.command()
def redrive(
    queue: Annotated[str, typer.Argument(help="Which queue, for example notifications.")],
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Send the dead letters of a queue back to it: each gets its five attempts again.

    Do it when the cause is mended; the worker's log has the reason of each failure. What is sent back is deleted from the
    dead letters only after it has arrived, and no effect happens twice.
    """
    adopted()
    with failures_explained():
        source, target, count, moved = asyncio.run(_redriven(*_reached(), queue))
    if as_json:
        print_json({"from": source, "to": target, "moved": moved})
    elif not count:
        out.print(f"{source} is empty")
    else:
        out.print(f"[green]✓[/] {moved} of {count} dead letters went back to {target}")
    raise typer.Exit(EXIT_AMISS if moved < count else 0)


async def _redriven(cloud: "Cloud", names: "Names", given: str) -> tuple[str, str, int, int]:
    from tazco.local.account import opened
    from tazco.local.queue_states import dead_letters, redrivable, redrive
    from tazco.slices import SUBSCRIPTIONS

    source, target = redrivable(names, SUBSCRIPTIONS, given)
    async with opened(cloud) as aws:
        count = await dead_letters(aws, source)
        with progress("dead letters", count) as advance:
            return source, target, count, await redrive(aws, source, target, count, advance)
