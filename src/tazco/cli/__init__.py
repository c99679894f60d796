"""Way in: the terminal. A module here is a group of commands; each imports what it needs when it runs, so that --help is quick."""

from typing import Annotated

import typer

from tazco import __version__
from tazco.cli import deploy, events_again, events_seen, histories, migration, people, processes, queues, resources
from tazco.local.terminal import out

cli = typer.Typer(
    help="Tazco: the backend of a revolving credit-card programme.\n\n"
    "[bold]tazco dev[/] runs all of it on this machine. While it runs, the other commands find it by themselves.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (processes, resources, people, histories, migration):
    cli.add_typer(group.commands)
events_seen.events.add_typer(events_again.commands)
cli.add_typer(events_seen.events, name="events")
cli.add_typer(queues.queues, name="queues")
cli.add_typer(resources.config, name="config")
cli.add_typer(deploy.deploy, name="deploy")


def main() -> None:
    """Run the command line; an expected failure is one message with cause and cure."""
    cli()


def version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    """Print the version and end."""
    if wanted:
        out.print(f"tazco {__version__}")
        raise typer.Exit


@cli.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version and exit.")] = False,  # noqa: FBT002 - typer
) -> None:
    """Options of every command."""
