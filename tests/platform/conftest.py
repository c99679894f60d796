"""What the tests of the platform share."""

from collections.abc import AsyncIterator

import pytest

from tazco.local.embedded import EmbeddedCloud
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.platform.relay_rig import Rig, open_rig
from tests.stage import new_stage


@pytest.fixture
async def rig(embedded_cloud: EmbeddedCloud) -> AsyncIterator[Rig]:
    """A program on a stage of its own: nobody else relays there."""
    async with open_rig(new_stage(embedded_cloud, TABLES, SUBSCRIPTIONS)) as opened:
        yield opened
