"""What many tests stand on: one cloud for the session, a stage of its own for each module."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from tazco.platform.logs import configure_logs
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.clouds.prerequisites import UNAVAILABLE, MissingPrerequisite
from tests.clouds.targets import TARGETS, chosen, install
from tests.stage import AnyCloud, Stage, new_stage
from tests.world import World, open_world

settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")
configure_logs("warning")
"""The same examples every time: a red run means a change, not luck. `--hypothesis-profile=default` goes looking for new ones."""


def pytest_sessionstart() -> None:
    """Have the cloud that `TAZCO_TESTS_ON` chooses, or say why it cannot be had, with an exit code of its own."""
    try:
        install(chosen())
    except LookupError as error:
        raise pytest.UsageError(str(error)) from error
    except MissingPrerequisite as missing:
        pytest.exit(str(missing), returncode=UNAVAILABLE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which cloud it was."""
    terminalreporter.write_line(f"on {chosen()}")


@pytest.fixture(scope="session")
async def embedded_cloud() -> AsyncIterator[AnyCloud]:
    """One cloud for all tests, on free ports: the embedded one unless `TAZCO_TESTS_ON` chooses another; nothing is kept."""
    async with TARGETS[chosen()]() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def stage(embedded_cloud: AnyCloud) -> Stage:
    """All our resources under a prefix of the module's own."""
    return new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)


@pytest.fixture(scope="module")
async def world(stage: Stage) -> AsyncIterator[World]:
    """The application over that stage."""
    async with open_world(stage) as opened:
        yield opened
