"""Sizes, names, and that nothing is forgotten."""

import ast
import hashlib
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tazco
from tazco.kernel.errors import Code, Refused
from tazco.kernel.events import Event
from tazco.platform.http.errors import STATUS
from tazco.platform.http.routing import Routes
from tazco.platform.tables import Table
from tazco.slices import ROUTES, TABLES

ROOT = Path(tazco.__file__).parent
REPOSITORY = ROOT.parent.parent
FUNCTION_LINES_MAX = 40
FILE_LINES_MAX = 300
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager", "handler", "misc", "util", "helper"}
LOOKS_AWAY = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|except( Exception| BaseException)?:\s*(pass|\.\.\.)\s*$", re.MULTILINE)
VIEWS_OF_A_TABLE = {"SESSIONS", "BINDINGS", "CODES", "CONFIRMATIONS", "LEASES", "MARKS", "TALLIES"}
"""Other records in a table that somebody else declares."""

SOURCES = sorted(ROOT.rglob("*.py"))


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages([str(ROOT)], "tazco."):
        if not found.name.endswith(("__main__", "emulator")):
            yield importlib.import_module(found.name)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_stays_short_and_so_do_its_functions(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_a_docstring_a_telling_name_and_looks_at_its_errors(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert path.stem not in FORBIDDEN_NAMES
    assert not LOOKS_AWAY.search(text)


def test_every_table_is_registered_once() -> None:
    declared = {
        name: value for module in modules() for name, value in vars(module).items() if isinstance(value, Table) and name.isupper()
    }
    assert {table.name for table in declared.values()} == {table.name for table in TABLES}
    assert len(TABLES) == len({table.name for table in TABLES}) == 12
    assert {name for name, table in declared.items() if table not in TABLES} == VIEWS_OF_A_TABLE


def test_every_api_file_is_registered() -> None:
    declared = [vars(module)["routes"] for module in modules() if module.__name__.endswith(".api")]
    assert all(isinstance(routes, Routes) for routes in declared)
    assert {id(routes) for routes in declared} == {id(routes) for routes in ROUTES}


def test_every_event_has_a_name_of_its_own_and_an_aggregate_that_a_table_numbers() -> None:
    events = {
        value for module in modules() for value in vars(module).values() if isinstance(value, type) and issubclass(value, Event)
    } - {Event}
    assert len(events) >= 12
    assert len({event.type for event in events}) == len(events)
    assert {event.aggregate_type for event in events} <= {table.aggregate for table in TABLES}


def test_every_refusal_has_a_status() -> None:
    assert set(STATUS) == set(Code)
    list(modules())
    unseen, refusals = [Refused], []
    while unseen:
        refusals.append(unseen.pop())
        unseen += refusals[-1].__subclasses__()
    assert all(refusal.code in STATUS for refusal in refusals)


@pytest.mark.parametrize(
    "folder",
    [ROOT / "platform/http/static", ROOT / "console/static", REPOSITORY / "tests/console/vendor"],
    ids=lambda path: path.name,
)
def test_vendored_files_are_what_their_hashes_say(folder: Path) -> None:
    lines = (line.split() for line in (folder / "SHA256SUMS").read_text().splitlines())
    pinned = {name: digest for digest, name in lines}
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in pinned} == pinned


def test_every_ignore_gives_its_reason() -> None:
    for path in [*SOURCES, *(REPOSITORY / "tests").rglob("*.py")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"#\s*(type:\s*ignore|noqa)", line) and "re.search" not in line:
                assert re.search(r"#\s*(type:\s*ignore\[[^]]+\]|noqa:\s*[A-Z0-9, ]+?)\s+[#-]\s*\S+", line), f"{path.name}:{number}"


def test_every_page_of_the_documents_that_is_linked_exists() -> None:
    for page in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
