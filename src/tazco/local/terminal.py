"""The terminal: where output goes, how failures that a user can cure are told, tables and JSON."""

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
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
    from tazco.local.endpoints import NobodyThere
    from tazco.local.people import DemoFailed, SignInFailed
    from tazco.local.replay.limits import CannotReplay
    from tazco.platform.aws import AwsError, AwsUnreachable
    from tazco.platform.cloud import CloudMisconfigured
    from tazco.platform.policy_source import NoPolicy
    from tazco.platform.provision import NotProvisioned
    from tazco.platform.settings import BadSettings

    try:
        yield
    except (BadSettings, CloudMisconfigured, NotProvisioned, CannotReplay, CannotStart, NobodyThere) as error:
        fail(str(error))
    except NoPolicy as error:
        fail(f"{error}\n`tazco doctor` checks endpoint, credentials and parameters.")
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        fail(f"{error.filename}: {error.strerror}. Choose another folder, or correct its owner and mode.")
    except (ChildDied, DemoFailed, SignInFailed) as error:
        fail(str(error), EXIT_AMISS)
    except (AwsError, AwsUnreachable, BotoCoreError, ClientError) as error:
        fail(f"{error}\nIs the endpoint up, and are the credentials right? `tazco doctor` looks.", EXIT_AMISS)


def print_json(value: Any) -> None:
    """Print for a program."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_table(titles: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Print for a person."""
    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    out.print(table)
