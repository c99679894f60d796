"""What the tests of tuning share."""

from collections.abc import AsyncIterator

import pytest

from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.stage import AnyCloud, new_stage
from tests.tuning.desk import Desk, open_desk


@pytest.fixture
async def desk(embedded_cloud: AnyCloud) -> AsyncIterator[Desk]:
    """An operator's desk over parameters that nobody else touches."""
    async with open_desk(new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)) as opened:
        yield opened
