"""Hours are complete and in order, their rows small, and nobody else's rows are among them."""

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from string import hexdigits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.ids import EventId
from tazco.platform.idempotency import STORED_ANSWERS, Answer, Once
from tazco.tally.model import COUNTED, HOUR, HOURS_MAX, Counts, Mark, Tally, hour_of, kept_until
from tazco.tally.store import MARKS, SHARDS, TALLIES, event_key, hour_key, hours, mark, shard_of, tallies_between, tally
from tests.clouds.differences import MISSING_ROW_UNITS, ROWS_METERED
from tests.platform.test_round_trips import COMMIT, Meter, in_sequence
from tests.platform.test_row_sizes import WRITE_UNIT_BYTES, size_of
from tests.stage import Stage
from tests.tally.counter import happened, moved, react
from tests.world import World, open_world

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # the zone comes with `timezones`
HASHES = st.text(alphabet=sorted(set(hexdigits.lower())), min_size=64, max_size=64)


async def test_every_hour_is_there_oldest_first_and_its_shards_are_added_up(world: World) -> None:
    now = world.clock()
    events = [happened(now - HOUR * back) for back in (0, 2) for _ in range(12)]
    assert len({shard_of(event.event_id) for event in events[:12]}) > 1
    await react(world, *events, happened(now - HOUR * 4), happened(now + HOUR))
    found = await hours(world.services.database, now, 4)
    assert [hour.began_at for hour in found] == [hour_of(now) - HOUR * back for back in (3, 2, 1, 0)]
    assert [hour.declines for hour in found] == [0, 12, 0, 12]


async def test_where_nothing_happened_every_hour_is_zero(world: World) -> None:
    found = await hours(world.services.database, world.clock(), HOURS_MAX)
    assert len(found) == HOURS_MAX
    assert all(moved(hour) == {} for hour in found)


@pytest.mark.parametrize("number", [0, -1, HOURS_MAX + 1])
async def test_more_hours_than_are_kept_or_none_cannot_be_asked_for(world: World, number: int) -> None:
    with pytest.raises(AssertionError, match="1 to 192"):
        await hours(world.services.database, world.clock(), number)


async def test_a_tally_and_a_mark_are_read_together_each_as_what_it_is(world: World) -> None:
    event = happened(world.clock())
    await react(world, event)
    counted, marked = tally(event.event_id, hour_of(event.occurred_at)), mark(event.event_id)
    assert [type(row) for row in await world.services.database.read(counted, marked)] == [Tally, Mark]
    assert [type(row) for row in await world.services.database.read(marked, counted)] == [Mark, Tally]


async def test_a_stored_answer_of_a_caller_who_is_called_like_a_shard_is_no_tally(world: World) -> None:
    """Its key's hash lies between the hours of New Year, if only the year is looked at."""
    key = next(text for text in map(str, count()) if hashlib.sha256(text.encode()).hexdigest().startswith("2025"))
    once = Once(scope="tally#0", key=key, operation="make-purchase/card-1", asked={})
    assert NEW_YEAR.isoformat() > once.key_hash > (NEW_YEAR - HOUR).isoformat()
    answer = once.store(Answer(201, b"{}"), world.clock())
    assert await world.services.database.write(STORED_ANSWERS, answer, condition="attribute_not_exists(#p)")
    assert await world.services.database.read(*tallies_between(NEW_YEAR - HOUR, NEW_YEAR)) == ((),) * SHARDS
    assert await world.services.database.read(once.row) == (answer,)


@given(key_hash=HASHES, until=INSTANTS, length=st.integers(0, HOURS_MAX - 1))
def test_no_hash_of_a_key_lies_between_two_hours(key_hash: str, until: datetime, length: int) -> None:
    for question in tallies_between(hour_of(until) - HOUR * length, hour_of(until)):
        low, high = question.range.at_least, question.range.at_most
        assert low is not None
        assert high is not None
        assert low <= high
        for other in (key_hash, "registration", f"cleanup#{key_hash}", "tally"):
            assert not low <= other <= high


@given(one=INSTANTS, other=INSTANTS)
def test_keys_sort_as_their_hours_do(one: datetime, other: datetime) -> None:
    first, second = hour_of(one), hour_of(other)
    assert (hour_key(first) < hour_key(second)) == (first < second)
    assert hour_key(datetime(2026, 11, 24, 18, tzinfo=UTC)) == "hour#2026-11-24T18"


def test_rows_cost_one_write_unit_however_much_is_counted() -> None:
    event_id, expires_at = EventId("019abcde-0000-7000-8000-000000000000"), kept_until(NEW_YEAR)
    started = Tally(shard=shard_of(event_id), hour=hour_key(NEW_YEAR), expires_at=expires_at, version=10**9)
    much: dict[str, Any] = dict.fromkeys(COUNTED, 10**15)
    assert size_of(TALLIES.item(started.plus(Counts(**much)))) < WRITE_UNIT_BYTES
    assert size_of(MARKS.item(Mark(event_key=event_key(event_id), expires_at=expires_at))) < WRITE_UNIT_BYTES


async def test_an_event_is_two_round_trips_2_read_units_and_4_committed_and_nothing_when_it_comes_again(stage: Stage) -> None:
    meter = Meter()
    async with open_world(stage, transport=meter, report_capacity=True) as world:
        event = happened(world.clock())
        for costs in ((2, 2 * MISSING_ROW_UNITS, 2 * ROWS_METERED), (1, 2, 0)):
            world.services.maintenance.note(running=False)
            meter.trips.clear()
            await react(world, event)
            reads = sum(trip.units for trip in meter.trips if trip.operation != COMMIT)
            commits = sum(trip.units for trip in meter.trips if trip.operation == COMMIT)
            assert (in_sequence(meter.trips), reads, commits) == costs


async def test_a_day_is_one_round_trip_of_one_query_a_shard(stage: Stage) -> None:
    meter = Meter()
    async with open_world(stage, transport=meter, report_capacity=True) as world:
        await react(world, *(happened(world.clock() - timedelta(hours=back)) for back in range(24)))
        meter.trips.clear()
        await hours(world.services.database, world.clock(), 24)
        assert [trip.operation for trip in meter.trips] == ["Query"] * SHARDS
        assert in_sequence(meter.trips) == 1
