"""The cloud under test, and what a test's outcome means there: as documented, known to differ, or neither."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tazco.platform.cloud import Cloud
from tests.conformance.behaviours import BEHAVIOURS, Service
from tests.conformance.here import Here
from tests.conformance.resources import Rows, make_table, sweep
from tests.conformance.running import HERE, VERDICT, judge, new_prefix, target_of
from tests.conformance.targets import PREFIX_VARIABLE, TARGET_VARIABLE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what the target does not serve itself."""
    target = target_of(os.environ)
    for item in items:
        declared = _declared(item)
        if declared is not None and declared not in target.services:
            item.add_marker(pytest.mark.skip(reason=f"{target.title} does not serve {declared.label} itself"))


def _declared(item: pytest.Item) -> Service | None:
    ours = isinstance(item, pytest.Function) and item.function.__module__.startswith("tests.conformance.")
    found = BEHAVIOURS.get(_name(item)) if ours else None
    return found.service if found else None


def _name(item: pytest.Item) -> str:
    """The name of the test's function, without its parameters."""
    return str(getattr(item, "originalname", item.name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Judge a behaviour; what is known to differ has to differ, and in the way that is known."""
    report: Any = yield
    if _declared(item) is None or report.when != "call" or report.skipped:
        return report
    error = call.excinfo.value if call.excinfo else None
    judgement = judge(_name(item), target_of(os.environ).deviations.get(_name(item)), error)
    report.user_properties.append((VERDICT, (_name(item), judgement.verdict.value)))
    if judgement.expected and error is not None:
        report.outcome, report.wasxfail = "skipped", judgement.told
    elif not judgement.expected and error is None:
        report.outcome, report.longrepr = "failed", judgement.told
    elif judgement.told:
        report.sections.append(("conformance", judgement.told))
    return report


@pytest.fixture(scope="session")
def here(request: pytest.FixtureRequest) -> Iterator[Here]:
    """The embedded cloud, unless the environment names a target and says where it is. Afterwards nothing is left of the run."""
    if TARGET_VARIABLE in os.environ:
        cloud = Cloud.from_environment()
    else:
        cloud = Cloud.from_mapping(request.getfixturevalue("embedded_cloud").environment())
    place = Here.at(target_of(os.environ), cloud, os.environ.get(PREFIX_VARIABLE) or new_prefix())
    request.config.stash[HERE] = place
    try:
        yield place
    finally:
        sweep(place)


@pytest.fixture(scope="session")
def rows(here: Here) -> Rows:
    """A table that all tests share; each keeps to partitions of its own."""
    return make_table(here)


@pytest.fixture
def part(here: Here) -> str:
    """A partition, or a shard, that nobody else uses."""
    return here.name("part")


@pytest.fixture(scope="session")
def others(here: Here) -> Rows:
    """A second table, for what reaches over two, and what is told of a table: protected, recoverable, with rows that expire."""
    return make_table(here, DeletionProtectionEnabled=True)
