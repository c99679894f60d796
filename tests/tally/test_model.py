"""Hours and counts."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tazco.kernel.money import Money
from tazco.tally.model import COUNTED, HOUR, HOURS_MAX, KEPT_FOR, Counts, Hour, hour_of, kept_until, within_reach

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_counts_add_up_name_by_name_and_what_they_are_counted_in_stays() -> None:
    each: dict[str, Any] = {name: number for number, name in enumerate(COUNTED, 1)}
    more = Counts(**each)
    hour = Hour(began_at=NOON, purchases=2, purchased=Money(50)).plus(more).plus(Counts())
    assert hour.began_at == NOON
    for number, name in enumerate(COUNTED, 1):
        assert getattr(hour, name) == number + {"purchases": 2, "purchased": 50}.get(name, 0)


@pytest.mark.parametrize("past", [timedelta(), timedelta(microseconds=1), HOUR - timedelta(microseconds=1)])
def test_an_hour_begins_at_its_full_hour_in_utc(past: timedelta) -> None:
    assert hour_of(NOON + past) == NOON
    assert hour_of((NOON + past).astimezone(timezone(timedelta(hours=5, minutes=30)))) == NOON


def test_an_hour_is_within_reach_until_it_is_forgotten_and_no_later() -> None:
    moment = timedelta(milliseconds=1)
    assert within_reach(NOON, NOON + KEPT_FOR - moment)
    assert not within_reach(NOON, NOON + KEPT_FOR)
    assert kept_until(NOON) == (NOON + KEPT_FOR).timestamp()
    assert within_reach(NOON, NOON - HOUR)
    assert not within_reach(NOON, NOON - HOUR - moment)
    assert not within_reach(hour_of(datetime.max.replace(tzinfo=UTC)), NOON)


def test_all_hours_that_can_be_asked_for_are_still_there() -> None:
    assert HOURS_MAX == 192
    oldest = NOON - (HOURS_MAX - 1) * HOUR
    assert within_reach(oldest, NOON + HOUR - timedelta(microseconds=1))
