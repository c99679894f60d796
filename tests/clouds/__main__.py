"""The command line: run a command on a cloud, install what the clouds need, or keep what is promised on each of them."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from tazco.local.data_directory import CannotStart
from tests.clouds.child import NotStarted
from tests.clouds.prerequisites import UNAVAILABLE, MissingPrerequisite
from tests.clouds.promises import PROMISES, keep
from tests.clouds.targets import TARGETS, install

KILLED_BY: Final = 128
"""What a shell adds to the number of the signal that ended a command."""


async def run(target: str, command: Sequence[str]) -> int:
    """Run the command with the variables of the target, for as long as both live; its exit code."""
    async with TARGETS[target]() as cloud:
        sys.stderr.write(f"→ {target}: {' '.join(command)}\n")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return await _to_the_end(command, {**inherited, **cloud.environment()})


async def _to_the_end(command: Sequence[str], environment: Mapping[str, str]) -> int:
    loop = asyncio.get_running_loop()
    child = await asyncio.create_subprocess_exec(*command, env=environment)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # the terminal tells the command too; we go when it goes
    loop.add_signal_handler(signal.SIGTERM, child.terminate)
    code = await child.wait()
    return code if code >= 0 else KILLED_BY - code


def main() -> int:
    """Parse the command line and do as told."""
    parser = argparse.ArgumentParser(prog="python -m tests.clouds", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    running = commands.add_parser("run", help="start a cloud, run a command on it, stop it; exits as the command does")
    running.add_argument("target", choices=TARGETS)
    running.add_argument("command", nargs="+", help="after --")
    installing = commands.add_parser("install", help="fetch what a cloud needs into .tools")
    installing.add_argument("target", choices=TARGETS, nargs="*")
    keeping = commands.add_parser("keep", help="run on each other cloud what is promised there; options are for pytest")
    keeping.add_argument("options", nargs="*", help="after --")
    chosen = parser.parse_args()
    try:
        if chosen.what == "run":
            return asyncio.run(run(chosen.target, chosen.command))
        if chosen.what == "keep":
            return keep(PROMISES, chosen.options)
        for target in chosen.target or TARGETS:
            install(target)
    except MissingPrerequisite as missing:
        sys.stderr.write(f"✗ {missing}\n")
        return UNAVAILABLE
    except (CannotStart, NotStarted) as error:
        sys.stderr.write(f"✗ {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
