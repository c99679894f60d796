"""Pages and templates that follow from the declarations. `python -m tests.architecture.pages` writes them; a test fails when they drift."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cost_page import costs
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

import tazco
from tazco.deployment.stacks import Stack
from tazco.deployment.template import Declarations, readable
from tazco.migration.model import ODDITIES, Collection
from tazco.migration.rules.shapes import SHAPES
from tazco.platform.policy import TUNABLES
from tazco.platform.settings import PREFIX, Settings
from tazco.platform.tables import Table
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.simulation.page import reliability

ROOT = Path(tazco.__file__).parents[2]
DOCS = ROOT / "docs"
TEMPLATES = ROOT / "deploy" / "cloudformation"
HERE = Declarations(tables=TABLES, subscriptions=SUBSCRIPTIONS)
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


MARK = "<!-- Below: generated from the declarations; `make fix` writes it, a test compares. Do not edit. -->"


def migration() -> Iterator[str]:
    """The words of the page as they are, and below them the oddities and the fields of every collection."""
    words, _, _ = (DOCS / "migration.md").read_text().partition(MARK)
    yield words + MARK
    yield "\n| | |\n|---|---|"
    for oddity, meaning in ODDITIES.items():
        yield f"| `{oddity}` | {meaning} |"
    yield "\n## The fields\n"
    yield "Optional fields may be missing or null. Money is a JSON number in whole units with at most two decimals by value. An instant is an"
    yield "ISO 8601 time with its zone, as `toISOString()` writes it; it is kept in UTC with 24 characters. An export writes optional fields that"
    yield "have a value, those that the import derived too, and always `updatedAt`.\n"
    for collection in reversed(Collection):
        yield f"### {collection}.ndjson\n"
        yield "| field | required | type | meaning |\n|---|---|---|---|"
        for field in SHAPES[collection].fields:
            yield f"| `{field.name}` | {'yes' if field.required else ''} | {field.kind.label} | {field.meaning} |"
        yield ""
    yield "## What an export promises"
    yield ""
    yield "Files get their names once all of them are whole; files that are there are kept unless `--force` is given; only their owner may read"
    yield "them. Each row is read strongly consistent, each at its own moment: while the service is in use, a purchase may be in `cards` and not"
    yield "in `transactions`. Stop writing, or restore the tables to one moment beside the live ones and export those (`TAZCO_TABLE_PREFIX`)."
    yield "`tazco import --check DIR` says whether all of it adds up. Not exported: sign-ins, idempotency records, events, messages."


PAGES = {
    "configuration.md": configuration,
    "costs.md": costs,
    "tables.md": tables,
    "migration.md": migration,
    "reliability.md": reliability,
}


def text_of(name: str) -> str:
    """A page as it should be."""
    return "\n".join(PAGES[name]()) + "\n"


def template_of(stack: Stack) -> str:
    """A template as it should be written down."""
    return readable(stack.template(HERE))


def write_pages() -> None:
    """Renew every page and every template."""
    for page in PAGES:
        (DOCS / page).write_text(text_of(page))
    for stack in Stack:
        (TEMPLATES / f"{stack}.json").write_text(template_of(stack))


if __name__ == "__main__":
    write_pages()
