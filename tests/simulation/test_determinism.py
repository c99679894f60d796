"""A seed is a run: the same steps in every process, and the command that a failure prints replays it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = ["--steps", "3", "--days", "1", "--people", "2"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The simulation's command, in a process of its own, because it takes over the emulator's modules."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)


def test_a_seed_gives_the_same_trace_twice_and_another_seed_another_one() -> None:
    once, again, other = (run("--seed", seed, *SMALL) for seed in ("5", "5", "6"))
    assert (once.returncode, again.returncode, other.returncode) == (0, 0, 0), once.stderr + other.stderr
    assert once.stdout.startswith("trace ")
    assert once.stdout == again.stdout != other.stdout


def test_some_seeds_and_a_slice_of_the_sweep_find_nothing(tmp_path: Path) -> None:
    """The whole is `make sim`; this part takes half a minute."""
    done = run("--seeds", "2", "--steps", "5", "--days", "2", "--every", "61", "--json", str(tmp_path / "result.json"))
    assert done.returncode == 0, done.stderr[-5000:]
