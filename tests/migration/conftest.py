"""A stage for each test, with nothing in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tazco.local.embedded import EmbeddedCloud
from tazco.platform.database import Database
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.migration.exports import Folder, made_up
from tests.stage import Stage, new_stage
from tests.world import MovableClock, open_services


@pytest.fixture
def empty_stage(embedded_cloud: EmbeddedCloud) -> Stage:
    """Tables with nothing in them."""
    return new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)


@pytest.fixture
async def database(empty_stage: Stage) -> AsyncIterator[Database]:
    """Those tables."""
    async with open_services(empty_stage, MovableClock()) as running:
        yield running.database


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A sound export of twenty people."""
    return made_up(tmp_path / "export")
