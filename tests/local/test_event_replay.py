"""Sending again what was sent: order within an aggregate whatever the bus refuses."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tazco.local.event_replay import ATTEMPTS_MAX, Aggregate, Choice, NothingChosen, Outcome, Replay, chosen, instant_of
from tazco.platform.aws import Call, over_the_wire
from tazco.platform.bus import Bus
from tazco.platform.marks import mark_published
from tazco.platform.outbox import OUTBOX
from tazco.platform.wire import Reply, WireFailure
from tests.contract.seeds import ago
from tests.contract.test_admin_events import seed_event
from tests.stage import Stage
from tests.world import World, open_world

NOW = datetime(2031, 4, 5, 6, 7, 8, tzinfo=UTC)


class FussyBus:
    """A transport that refuses events by id, so many times each, and notes what it was offered."""

    def __init__(self) -> None:
        self.refuses: defaultdict[str, int] = defaultdict(int)
        self.down = self.down_afterwards = 0
        self.calls: list[list[str]] = []

    async def __call__(self, call: Call, *rest: Any) -> Reply:
        """The real service, but for events that are refused."""
        if call.operation != "PutEvents":
            return await over_the_wire(call, *rest)
        if self.down:
            self.down -= 1
            raise WireFailure("down", sent=False)
        ids = [json.loads(entry["Detail"])["eventId"] for entry in json.loads(call.body)["Entries"]]
        self.calls.append(ids)
        entries = [{"ErrorCode": "ThrottlingException"} if self.refuses[each] > 0 else {"EventId": each} for each in ids]
        for each in ids:
            self.refuses[each] -= 1
        self.down = self.down_afterwards
        return Reply(200, {}, json.dumps({"FailedEntryCount": 0, "Entries": entries}).encode())

    @property
    def offered(self) -> list[str]:
        """Every event in the order in which it was offered."""
        return [each for call in self.calls for each in call]


@pytest.fixture
def fussy() -> FussyBus:
    """A bus that takes everything until told otherwise."""
    return FussyBus()


@pytest.fixture
async def world(stage: Stage, fussy: FussyBus) -> AsyncIterator[World]:
    """The application over that bus, with an empty outbox."""
    async with open_world(stage, transport=fussy) as opened:
        await opened.services.database.delete_all(OUTBOX, [OUTBOX.key_of(item) for item in await opened.rows(OUTBOX)])
        yield opened


async def sent(world: World, aggregate_id: str, *minutes: int) -> None:
    """Events of an aggregate that happened so many minutes ago and were sent."""
    for number, each in enumerate(minutes, 1):
        event_id = f"{aggregate_id}-{number}"
        await seed_event(
            world,
            eventId=event_id,
            aggregateId=aggregate_id,
            sequence=number,
            occurredAt=ago(world, minutes=each),
            ecosystemId="ada",
        )
        (row,) = await world.services.database.rows(OUTBOX, [(event_id,)])
        assert await mark_published(world.services.database, row, world.clock())


async def replayed(world: World, **choice: Any) -> tuple[Outcome, int]:
    """A replay of everything unless told otherwise, and how far the bar went."""
    database, steps = world.services.database, [0]
    found = await chosen(database, Choice(**(choice or {"since": NOW - timedelta(days=36_500)})))
    replay = Replay(database, Bus.of(world.services.aws, world.settings), steps.append, pause_seconds=0)
    return await replay.run(found), sum(steps)


async def test_the_oldest_goes_first_and_no_call_has_two_of_one_aggregate(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 9, 5, 3)
    await sent(world, "b", 7, 6)
    for number in range(12):
        await sent(world, f"c{number:02}", 8)
    outcome, steps = await replayed(world)
    assert (outcome, steps) == (Outcome(sent=17), 17)
    assert all(len({each.rsplit("-", 1)[0] for each in call}) == len(call) <= 10 for call in fussy.calls)
    for stream in "ab":
        ours = [each for each in fussy.offered if each.startswith(f"{stream}-")]
        assert ours == sorted(ours)
    assert fussy.offered[0] == "a-1"
    assert len(fussy.calls) < 6


async def test_the_sequence_counts_where_clocks_disagree(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 1, 5, 3)
    await replayed(world)
    assert fussy.offered == ["a-1", "a-2", "a-3"]


async def test_a_refused_event_is_offered_again_before_its_successors(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 9, 8, 7)
    await sent(world, "b", 9, 8)
    fussy.refuses["a-2"] = ATTEMPTS_MAX - 1
    outcome, _ = await replayed(world)
    assert (outcome.sent, outcome.refused) == (5, [])
    assert [each for each in fussy.offered if each.startswith("a")] == ["a-1", *["a-2"] * ATTEMPTS_MAX, "a-3"]


async def test_an_aggregate_stops_at_what_is_refused_for_good_and_others_go_on(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 9, 8, 7)
    await sent(world, "b", 6, 5)
    fussy.refuses["a-2"] = 99
    outcome, steps = await replayed(world)
    ((event, reason),) = outcome.refused
    assert (event.event_id, reason.split(":")[0], outcome.sent, steps) == ("a-2", "ThrottlingException", 3, 5)
    assert "a-3" not in fussy.offered
    assert fussy.offered.count("a-2") == ATTEMPTS_MAX


async def test_a_bus_that_is_away_for_a_moment_is_waited_for(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 9, 8)
    fussy.down = 5
    outcome, _ = await replayed(world)
    assert (outcome.sent, outcome.stopped, fussy.offered) == (2, None, ["a-1", "a-2"])


async def test_only_outages_in_a_row_end_it(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 9, 8, 7)
    fussy.down = fussy.down_afterwards = 5
    outcome, _ = await replayed(world)
    assert (outcome.sent, outcome.stopped) == (3, None)


async def test_a_bus_that_stays_away_ends_it_and_says_so(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 9, 8)
    fussy.down = 999
    outcome, _ = await replayed(world)
    assert outcome.sent == 0
    assert "bus" in str(outcome.stopped)


async def test_what_the_outbox_forgot_meanwhile_is_passed_over(world: World, fussy: FussyBus) -> None:
    await sent(world, "a", 9, 8, 7)
    database = world.services.database
    found = await chosen(database, Choice(aggregate=Aggregate(type="card", id="a")))
    await database.delete_all(OUTBOX, [("a-2",)])
    outcome = await Replay(database, Bus.of(world.services.aws, world.settings), lambda _: None, pause_seconds=0).run(found)
    assert (outcome.sent, outcome.gone, fussy.offered) == (2, 1, ["a-1", "a-3"])


async def test_conditions_narrow_each_other_and_what_waits_is_never_chosen(world: World) -> None:
    await sent(world, "a", 9, 5, 1)
    await sent(world, "b", 5)
    await seed_event(world, aggregateId="a", sequence=4)
    since, until = world.clock() - timedelta(minutes=6), world.clock() - timedelta(minutes=2)
    for choice, ids in (
        ({"aggregate": Aggregate(type="card", id="a")}, ["a-1", "a-2", "a-3"]),
        ({"aggregate": Aggregate(type="user", id="a")}, []),
        ({"since": since}, ["a-2", "a-3", "b-1"]),
        ({"until": until}, ["a-1", "a-2", "b-1"]),
        ({"since": since, "until": until, "aggregate": Aggregate(type="card", id="a")}, ["a-2"]),
        ({"type": "card.suspended"}, ["a-1", "a-2", "a-3", "b-1"]),
        ({"type": "card.cancelled"}, []),
    ):
        found = await chosen(world.services.database, Choice(**choice))
        assert sorted(each.event_id for each in found) == ids


async def test_since_is_included_and_until_is_not(world: World) -> None:
    await sent(world, "a", 5)
    (row,) = await world.services.database.rows(OUTBOX, [("a-1",)])
    assert Choice(since=row.occurred_at).covers(row)
    assert not Choice(until=row.occurred_at).covers(row)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2031-04-05", datetime(2031, 4, 5, tzinfo=UTC)),
        ("2031-04-05T08:07+02:00", datetime(2031, 4, 5, 6, 7, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_instant_or_how_long_ago(text: str, instant: datetime) -> None:
    assert instant_of(text, NOW) == instant


@pytest.mark.parametrize("text", ["", "h", "-2h", "2 h", "2w", "yesterday", "2031-13-01", "999999999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(NothingChosen):
        instant_of(text, NOW)
