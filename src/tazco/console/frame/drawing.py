"""Drawing a page: templates that escape everything, a nonce for each answer, and what every template may ask."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT: Final = Path(__file__).parents[1]
STATIC: Final = ROOT / "static"
SHORT_CHARACTERS: Final = 8


def short(text: str) -> str:
    """The end of an id: the beginning of ids that sort by time looks alike."""
    return text if len(text) <= 2 * SHORT_CHARACTERS else f"…{text[-SHORT_CHARACTERS:]}"


def _fingerprints() -> Mapping[str, str]:
    """Every file that browsers may keep for ever, with what changes in its address when it changes."""
    files = [path for path in STATIC.rglob("*") if path.is_file() and path.suffix in (".css", ".js", ".svg")]
    return {str(path.relative_to(STATIC)): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}


FINGERPRINTS: Final = _fingerprints()


def asset(name: str) -> str:
    """The address of a file of ours."""
    return f"/console/static/{FINGERPRINTS[name]}/{name}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset=asset)
    environment.filters.update(short=short)
    return environment


ENVIRONMENT: Final = _environment()


def drawn(template: str, **context: Any) -> str:
    """A page as HTML."""
    return ENVIRONMENT.get_template(template).render(**context)
