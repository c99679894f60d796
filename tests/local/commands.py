"""The command line as a shell runs it: its own process, its own folder, an environment that says nothing of other clouds."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SECONDS_MAX = 30


def tazco(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `tazco <arguments>` to its end; `typed` is all that it finds on its standard input."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAZCO_"))}
    return subprocess.run(
        (sys.executable, "-m", "tazco", *arguments),
        cwd=folder,
        env={**inherited, "COLUMNS": "200", "NO_COLOR": "1", **(environment or {})},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
