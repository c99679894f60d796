"""What the tests of the platform share."""

from collections.abc import AsyncIterator

import pytest

from tests.platform.faults import Faulty
from tests.platform.relay_rig import Rig, open_rig
from tests.platform.subscribed import Subscribed, subscribe
from tests.stage import Stage
from tests.world import World, open_world


@pytest.fixture
async def rig(stage: Stage) -> AsyncIterator[Rig]:
    """A program on the module's stage, swept for each test: nobody else relays there."""
    async with open_rig(stage) as opened:
        yield opened


@pytest.fixture(scope="module")
def faulty() -> Faulty:
    """A transport whose faults a test plans."""
    return Faulty()


@pytest.fixture(scope="module")
async def shaky(stage: Stage, faulty: Faulty) -> AsyncIterator[World]:
    """The application behind that transport."""
    async with open_world(stage, transport=faulty) as opened:
        yield opened


@pytest.fixture
def own(stage: Stage, shaky: World, faulty: Faulty) -> Subscribed:
    """A queue of the test's own, and no fault planned yet."""
    faulty.plan.clear()
    faulty.calls.clear()
    return subscribe(stage, shaky.services.aws)
