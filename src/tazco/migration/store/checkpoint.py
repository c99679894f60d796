"""How far an import has come, so that going on is quick. Nothing relies on it: what it hides, the reconciliation finds."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

SAVE_SECONDS: Final = 1.0
NAME: Final = ".tazco-import.json"


@dataclass(slots=True)
class Checkpoint:
    """A file beside the export. `key` names the export, what was wished, and the tables that it goes to."""

    path: Path
    key: str
    _saved_at: float = 0.0

    def lines(self) -> int:
        """So many lines from the first on are in the tables."""
        try:
            found = orjson.loads(self.path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return 0
        lines = found.get("lines") if isinstance(found, dict) and found.get("key") == self.key else None
        return lines if isinstance(lines, int) and lines > 0 else 0

    def save(self, lines: int) -> None:
        """Note how far it is, at most once in a second; a folder that takes no files does without."""
        if time.monotonic() - self._saved_at < SAVE_SECONDS:
            return
        self._saved_at = time.monotonic()
        beside = self.path.with_suffix(".partial")
        try:
            beside.write_bytes(orjson.dumps({"key": self.key, "lines": lines}))
            beside.replace(self.path)
        except OSError:
            return

    def forget(self) -> None:
        """All is done."""
        with contextlib.suppress(OSError):  # a folder that takes no files
            self.path.unlink(missing_ok=True)
