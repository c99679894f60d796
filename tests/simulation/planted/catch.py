"""Ask the catchers of one planted bug, in a process that imports the broken copy: `python -m tests.simulation.planted.catch COPY CATCHER …`.

The last line says which of them caught it and by what; the exit code is 0 if one did.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

SEEDS_MAX: Final = 40
SECONDS_MAX: Final = 240.0


def caught_by(catcher: str) -> str:
    """What the catcher found; empty if it is content."""
    if catcher.startswith("sweep:"):
        return _by_sweep(catcher.removeprefix("sweep:"))
    return _by_seeds() if catcher == "seeds" else _by_tests(catcher)


def _by_sweep(only: str) -> str:
    from tests.simulation.sweep import sweep  # noqa: PLC0415  # each catcher imports what it needs

    try:
        found = sweep(only=only, stop_at_first=True).found
    except AssertionError as failure:
        return str(failure)
    return found[0] if found else ""


def _by_seeds() -> str:
    from tests.simulation.run import Options, simulate  # noqa: PLC0415  # as above

    until = time.monotonic() + SECONDS_MAX
    for seed in range(1, SEEDS_MAX + 1):
        found = simulate(Options(seed=seed)).found
        if found:
            return f"seed {seed}: {found[0]}"
        if time.monotonic() > until:
            break
    return ""


def _by_tests(path: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", path], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return (lines or ["it failed"])[0] if done.returncode == 1 else ""


def main() -> int:
    """Ask one catcher after the other."""
    import tazco  # noqa: PLC0415  # the copy, which the next line makes sure of

    copy, *catchers = sys.argv[1:]
    assert Path(tazco.__file__).is_relative_to(copy), f"{tazco.__file__} is not the broken copy"
    for catcher in catchers:
        if problem := caught_by(catcher):
            first = problem.strip().splitlines()
            sys.stdout.write(f"{catcher}\t{(first[0] if len(first) == 1 else first[0] + ' … ' + first[-1])[:300]}\n")
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
