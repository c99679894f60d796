"""The scoreboard: `python -m tests.simulation.planted [PART OF A NAME] [--json FILE]` plants each bug in a copy and waits until it is caught."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

import tazco
from tests.simulation.planted.catalogue import BUGS, Planted

SOURCE: Final = Path(tazco.__file__).parent
ROOT: Final = SOURCE.parents[1]
SECONDS_MAX: Final = 600

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a bug; `by` is empty where nobody caught it."""

    bug: Planted
    by: str
    problem: str
    seconds: float


def plant(bug: Planted, copy: Path) -> None:
    """Make a copy of the source with the bug in it; raise `ValueError` where the source has moved on."""
    shutil.copytree(SOURCE, copy / "tazco", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in bug.edits:
        path = copy / "tazco" / edit.path
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise ValueError(f"{bug.name}: {edit.path} has {text.count(edit.old)} times {edit.old!r}; renew the edit")
        path.write_text(text.replace(edit.old, edit.new))


def tried(bug: Planted) -> Outcome:
    """Plant it and wait for a catcher."""
    with tempfile.TemporaryDirectory(prefix="tazco-planted-") as folder:
        copy = Path(folder)
        plant(bug, copy)
        environment = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}", "PYTHONHASHSEED": "0"}
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.simulation.planted.catch", str(copy), *bug.catchers]
        try:
            done = subprocess.run(
                command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS_MAX
            )
        except subprocess.TimeoutExpired:
            return Outcome(bug, "", "nobody in time", time.monotonic() - began)
        seconds = time.monotonic() - began
        if done.returncode == 0:
            by, _, problem = done.stdout.strip().splitlines()[-1].partition("\t")
            return Outcome(bug, by, problem, seconds)
        return Outcome(bug, "", done.stderr.strip()[-500:], seconds)


def renew(path: Path, outcomes: list[Outcome]) -> None:
    """Write what came of these bugs into the record; what it says of others that are still planted stays."""
    rows = {row["name"]: row for row in json.loads(path.read_text())["bugs"]} if path.exists() else {}
    for each in outcomes:
        told = {"rule": each.bug.rule, "by": each.by, "seconds": round(each.seconds, 1), "problem": each.problem}
        rows[each.bug.name] = {"name": each.bug.name, **told}
    kept = [rows[bug.name] for bug in BUGS if bug.name in rows]
    figures = {"planted": len(kept), "caught": sum(bool(row["by"]) for row in kept), "bugs": kept}
    path.write_text(json.dumps(figures, indent=2) + "\n")


def main() -> int:
    """Try them all; 1 if one got away."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted")
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    outcomes: list[Outcome] = []
    for bug in BUGS:
        if arguments.name not in bug.name:
            continue
        outcomes.append(outcome := tried(bug))
        mark = "[green]✓[/green]" if outcome.by else "[red]✗[/red]"
        console.print(f"{mark} {bug.name} ({bug.rule}): {outcome.seconds:.0f} s, {outcome.by or 'not caught'}")
        console.print(f"    {outcome.problem[:200]}", style="dim", markup=False)
        if arguments.json:
            renew(arguments.json, outcomes)
    caught = [each.seconds for each in outcomes if each.by]
    console.print(f"{len(caught)} of {len(outcomes)} caught, median {statistics.median(caught or [0]):.0f} s")
    return 0 if len(caught) == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
