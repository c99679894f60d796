"""Results: one JSON file a target, written by the command, committed, and what the page is made from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.conformance.here import Here
from tests.conformance.running import Verdict

FOLDER: Final = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What one run has found. `units` holds, by service, what it used up in the units that AWS bills."""

    target: str
    version: str
    date: str
    seconds: float
    behaviours: Mapping[str, str]
    units: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def verdict(self, name: str) -> Verdict | None:
        """How the target did; None where it was not asked."""
        return Verdict(self.behaviours[name]) if name in self.behaviours else None

    def write(self, folder: Path = FOLDER) -> Path:
        """Write the target's file."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.target}.json"
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")
        return path


def read(target: str, folder: Path = FOLDER) -> Results | None:
    """The results of the last run on a target, if there was one."""
    path = folder / f"{target}.json"
    return Results(**json.loads(path.read_text())) if path.exists() else None


def units_of(here: Here) -> dict[str, dict[str, float]]:
    """What a run used up."""
    plain: dict[str, dict[str, Any]] = {service.value: asdict(api.usage) for service, api in here.apis.items()}
    return {
        service: {unit: float(count) if isinstance(count, Decimal) else count for unit, count in usage.items() if count}
        for service, usage in plain.items()
    }
