"""Pages that follow from the declarations. `python -m tests.architecture.pages` writes them; a test fails when they drift."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

import tazco
from tazco.platform.policy import TUNABLES
from tazco.platform.settings import PREFIX, Settings
from tazco.platform.tables import Table
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.simulation.page import reliability

DOCS = Path(tazco.__file__).parents[2] / "docs"
NOTE = "<!-- Generated from the declarations: `make fix` writes it, a test compares. Do not edit. -->"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "**required**"
    if value is None or value == ():
        return ""
    assert not isinstance(value, SecretStr)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def configuration() -> Iterator[str]:
    """Every variable and every policy parameter."""
    yield "# Configuration"
    yield NOTE
    yield "\n## Settings: the environment, fixed at start\n"
    yield "Read from the environment and from `.env`. A missing or wrong value refuses to start and names the variable. AWS is found by"
    yield "the SDK's own chain: `AWS_REGION`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,"
    yield "`AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`; roles and profiles work as everywhere.\n"
    yield "| variable | default | meaning |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        yield f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |"
    yield "\n## Policy: parameters in SSM, tunable while running\n"
    yield "Names below `TAZCO_SSM_PREFIX`. Missing ones have their default; a bad value or a contradictory set is refused as a whole and"
    yield "the last good one stays. `tazco provision` creates what is missing and never overwrites.\n"
    yield "| parameter | default | meaning |\n|---|---|---|"
    for name, tunable in TUNABLES.items():
        default = tunable.metadata["default"]
        yield f"| `{name}` | {f'`{default}`' if default is not None else ''} | {tunable.metadata['meaning']} |"


def _key(table: Table[Any]) -> str:
    return " + ".join(f"`{name}`" for name in table.key_names)


def tables() -> Iterator[str]:
    """Every table, index, queue and rule."""
    yield "# Tables, indexes, queues"
    yield NOTE
    yield "\nNames below `TAZCO_TABLE_PREFIX`. All on demand; indexes hold keys only and lag behind. *Ledger* tables have point-in-time"
    yield "recovery and deletion protection. *Stream* is the type under which the rows' events are numbered.\n"
    yield "| table | key | indexes | TTL | ledger | stream |\n|---|---|---|---|---|---|"
    for table in TABLES:
        indexes = "<br>".join(
            f"`{index.name}`: `{index.partition}`{f' + `{index.sort}`' if index.sort else ''}" for index in table.indexes
        )
        ttl, stream = (f"`{each}`" if each else "" for each in (table.ttl, table.aggregate))
        yield f"| `{table.name}` | {_key(table)} | {indexes} | {ttl} | {'yes' if table.ledger else ''} | {stream} |"
    yield "\n| queue | event types |\n|---|---|"
    for subscription in SUBSCRIPTIONS:
        yield f"| `{subscription.queue}` | {', '.join(f'`{kind}`' for kind in subscription.event_types)} |"


PAGES = {"configuration.md": configuration, "tables.md": tables, "reliability.md": reliability}


def text_of(name: str) -> str:
    """A page as it should be."""
    return "\n".join(PAGES[name]()) + "\n"


if __name__ == "__main__":
    for page in PAGES:
        (DOCS / page).write_text(text_of(page))
