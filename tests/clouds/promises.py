"""What is promised on the other clouds, run on each of them: the second stage after the gate, which is on the embedded cloud alone."""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.clouds.prerequisites import UNAVAILABLE, MissingPrerequisite
from tests.clouds.targets import install

FAILED: Final = 1
PATIENCE: Final = "--timeout=300"
"""More servers on the same processors, and a slower start that counts for the first test, take longer than the gate allows."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Tests that pass on a target; no arguments for pytest: all there are, one after the other."""

    target: str
    what: str
    arguments: tuple[str, ...] = ()


PROMISES: Final = (
    Promise("dynamodb-local", "every test", ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")),
    Promise("localstack", "the journeys", ("tests/journeys",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a promise. `missing` says why it was not tried, and what to do about it."""

    promise: Promise
    missing: str = ""
    code: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    @property
    def word(self) -> str:
        """How it went, in a word."""
        return "missing" if self.missing else "failed" if self.code else "kept"


def keep(promises: Sequence[Promise], options: Sequence[str]) -> int:
    """Run each promise with these options for pytest and print how it went; the exit code for all."""
    console = Console()
    outcomes = []
    for promise in promises:
        console.rule(f"{promise.what} on {promise.target}")
        outcome = _run(promise, options)
        console.print(f"{promise.target}: {_told(outcome)}", highlight=False)
        outcomes.append(outcome)
    console.print(_table(outcomes))
    if any(outcome.code for outcome in outcomes):
        return FAILED
    return UNAVAILABLE if any(outcome.missing for outcome in outcomes) else 0


def _run(promise: Promise, options: Sequence[str]) -> Outcome:
    try:
        install(promise.target)
    except MissingPrerequisite as missing:
        return Outcome(promise=promise, missing=str(missing))
    with tempfile.TemporaryDirectory(prefix="tazco-promise-") as folder:
        counts = Path(folder) / "counts.xml"
        began = time.monotonic()
        code = subprocess.run(
            (sys.executable, "-m", "pytest", f"--junitxml={counts}", PATIENCE, *options, *promise.arguments),
            env={**os.environ, "TAZCO_TESTS_ON": promise.target},
            check=False,
        ).returncode
        seconds = time.monotonic() - began
        suite = ET.parse(counts).getroot()[0].attrib if counts.exists() else {}  # noqa: S314  # our own pytest wrote it
    failed, skipped = int(suite.get("failures", 0)) + int(suite.get("errors", 0)), int(suite.get("skipped", 0))
    passed = int(suite.get("tests", 0)) - failed - skipped
    return Outcome(promise=promise, code=code, passed=passed, failed=failed, skipped=skipped, seconds=seconds)


def _told(outcome: Outcome) -> str:
    if outcome.missing:
        return f"missing because {outcome.missing}"
    return f"ran, {outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped in {outcome.seconds:.0f} s"


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("cloud", "promise", "outcome", "passed", "failed", "skipped", "minutes", title="The clouds")
    for outcome in outcomes:
        told = (str(outcome.passed), str(outcome.failed), str(outcome.skipped), f"{outcome.seconds / 60:.1f}")
        table.add_row(outcome.promise.target, outcome.promise.what, outcome.word, *(told if not outcome.missing else ()))
    return table
