"""The terminal: where output goes, how failures that a user can cure are told, tables and JSON."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

EXIT_AMISS: Final = 1
EXIT_CANNOT: Final = 2

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)


def fail(message: str, code: int = EXIT_CANNOT) -> NoReturn:
    """End with a message."""
    err.print(f"[red]✗[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)


@contextlib.contextmanager
def failures_explained() -> Iterator[None]:
    """Turn the failures that a user can cure into messages."""
    from botocore.exceptions import BotoCoreError, ClientError

    from tazco.local.children import ChildDied
    from tazco.local.data_directory import CannotStart
    from tazco.local.endpoints import NobodyThere, NotAnEmulator
    from tazco.local.event_replay import NothingChosen
    from tazco.local.people import DemoFailed, SignInFailed
    from tazco.local.queue_states import NotRedrivable
    from tazco.local.replay.limits import CannotReplay
    from tazco.migration.model import CannotImport
    from tazco.platform.aws import AwsError, AwsUnreachable
    from tazco.platform.cloud import CloudMisconfigured
    from tazco.platform.policy_source import NoPolicy
    from tazco.platform.provision import NotProvisioned
    from tazco.platform.queues import NoQueue, NotMoved
    from tazco.platform.settings import BadSettings

    try:
        yield
    except (BadSettings, CloudMisconfigured, NotProvisioned, CannotReplay, CannotStart, NobodyThere, NothingChosen) as error:
        fail(str(error))
    except (CannotImport, NoQueue, NotAnEmulator, NotRedrivable) as error:
        fail(str(error))
    except NoPolicy as error:
        fail(f"{error}\n`tazco doctor` checks endpoint, credentials and parameters.")
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        fail(f"{error.filename}: {error.strerror}. Choose another folder, or correct its owner and mode.")
    except (ChildDied, DemoFailed, SignInFailed, NotMoved) as error:
        fail(str(error), EXIT_AMISS)
    except (AwsError, AwsUnreachable, BotoCoreError, ClientError) as error:
        fail(f"{error}\nIs the endpoint up, and are the credentials right? `tazco doctor` looks.", EXIT_AMISS)


def print_json(value: Any) -> None:
    """Print for a program; amounts as they were written down."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_line(text: str) -> None:
    """Print a line of a stream at once, as it is."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(
    titles: tuple[str, ...], rows: Iterable[tuple[object, ...]], console: Console = out, *, numbers: bool = False
) -> None:
    """Print for a person; `numbers`: all columns but the first stand to the right."""
    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for column in table.columns[1:] if numbers else ():
        column.justify = "right"
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that goes when it is done; call what you get with how many more are done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def confirmed(question: str, *, yes: bool) -> None:
    """Ask a person before something that cannot be taken back, unless told `yes`; end the command otherwise."""
    if yes:
        return
    err.print(f"{escape(question)} [dim]y/N[/] ", end="")
    answer = sys.stdin.readline()
    if not answer:
        err.print()
        fail("Nobody is here to answer. --yes goes ahead without asking.")
    if answer.strip().lower() not in ("y", "yes"):
        fail("Nothing was done.", EXIT_AMISS)


def duration_text(seconds: int) -> str:
    """`45 s`, `12 min`, `3 h`, `9 d`: the largest unit of which there is a whole one, rounded down."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{max(seconds, 0)} s"
