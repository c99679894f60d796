"""`tazco relay` as a process of its own."""

import asyncio

from tazco.platform.leases import LEASES
from tazco.platform.shards import ALL_KEYS
from tests.platform.relay_rig import Rig, stream
from tests.processes import POLL_SECONDS, START_SECONDS_MAX, Process


async def test_it_relays_until_it_is_told_to_stop_and_then_gives_its_shards_back(rig: Rig) -> None:
    process = Process("relay", rig.stage.environment)
    rows = stream("card-1", 3, rig.services)
    await rig.write(*rows)
    await process.start()
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while await rig.pending():
                assert not process.ended, process.log.read_text()[-2000:]
                await asyncio.sleep(POLL_SECONDS)
        received = await rig.received(3)
    finally:
        code = await process.stop()
    assert code == 0, process.log.read_text()[-2000:]
    assert [message["detail"]["sequence"] for message in received] == [1, 2, 3]
    leases = await rig.services.database.rows(LEASES, ALL_KEYS)
    assert len(leases) == 17
    assert {lease.until_ms for lease in leases} == {0}


async def test_it_does_not_start_without_its_settings(rig: Rig) -> None:
    environment = {name: value for name, value in rig.stage.environment.items() if name != "TAZCO_COGNITO_USER_POOL_ID"}
    process = Process("relay", environment)
    await process.start()
    assert process._child is not None
    assert await process._child.wait() != 0
    assert "TAZCO_COGNITO_USER_POOL_ID" in process.log.read_text()
