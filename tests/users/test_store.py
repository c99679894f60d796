"""Finding people by what the index knows, which may be what was true a moment ago."""

from tazco.users.store import people_with_email
from tests.contract.test_index_lag import Lagging
from tests.stage import Stage
from tests.world import open_world


async def test_whoever_has_another_email_by_now_is_left_out(stage: Stage) -> None:
    lagging = Lagging()
    async with open_world(stage, transport=lagging) as world:
        person = await world.person()
        (found,) = await people_with_email(world.services.database, person.email)
        assert found.ecosystem_id == person.ecosystem_id
        lagging.index, lagging.times = "UserByEmail", 1
        lagging.items = [{"ecosystemId": {"S": person.ecosystem_id}, "email": {"S": "former@example.com"}}]
        assert await people_with_email(world.services.database, "former@example.com") == ()
        assert lagging.times == 0
