"""What many tests stand on: one embedded cloud for the session, a stage of its own for each module."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from tazco.local.embedded import EmbeddedCloud
from tazco.platform.logs import configure_logs
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.stage import Stage, new_stage
from tests.world import World, open_world

settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")
configure_logs("warning")
"""The same examples every time: a red run means a change, not luck. `--hypothesis-profile=default` goes looking for new ones."""


@pytest.fixture(scope="session")
async def embedded_cloud() -> AsyncIterator[EmbeddedCloud]:
    """One emulator for all tests, on a free port; nothing is kept."""
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture(scope="module")
def stage(embedded_cloud: EmbeddedCloud) -> Stage:
    """All our resources under a prefix of the module's own."""
    return new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)


@pytest.fixture(scope="module")
async def world(stage: Stage) -> AsyncIterator[World]:
    """The application over that stage."""
    async with open_world(stage) as opened:
        yield opened
