"""The simulation on the command line.

python -m tests.simulation                       the sweep, then seeds for a few minutes; what `make sim` does
python -m tests.simulation --seed 17             one seed, the same steps every time
python -m tests.simulation --minutes 30 --from 1000 --json result.json
python -m tests.simulation --sweep approve       the sweep alone, of the scenarios with that in their name
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from rich.console import Console

RESULT: Final = Path(__file__).with_name("result.json")
MINUTES_DEFAULT: Final = 5.0
SHORT_MINUTES: Final = 4.0
"""Below that nobody can expect every rare state."""

console = Console(stderr=True, highlight=False)


def _steady() -> None:
    """Strings hash the same in every process, or sets would change their order and seeds their meaning."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606  # it is this very program


def _arguments() -> argparse.Namespace:
    from tests.simulation.run import Options  # noqa: PLC0415  # after the hash seed

    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description="Deterministic simulation and single-fault sweep."
    )
    parser.add_argument("--seed", type=int, help="replay one seed")
    parser.add_argument("--seeds", type=int, help="so many seeds, whatever time they take")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first seed")
    parser.add_argument("--minutes", type=float, default=MINUTES_DEFAULT, help="how long to go on with seeds")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--sweep", nargs="?", const="", help="the sweep alone")
    parser.add_argument("--no-sweep", action="store_true", help="seeds alone")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th case of the sweep")
    parser.add_argument("--trace", type=Path, help="with --seed: where to write every step")
    for option in fields(Options):
        if option.name != "seed":
            parser.add_argument(f"--{option.name}", type=option.type if callable(option.type) else float)
    return parser.parse_args()


def _changed(arguments: argparse.Namespace) -> dict[str, Any]:
    from tests.simulation.run import Options  # noqa: PLC0415  # after the hash seed

    names = [option.name for option in fields(Options) if option.name != "seed"]
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _one(seed: int, changed: dict[str, Any], trace: Path | None) -> int:
    from tests.simulation.run import Options, simulate  # noqa: PLC0415  # after the hash seed

    result = simulate(Options(seed=seed, **changed), reading=trace is not None)
    if trace is not None:
        trace.write_text("\n".join(result.lines) + "\n")
    console.print(
        f"seed {seed}: {result.operations} commands, {result.calls} calls, {sum(result.faults.values())} faults, "
        f"{result.kills} kills, {result.virtual_seconds:.0f} virtual seconds"
    )
    sys.stdout.write(f"trace {result.digest}\n")
    for problem in result.found:
        console.print(f"[red]✗[/red] {problem}", markup=True)
    return 1 if result.found else 0


def _many(arguments: argparse.Namespace, changed: dict[str, Any]) -> dict[str, Any]:
    from tests.simulation.ledger import Rare, RareStates  # noqa: PLC0415  # after the hash seed
    from tests.simulation.run import Options, simulate  # noqa: PLC0415  # as above
    from tests.simulation.shrink import shrunk  # noqa: PLC0415  # as above

    total: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    rare = RareStates()
    failed: list[str] = []
    began, seed = time.monotonic(), arguments.first
    while (seed - arguments.first < arguments.seeds) if arguments.seeds else (time.monotonic() - began < arguments.minutes * 60):
        result = simulate(Options(seed=seed, **changed))
        total.update(seeds=1, commands=result.operations, calls=result.calls, kills=result.kills, pauses=result.pauses)
        total["virtual_seconds"] += int(result.virtual_seconds)
        faults += result.faults
        rare += result.rare
        if result.found:
            kinds.update({KINDS.get(problem[:2], "other") for problem in result.found})
            small = shrunk(result)
            failed.append(small.options.command)
            console.print(f"[red]✗ seed {seed}[/red]: {small.found[0][:1500]}")
            console.print(f"  replay with: [bold]{small.options.command}[/bold]")
        seed += 1
        minutes = (time.monotonic() - began) / 60
        console.print(
            f"{minutes:5.1f} min  {total['seeds']} seeds  {total['commands']} commands  {sum(faults.values())} faults", end="\r"
        )
    console.print()
    return {
        **total,
        "seconds": round(time.monotonic() - began),
        "faults": sum(faults.values()),
        "faults_by_kind": dict(sorted(faults.items())),
        **{kind: kinds[kind] for kind in ("lost", "doubled", "stuck", "overdrawn")},
        "failed": failed,
        "rare": {state.value: rare[state] for state in Rare},
        "never": [state.value for state in rare.never],
    }


KINDS: Final = {"I1": "lost", "I2": "doubled", "I5": "doubled", "I9": "stuck", "I3": "overdrawn"}


def _swept(only: str, every: int) -> dict[str, Any]:
    from tests.simulation.sweep import as_json, sweep  # noqa: PLC0415  # after the hash seed

    swept = sweep(only=only, chosen=lambda number: number % every == 0, tell=console.print)
    for problem in swept.found[:20]:
        console.print(f"[red]✗[/red] {problem[:1500]}")
    console.print(
        f"{swept.cases} of {swept.of} cases of {swept.scenarios} scenarios, {len(swept.found)} problems, {swept.seconds:.0f} s"
    )
    return as_json(swept)


def main() -> int:
    """Do what the arguments ask for; 1 if anything was found, 3 if a long run missed a rare state."""
    arguments = _arguments()
    changed = _changed(arguments)
    if arguments.seed is not None:
        return _one(arguments.seed, changed, arguments.trace)
    figures: dict[str, Any] = {}
    source = {"commit": _commit(), "python": sys.version.split()[0]}
    if not arguments.no_sweep:
        figures["sweep"] = {**source, **_swept(arguments.sweep or "", arguments.every)}
    if arguments.sweep is None:
        figures["simulation"] = {**source, **_many(arguments, changed)}
    if arguments.json:
        before = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        arguments.json.write_text(json.dumps({**before, **figures}, indent=2) + "\n")  # what was not run again stays
    if figures.get("sweep", {}).get("problems") or figures.get("simulation", {}).get("failed"):
        return 1
    never = figures.get("simulation", {}).get("never", [])
    if never and not arguments.seeds and arguments.minutes >= SHORT_MINUTES:
        console.print(f"[red]✗[/red] never reached: {', '.join(never)}")
        return 3
    return 0


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:12] or "unknown"


if __name__ == "__main__":
    _steady()
    sys.exit(main())
