"""What the tests of the tally share."""

from datetime import timedelta

import pytest

from tazco.tally.model import HOUR, hour_of
from tests.tally.counter import forget
from tests.world import World


@pytest.fixture(autouse=True)
async def half_past(world: World) -> None:
    """Nothing is counted yet, and it is half past of an hour that nobody counted in: no test sees an hour end unless it wants to."""
    await forget(world)
    now = world.clock()
    world.clock.shift += hour_of(now) + HOUR + timedelta(minutes=30) - now
